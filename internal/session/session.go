// Package session is the reliable session as a pure state machine: numbers,
// acknowledgements, Limit, resume, heartbeats and the end. It is told what
// happened and when, and is asked what to do; it never does I/O, never looks at a
// clock, and holds numbers only. Payloads stay in the caller's queues.
//
// A Session is not safe for concurrent use: the caller's mutex guards it together
// with the send queue, so that a number and its bytes never part.
package session

import (
	"time"

	"github.com/serpy-go/serpy/protocol"
)

// Config is fixed for the life of a session.
type Config struct {
	Units     uint64           // units there is room for in the receive queue; at most MaxUnits
	Bytes     uint64           // unit bytes there is room for; at most MaxBytes
	AckWhen   protocol.AckWhen // which of our numbers the peer's receipts mean
	Heartbeat time.Duration    // the longest silence of ours on a link
	// Redelivered is how many units at the start of what we send may have been
	// processed in an earlier session, and BaseID the count of messages before.
	Redelivered uint64
	BaseID      uint64
}

// AckDelay is how long an acknowledgement that nobody waits for may wait for
// company. No timer of a link is shorter.
const AckDelay = 20 * time.Millisecond

// MaxUnits and MaxBytes bound a window. A head carries the low bits of Limit and
// of the processed number, and they move by a window at most from one head that
// the peer reads to the next: more than half the range would look like a move
// backwards.
const (
	MaxUnits = 1<<(protocol.LimitUnitsBits-1) - 1
	MaxBytes = (1<<(protocol.LimitBytesBits-1) - 1) * protocol.LimitBytesUnit
)

// maxLimit bounds the Limit that a peer may say, so that no sum overflows.
const maxLimit = 1 << 62

// An acknowledgement is due at once when so much is unacknowledged.
const (
	ackUnits = 8192
	ackBytes = 512 << 10
)

// maxFaults protocol errors in a row, without progress between, end a session.
const maxFaults = 3

// Lane is the lane of messages and control, BlobLane that of blobs.
const (
	Lane     = 0
	BlobLane = 1
)

func laneOf(kind protocol.Kind) uint8 {
	if kind == protocol.KindBlob {
		return BlobLane
	}
	return Lane
}

// A Session is one side of a conversation, over as many links as it takes.
type Session struct {
	cfg  Config
	caps protocol.Caps
	out  outbound
	in   inbound
	ctl  control

	foreign *foreign // nil: the wire has a Hello

	up     bool
	linked bool // there was a link
	faults int
}

// New makes a session that has never had a link. A window beyond MaxUnits or
// MaxBytes is cut to that; Config says so.
func New(caps protocol.Caps, cfg Config) *Session {
	cfg.Units, cfg.Bytes = min(cfg.Units, MaxUnits), min(cfg.Bytes, MaxBytes)
	s := &Session{caps: caps, cfg: cfg}
	if !caps.Resume {
		s.foreign = &foreign{}
	}
	s.out.next = 1
	s.in.limitUnits, s.in.limitBytes = cfg.Units, floorBytes(cfg.Bytes)
	return s
}

// floorBytes cuts a count of bytes to what a head can say.
func floorBytes(n uint64) uint64 { return n - n%protocol.LimitBytesUnit }

// Counts is what a Hello says of this session. The links of the session must have
// ended: what it says must stand still. What the application takes or acknowledges
// between this and LinkUp is said by the first head after.
func (s *Session) Counts() protocol.Counts {
	in := &s.in
	units, bytes := s.limits()
	c := protocol.Counts{
		Lane: Lane, Received: in.received, Processed: s.sayProcessed(), Taken: in.taken,
		LimitUnits: units, LimitBytes: bytes,
	}
	in.saidReceived, in.saidProcessed, in.saidUnits, in.saidBytes = c.Received, c.Processed, units, bytes
	return c
}

