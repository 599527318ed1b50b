package session

import (
	"errors"
	"fmt"
	"time"

	"github.com/serpy-go/serpy/protocol"
)

// foreign is what a session knows on a wire without a Hello. Such a session is one
// link; nothing in its frames is numbered, so each side counts what passes.
type foreign struct {
	flushed uint64   // highest unit of ours that the link took whole
	asked   []uint64 // our units, written, that want an acknowledgement; oldest first
	acks    uint64   // the peer's acknowledgements that were seen
	acked   uint64   // our unit that the last of them stands for

	wants    []uint64 // the peer's units that want one of ours; oldest first
	accepted uint64   // highest unit that is in the receive queue
	owed     uint64   // acknowledgements that may be written
	said     uint64   // that were given to be written
}

// LinkUpPlain is LinkUp for a wire without a Hello: nothing is resumed, and
// nothing bounds what we write but the link. A session has one such link.
func (s *Session) LinkUpPlain(now time.Time) {
	s.up, s.linked = true, true
	s.out.limitUnits, s.out.limitBytes = maxLimit, maxLimit
	s.out.due = s.out.next
	s.ctl.linkUp(now, nil)
}

// Ask says that a unit of ours that is being written wants an acknowledgement, on a
// wire that counts them. Units are told in the order in which they are written.
func (s *Session) Ask(unit uint64) { s.foreign.asked = append(s.foreign.asked, unit) }

// Flushed says that the link took all of our units up to this one, whole. Where no
// acknowledgement is due before them, that is all the confirmation there will be.
func (s *Session) Flushed(unit uint64) {
	s.foreign.flushed = max(s.foreign.flushed, min(unit, s.out.next-1))
	s.assume()
}

// assume confirms what was written and waits for no acknowledgement.
func (s *Session) assume() {
	x := s.foreign
	unit := x.flushed
	if len(x.asked) > 0 {
		unit = min(unit, x.asked[0]-1)
	}
	s.confirm(unit)
}

func (s *Session) confirm(unit uint64) {
	o := &s.out
	s.progress(unit > o.received)
	o.received = max(o.received, unit)
	o.processed = o.received
}

// Behind is how many of our units the link took behind the last one that the peer
// acknowledged: nobody says whether it has them.
func (s *Session) Behind() uint64 {
	x := s.foreign
	return x.flushed - min(x.acked, x.flushed)
}

// errUnasked is an acknowledgement that nothing was sent for.
var errUnasked = errors.New("the peer acknowledged what was not sent")

// HandleForeign is HandleFrame for a wire without a Hello.
func (s *Session) HandleForeign(f *protocol.Frame) (v Verdict, err error) {
	switch {
	case f.Kind != protocol.KindData:
		return v, fmt.Errorf("a %v frame on a wire that has none", f.Kind)
	case f.Count == 0:
		err = s.handleAcks(f, &v)
	default:
		err = s.handleWhole(f, &v)
	}
	return v, err
}

// handleAcks takes the count of the peer's acknowledgements: the n-th stands for our
// n-th unit that asked.
func (s *Session) handleAcks(f *protocol.Frame, v *Verdict) error {
	x := s.foreign
	switch {
	case s.caps.Acks != protocol.Counted || f.Received == x.acks:
		return nil
	case f.Received < x.acks:
		return fmt.Errorf("%d acknowledgements, after %d", f.Received, x.acks)
	}
	news := f.Received - x.acks
	x.acks = f.Received
	n := min(news, uint64(len(x.asked)))
	if n < news {
		v.Fault = errUnasked // whatever comes later must not be taken for asked
	}
	if n == 0 {
		return nil
	}
	unit := x.asked[n-1]
	x.asked = x.asked[n:]
	x.acked = unit
	s.confirm(unit)
	s.assume()
	v.Confirmed = true
	return nil
}

// handleWhole takes messages. There is no Limit that they could overrun: see Room.
func (s *Session) handleWhole(f *protocol.Frame, v *Verdict) error {
	in, x := &s.in, s.foreign
	unit := in.received
	for run := f.Body; len(run) > 0; {
		u, rest, err := protocol.NextWhole(run)
		if err != nil {
			return err
		}
		run = rest
		unit++
		if u.Flags&protocol.UnitAcked != 0 && s.caps.Acks == protocol.Counted {
			x.wants = append(x.wants, unit)
		}
	}
	if unit-in.received != uint64(f.Count) { //nolint:gosec // a count is not negative
		return fmt.Errorf("a frame of %d messages says %d", unit-in.received, f.Count)
	}
	in.received = unit
	in.bytes += uint64(len(f.Body))
	v.Units = true
	s.progress(true)
	return nil
}

// Room reports whether the receive queue has room: without it the reader of a wire
// without Flow has to stop. What it has read by then may overrun the bound.
func (s *Session) Room() bool {
	return s.in.received < s.in.limitUnits && s.in.bytes < s.in.limitBytes
}

// Accepted says that all that was received is in the receive queue.
func (s *Session) Accepted() { s.foreign.accepted = s.in.received }

// AckOwed reports whether NextAck has something.
func (s *Session) AckOwed() bool {
	x := s.foreign
	until := x.accepted
	if s.cfg.AckWhen == protocol.OnProcessed {
		until = s.in.processed
	}
	n := 0
	for n < len(x.wants) && x.wants[n] <= until {
		n++
	}
	x.wants = x.wants[n:]
	x.owed += uint64(n)
	return s.up && x.owed > x.said
}

// NextAck gives the frame that says how many of the peer's acknowledged messages were
// accepted on this link, or processed, by our AckWhen; the caller writes it before
// messages.
func (s *Session) NextAck() (f protocol.Frame, ok bool) {
	if !s.AckOwed() {
		return f, false
	}
	x := s.foreign
	x.said = x.owed
	return protocol.Frame{Kind: protocol.KindData, Received: x.said}, true
}
