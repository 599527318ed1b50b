package serpytest

import (
	"crypto/sha256"
	"fmt"
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

	mu       sync.Mutex // a leaf; protects all below, and what Sent holds
	clock    int        // counts the facts
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
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sent == nil {
		h.sent = make(map[uint64]*Sent)
	}
	if h.sent[key] != nil {
		panic(fmt.Sprintf("serpytest: History.Sending: key %d is used twice", key))
	}
	s := &Sent{h: h, key: key, acked: acked, content: c, began: h.tick()}
	h.sent[key] = s
	return s
}

// Accepted takes down that the send returned nil. From then on the message
// has to arrive, or to be reported.
func (s *Sent) Accepted() {
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	s.returned = s.h.tick()
	s.h.accepted = append(s.h.accepted, s)
	s.place = uint64(len(s.h.accepted))
}

// Refused takes down that the send failed before the message was accepted: it
// must not arrive.
func (s *Sent) Refused() {
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	s.returned = s.h.tick()
	s.refused = true
	s.h.refused++
}

// Confirmed takes down that the receipt said nil.
func (s *Sent) Confirmed() { s.resolve(&s.confirmed, "confirmed") }

// Nacked takes down that the receipt said that the peer's application
// refused.
func (s *Sent) Nacked() { s.resolve(&s.nacked, "refused") }

// Unconfirmed takes down that the receipt said that nobody will say
// (serpy.ErrUnconfirmed). A Wait that only its own context ended is no such
// fact.
func (s *Sent) Unconfirmed() { s.resolve(&s.unconfirmed, "unconfirmed") }

func (s *Sent) resolve(what *int, name string) {
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	was := s.resolution()
	if was != "" && was != name {
		s.again = was + ", then " + name
	}
	*what = s.h.tick()
}

// resolution says how the receipt resolved first; empty: it has not.
func (s *Sent) resolution() string {
	switch {
	case s.confirmed != 0:
		return "confirmed"
	case s.nacked != 0:
		return "refused"
	case s.unconfirmed != 0:
		return "unconfirmed"
	}
	return ""
}

// Received takes down that the receiver's application got a message. Messages
// that several goroutines receive have no order: receive in one. Where ID is
// set, every message of the direction has to be in the History.
func (h *History) Received(r Reception) {
	c := contentOf(r.Payload)
	h.mu.Lock()
	defer h.mu.Unlock()
	now := reception{at: h.tick(), key: r.Key, content: c, id: r.ID, redelivered: r.Redelivered}
	if r.Gap != nil {
		gap := *r.Gap
		now.gap = &gap
	}
	h.received = append(h.received, now)
	if s := h.sent[r.Key]; s != nil && s.first == 0 {
		s.first, s.id = now.at, r.ID
	}
}

// Acked takes down that the receiver's application is about to say that it is
// done with a message. It does not matter without WhenProcessed.
func (h *History) Acked(key uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.sent[key]; s != nil && s.firstAck == 0 && s.firstNack == 0 {
		s.firstAck = h.tick()
	}
}

// WasNacked takes down that the receiver's application is about to refuse a
// message.
func (h *History) WasNacked(key uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.sent[key]; s != nil && s.firstAck == 0 && s.firstNack == 0 {
		s.firstNack = h.tick()
	}
}

// SessionLost takes down that the sender was told of a lost session, and how
// many messages may be lost with it: the Unconfirmed of serpy.SessionLost.
func (h *History) SessionLost(messages uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tick()
	h.sessionsLost++
	h.lostBudget += messages
}

// Dropped takes down that the sender was told that a policy dropped so many
// messages more. It matters where nothing follows them, so that no Gap can
// tell the receiver.
func (h *History) Dropped(messages uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tick()
	h.dropped += messages
}

// Closed takes down that an end closed although messages were unconfirmed:
// then receipts may say so.
func (h *History) Closed() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tick()
	h.closed = true
}

// SenderCrashed takes down that the sender's process died: what it had
// accepted and nobody got is lost, and nobody was told.
func (h *History) SenderCrashed() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.senderCrash = h.tick()
}

// ReceiverCrashed takes down that the receiver's process died: what was in
// its memory is lost, confirmed or not, unless WhenProcessed.
func (h *History) ReceiverCrashed() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.receiverCrash = h.tick()
}