// LinkUp says that a link carries the session now, and what the peer's Hello said.
// What the peer has not received has to be written again, from the unit after
// Received on.
func (s *Session) LinkUp(now time.Time, peer *protocol.Hello) error {
	c := peer.Lane(Lane)
	o, in := &s.out, &s.in
	switch {
	case c.LimitUnits < o.limitUnits || c.LimitBytes < o.limitBytes:
		return protocol.Errorf("7.2", "the peer's Limit moved back to %d units, %d bytes", c.LimitUnits, c.LimitBytes)
	case c.LimitUnits > maxLimit || c.LimitBytes > maxLimit:
		return protocol.Errorf("7.2", "the peer's Limit is %d units, %d bytes", c.LimitUnits, c.LimitBytes)
	case s.linked && (peer.AckWhen != o.ackWhen || peer.BaseID != o.peerBase || peer.Redelivered != in.redelivered):
		return protocol.Errorf("7.2", "the peer changed what holds for the whole session")
	}
	if err := s.Settle(c); err != nil {
		return err
	}
	if !s.linked {
		s.linked, o.firstLimit = true, c.LimitUnits
		o.ackWhen, o.peerBase, in.redelivered = peer.AckWhen, peer.BaseID, peer.Redelivered
	}
	o.limitUnits, o.limitBytes = c.LimitUnits, c.LimitBytes
	s.up = true
	in.expect, o.due = in.received+1, o.received+1
	in.ackNow, in.unsaidUnits, in.unsaidBytes, in.ackFrom = false, 0, 0, time.Time{}
	s.ctl.linkUp(now, in.nacks)
	return nil
}

// Settle takes the counts that a Hello says, or the final ones of a session that
// was closed, which a Refuse says: receipts resolve by them.
func (s *Session) Settle(c protocol.Counts) error {
	o := &s.out
	switch {
	case c.Received < o.received || c.Received >= o.next:
		return protocol.Errorf("7.2", "the peer says that it received unit %d; %d were written and %d confirmed", c.Received, o.next-1, o.received)
	case c.Received > o.received && !o.groups.has(c.Received):
		return protocol.Errorf("7.2", "the peer says that it received unit %d, and no group ends with it", c.Received)
	case c.Processed < o.processed || c.Processed > c.Received:
		return protocol.Errorf("7.2", "the peer says that it processed unit %d of %d received, after %d", c.Processed, c.Received, o.processed)
	case c.Taken > c.Received:
		return protocol.Errorf("7.2", "the peer says that its application took unit %d, and only %d were received", c.Taken, c.Received)
	}
	s.progress(c.Received > o.received || c.Processed > o.processed)
	o.groups.passed(c.Received)
	o.received, o.processed, o.taken = c.Received, c.Processed, max(o.taken, c.Taken)
	return nil
}

// LinkDown says that the link is gone. broken means that the peer broke a rule of
// the wire; after three of those without progress between, it is true that the
// session has to end.
func (s *Session) LinkDown(broken bool) (end bool) {
	s.up = false
	s.ctl.linkDown()
	if broken {
		s.faults++
	}
	return s.faults >= maxFaults
}

// Progress says that something was confirmed or delivered that the session does not
// number: the data of a blob.
func (s *Session) Progress() { s.progress(true) }

// progress says that something was confirmed or delivered.
func (s *Session) progress(made bool) {
	if made {
		s.faults = 0
	}
}

// Up reports whether a link carries the session.
func (s *Session) Up() bool { return s.up }

// Confirmed is the highest unit that the peer received, and that its application
// processed.
func (s *Session) Confirmed() (received, processed uint64) { return s.out.received, s.out.processed }

// Resolved is the highest unit whose receipt is resolved: by the number that the
// peer's AckWhen names. What is above it has to be kept.
func (s *Session) Resolved() uint64 {
	if s.out.ackWhen == protocol.OnProcessed {
		return s.out.processed
	}
	return s.out.received
}

// PeerAckWhen is what the peer's receipts mean.
func (s *Session) PeerAckWhen() protocol.AckWhen { return s.out.ackWhen }

// PeerTaken is the highest unit of ours that the peer's application is known to
// have taken: by the peer's last Hello, and by its Limit, which moves as units are
// taken. It may have taken more.
func (s *Session) PeerTaken() uint64 {
	o := &s.out
	return max(o.taken, min(o.limitUnits-min(o.firstLimit, o.limitUnits), o.received))
}

// Next is the number of the next unit that is written for the first time.
func (s *Session) Next() uint64 { return s.out.next }

// Received is the highest unit that we received.
func (s *Session) Received() uint64 { return s.in.received }

// Redelivered reports whether a received unit may have been processed in an
// earlier session.
func (s *Session) Redelivered(unit uint64) bool { return unit <= s.in.redelivered }

// PeerBase is the count of messages that the peer had accepted before the first
// unit of this session.
func (s *Session) PeerBase() uint64 { return s.out.peerBase }

// Config gives what the session was made with.
func (s *Session) Config() Config { return s.cfg }
