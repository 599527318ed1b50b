package session

import (
	"slices"
	"time"

	"github.com/serpy-go/serpy/protocol"
)

// inbound is what we receive. All counts are since the session's start.
type inbound struct {
	expect   uint64 // the next unit of the link
	received uint64 // highest unit received; units come in order, so also how many
	bytes    uint64 // unit bytes received
	taken    uint64 // highest unit that the application took

	freedUnits, freedBytes uint64 // what does not need room any more
	limitUnits, limitBytes uint64 // the Limit: never moves back

	processed   uint64    // highest unit below which all are processed
	done        spans     // processed out of order
	nacks       []refusal // not yet known to the sender, in order of unit
	redelivered uint64    // units at the start that may be known

	saidReceived, saidProcessed uint64 // in our last head
	saidUnits, saidBytes        uint64

	ackNow                   bool // the sender asked
	unsaidUnits, unsaidBytes uint64
	ackFrom                  time.Time // when what is not acknowledged came; after AckDelay an ack goes alone
}

// A refusal keeps its room in the queue until the sender knows of it, so that a
// sender that never says so cannot make us keep refusals without end.
type refusal struct {
	protocol.Nack
	units, bytes uint64
}

// limits is the Limit as it may be said now.
func (s *Session) limits() (units, bytes uint64) { return s.in.limitUnits, s.in.limitBytes }

// handleUnits takes the units of a data frame, of bytes in all.
func (s *Session) handleUnits(now time.Time, f *protocol.Frame) error {
	in := &s.in
	if f.First != in.expect&(1<<protocol.FirstBits-1) {
		return protocol.Errorf("3.3", "unit %d came, %d was due", f.First, in.expect)
	}
	in.ackNow = in.ackNow || f.Flags&protocol.AckNow != 0
	count, bytes := uint64(f.Count), uint64(len(f.Body)) //nolint:gosec // counts are not negative
	if count == 0 {
		return nil
	}
	if in.received+count > in.limitUnits || in.bytes+bytes > in.limitBytes {
		return protocol.Errorf("3.4", "%d units of %d bytes overrun the Limit, %d units and %d bytes are left",
			f.Count, len(f.Body), in.limitUnits-in.received, in.limitBytes-in.bytes)
	}
	in.received += count
	in.expect += count
	in.bytes += bytes
	in.unsaidUnits += count
	in.unsaidBytes += bytes
	if in.ackFrom.IsZero() {
		in.ackFrom = now
	}
	s.progress(true)
	return nil
}

// Taken says that the application took what ends with unit, or that fragments up
// to it moved into a message in the making. units and bytes do not need room any
// more; under OnProcessed they stay counted until Processed frees them.
func (s *Session) Taken(unit, units, bytes uint64) {
	s.in.taken = max(s.in.taken, unit)
	s.free(units, bytes)
}

func (s *Session) free(units, bytes uint64) {
	in := &s.in
	in.freedUnits += units
	in.freedBytes += bytes
	in.limitUnits = max(in.limitUnits, in.freedUnits+s.cfg.Units)
	in.limitBytes = max(in.limitBytes, floorBytes(in.freedBytes+s.cfg.Bytes))
}

// Processed says that the application is done with the message of the units
// first to last, in any order; it frees units and bytes. A refused one comes with
// its Nack, which the sender has to know before the processed number passes it and
// its room is free. Units that were processed before are ignored, and that is said.
func (s *Session) Processed(first, last, units, bytes uint64, nack *protocol.Nack) (news bool) {
	in := &s.in
	if first <= in.processed || last > in.received || in.done.has(first) {
		return false
	}
	if nack != nil && s.cfg.AckWhen == protocol.OnProcessed {
		s.addNack(refusal{Nack: protocol.Nack{Unit: nack.Unit, Reason: protocol.Clip(nack.Reason)}, units: units, bytes: bytes})
	} else {
		s.free(units, bytes)
	}
	if first != in.processed+1 {
		in.done = in.done.add(first, last)
		return true
	}
	if in.processed = last; len(in.done) > 0 && in.done[0][0] == last+1 {
		in.processed = in.done[0][1]
		in.done = slices.Delete(in.done, 0, 1)
	}
	return true
}

// addNack keeps a nack, in order, until the sender has seen it.
func (s *Session) addNack(n refusal) {
	in := &s.in
	i := len(in.nacks)
	for i > 0 && in.nacks[i-1].Unit > n.Unit {
		i--
	}
	in.nacks = slices.Insert(in.nacks, i, n)
	if s.up {
		s.ctl.nacks = append(s.ctl.nacks, n.Nack)
	}
}

// seen says that the sender knows of these nacks.
func (s *Session) seen(nacks []protocol.Nack) {
	in := &s.in
	known := make(map[uint64]bool, len(nacks)) // as many as a frame holds, ours may be many
	for _, n := range nacks {
		known[n.Unit] = true
	}
	keep := in.nacks[:0]
	for _, n := range in.nacks {
		if !known[n.Unit] {
			keep = append(keep, n)
			continue
		}
		s.free(n.units, n.bytes)
	}
	clear(in.nacks[len(keep):])
	in.nacks = keep
}

// sayProcessed is the processed number as it may be said: it does not pass a nack
// that the sender does not know.
func (s *Session) sayProcessed() uint64 {
	if s.cfg.AckWhen != protocol.OnProcessed {
		return 0
	}
	p := s.in.processed
	if len(s.in.nacks) > 0 {
		p = min(p, s.in.nacks[0].Unit-1)
	}
	return p
}

// Unprocessed is how many units the application has to acknowledge.
func (s *Session) Unprocessed() uint64 { return s.in.received - s.in.processed }

// AckDue reports whether an acknowledgement goes now, without waiting for data to
// ride on. dry says that the reader has taken all that was at hand.
func (s *Session) AckDue(now time.Time, dry bool) bool {
	in := &s.in
	switch {
	case !s.up || !s.caps.Flow || s.ctl.closed:
		return false
	case in.unsaidUnits >= ackUnits || in.unsaidBytes >= ackBytes:
		return true
	case dry && in.ackNow && in.saidReceived != in.received:
		return true
	case s.limitDue() || s.processedDue():
		return true
	}
	return !in.ackFrom.IsZero() && now.Sub(in.ackFrom) >= AckDelay
}

// limitDue says that the sender may be waiting for room that it does not know of.
// Without a step between, a slow application would answer each message with a
// frame; with this one the sender never waits while the queue is empty, because
// the window is a step larger than the largest message (see Window).
func (s *Session) limitDue() bool {
	in := &s.in
	return in.limitUnits-in.saidUnits >= unitStep(s.cfg.Units) || in.limitBytes-in.saidBytes >= byteStep(s.cfg.Bytes)
}

func unitStep(window uint64) uint64 { return max(1, min(window/4, ackUnits)) }
func byteStep(window uint64) uint64 {
	return max(protocol.LimitBytesUnit, min(window/4, ackBytes))
}

// processedDue says that somebody may wait for a processed number.
func (s *Session) processedDue() bool { return s.sayProcessed() != s.in.saidProcessed }

// Window is the room in bytes that a receive queue needs, so that a message of
// max payload bytes always gets through.
func Window(queue, maxMessage int) uint64 {
	largest := uint64(maxMessage) + uint64(maxMessage)/4 + 8 //nolint:gosec // as base85
	units := largest/protocol.FragmentSize + 1
	largest += units*8 + protocol.MaxHeader + 256
	window := max(uint64(queue), largest+min(largest/3, ackBytes)) //nolint:gosec // a size is not negative
	return window + 2*protocol.LimitBytesUnit
}
