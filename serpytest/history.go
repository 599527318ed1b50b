package serpytest

import (
	"crypto/sha256"
	"io"
	"sync"
)

// History takes down what happened to the messages of one direction of one
// conversation, over all its links and sessions, and says afterwards which
// promise was broken: see [History.Check]. The zero value is ready. All methods may be called
// from any goroutine; each takes a fact when it is called, so call them right before or after
// what they tell of.
//
// Messages are told apart by a key of the test's own, which no two share: a
// number that the payload carries, most often. Payloads are not kept, only
// their digests; a message costs about 150 bytes.
type History struct {
	// WhenProcessed says that the receiver confirms when its application
	// calls Ack (serpy.OnProcessed): then a receipt without an Ack before it
	// is false. Set it before the first message.
	WhenProcessed bool
	// Log, if set, is given each fact as a line of JSON, in one Write each, for
	// [ReadHistory]: so the two ends may be programs of their own, and one that
	// is killed leaves what it had seen. Set it before the first message. A Write
	// that fails is a panic: a test that cannot take down what it saw is none.
	Log io.Writer

	mu       sync.Mutex // protects all below, what Sent holds, and Log
	clock    int        // counts the facts
	at       int64      // of the last one, in nanoseconds of the wall clock
	sent     map[uint64]*Sent
	accepted []*Sent // in the order in which the sends returned
	refused  int
	received []reception

	sessionsLost  int
	lostBudget    uint64 // messages that the sender was told may be lost
	dropped       uint64 // messages that the sender was told it dropped
	closed        bool   // an end closed with messages unconfirmed
	senderCrash   int    // when, by clock; 0: never
	receiverCrash int    // likewise
}

// Sent is one message of a [History], as its sender knows it.
type Sent struct {
	h        *History
	key      uint64
	acked    bool
	content  content
	began    int // by the history's clock; 0 in all of these: never
	returned int
	refused  bool

	confirmed, nacked, unconfirmed int // what its receipt said
	again                          string

	place     uint64 // in the order of acceptance, from 1
	first     int    // when it was received first
	id        uint64 // under which count then
	firstAck  int    // when the receiver's application said that it was done
	firstNack int    // or that it refused
}

// content stands for a payload.
type content struct {
	size   int
	digest [16]byte
}

func contentOf(payload []byte) content {
	sum := sha256.Sum256(payload)
	return content{len(payload), [16]byte(sum[:16])}
}

// Reception is what the receiver's application got. Key and Payload are
// always set; the others as the message had them.
type Reception struct {
	Key         uint64
	Payload     []byte
	ID          uint64 // the sender's count; 0: not checked
	Redelivered bool
	Gap         *Gap // nil: none
}

// Gap is what was said to be missing right before a message, by the sender's
// count.
type Gap struct {
	First, Last uint64
	Count       uint64 // 0: unknown
	WithSession bool   // lost with a session; false: dropped by a policy
}

type reception struct {
	at          int
	key         uint64
	content     content
	id          uint64
	redelivered bool
	gap         *Gap
}

// tick takes the time of a fact; h.mu is held.
func (h *History) tick() int {
	h.clock++
	return h.clock
}

// Sending takes down that a message is about to be sent; acked: in a mode
// with receipts. Call Accepted or Refused on the result when the send has
// returned. Where it does not return, or cannot say (its context ended after
// acceptance), call neither: the message may arrive, and need not.
//
// It panics when the key has been used.
func (h *History) Sending(key uint64, acked bool, payload []byte) *Sent {
	c := contentOf(payload)
	h.note(fact{What: factSending, Key: key, Acked: acked, Size: c.size, Digest: c.digest[:]})
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sent[key]
}

// Accepted takes down that the send returned nil. From then on the message
// has to arrive, or to be reported.
func (s *Sent) Accepted() { s.h.note(fact{What: factAccepted, Key: s.key}) }

// Refused takes down that the send failed before the message was accepted: it
// must not arrive.
func (s *Sent) Refused() { s.h.note(fact{What: factRefused, Key: s.key}) }

// Confirmed takes down that the receipt said nil.
func (s *Sent) Confirmed() { s.h.note(fact{What: factConfirmed, Key: s.key}) }

// Nacked takes down that the receipt said that the peer's application
// refused.
func (s *Sent) Nacked() { s.h.note(fact{What: factNacked, Key: s.key}) }

// Unconfirmed takes down that the receipt said that nobody will say
// (serpy.ErrUnconfirmed). A Wait that only its own context ended is no such
// fact.
func (s *Sent) Unconfirmed() { s.h.note(fact{What: factUnconfirmed, Key: s.key}) }

// Received takes down that the receiver's application got a message. Messages
// that several goroutines receive have no order: receive in one. Where ID is
// set, every message of the direction has to be in the History.
func (h *History) Received(r Reception) {
	c := contentOf(r.Payload)
	f := fact{What: factReceived, Key: r.Key, Size: c.size, Digest: c.digest[:], ID: r.ID, Redelivered: r.Redelivered}
	if r.Gap != nil {
		gap := *r.Gap
		f.Gap = &gap
	}
	h.note(f)
}

// Acked takes down that the receiver's application is about to say that it is
// done with a message. It does not matter without WhenProcessed.
func (h *History) Acked(key uint64) { h.note(fact{What: factAcked, Key: key}) }

// WasNacked takes down that the receiver's application is about to refuse a
// message.
func (h *History) WasNacked(key uint64) { h.note(fact{What: factWasNacked, Key: key}) }

// SessionLost takes down that the sender was told of a lost session, and how
// many messages may be lost with it: the Unconfirmed of serpy.SessionLost.
func (h *History) SessionLost(messages uint64) {
	h.note(fact{What: factSessionLost, Messages: messages})
}

// Dropped takes down that the sender was told that a policy dropped so many
// messages more. It matters where nothing follows them, so that no Gap can
// tell the receiver.
func (h *History) Dropped(messages uint64) { h.note(fact{What: factDropped, Messages: messages}) }

// Closed takes down that an end closed although messages were unconfirmed:
// then receipts may say so.
func (h *History) Closed() { h.note(fact{What: factClosed}) }

// SenderCrashed takes down that the sender's process died: what it had
// accepted and nobody got is lost, and nobody was told.
func (h *History) SenderCrashed() { h.note(fact{What: factSenderCrashed}) }

// ReceiverCrashed takes down that the receiver's process died: what was in
// its memory is lost, confirmed or not, unless WhenProcessed.
func (h *History) ReceiverCrashed() { h.note(fact{What: factReceiverCrashed}) }
