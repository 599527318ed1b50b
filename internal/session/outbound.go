package session

import (
	"time"

	"github.com/serpy-go/serpy/protocol"
)

// outbound is what we send. All counts are since the session's start.
type outbound struct {
	next       uint64 // number of the next new unit
	due        uint64 // number of the next unit on this link: less while old ones are written again
	bytes      uint64 // unit bytes written, each once
	received   uint64 // confirmed by the peer
	groups     marks  // written, and not received
	processed  uint64
	taken      uint64
	limitUnits uint64 // the peer's Limit
	limitBytes uint64
	firstLimit uint64           // the peer's limitUnits before it received anything
	ackWhen    protocol.AckWhen // the peer's
	peerBase   uint64
}

// Credit is how many new units, and how many bytes of them, may be written now.
func (s *Session) Credit() (units, bytes uint64) {
	o := &s.out
	if !s.up {
		return 0, 0
	}
	return o.limitUnits - min(o.limitUnits, o.next-1), o.limitBytes - min(o.limitBytes, o.bytes)
}

// Written says that new units were handed to the link: count units of bytes unit
// bytes in all. Units that are written again are not told. It panics if that was
// beyond the Credit: the caller's queue is wrong then.
func (s *Session) Written(count int, bytes int) {
	o := &s.out
	units, room := s.Credit()
	if uint64(count) > units || uint64(bytes) > room { //nolint:gosec // counts are not negative
		panic("session: written beyond the peer's limit")
	}
	o.next += uint64(count)  //nolint:gosec // as above
	o.bytes += uint64(bytes) //nolint:gosec // as above
}

// Head is the head of a frame that is written now: its numbers, and the acks and
// Limit that ride along. first is the number of the first unit; 0 stands for a
// frame without units.
func (s *Session) Head(now time.Time, kind protocol.Kind, first uint64, count int) protocol.Frame {
	if first == 0 {
		first = s.out.due
	} else {
		s.out.due = first + uint64(count) //nolint:gosec // a count is not negative
		if s.caps.Resume {
			s.out.groups.add(s.out.due - 1)
		}
	}
	s.ctl.saidAt = now
	in := &s.in
	units, bytes := s.limits()
	f := protocol.Frame{
		Kind: kind, Lane: laneOf(kind), First: first, Count: count,
		Received: in.received, Processed: s.sayProcessed(), LimitUnits: units, LimitBytes: bytes,
	}
	in.saidReceived, in.saidProcessed, in.saidUnits, in.saidBytes = f.Received, f.Processed, units, bytes
	in.ackNow, in.unsaidUnits, in.unsaidBytes, in.ackFrom = false, 0, 0, time.Time{}
	return f
}

// handleNumbers takes the acks and the Limit of a frame.
func (s *Session) handleNumbers(f *protocol.Frame) error {
	o := &s.out
	received, ok := protocol.Expand(f.Received, protocol.ReceivedBits, o.received)
	switch {
	case !ok:
		return protocol.Errorf("3.2", "the received number moved back from %d", o.received)
	case received >= o.next:
		return protocol.Errorf("3.2", "unit %d is acknowledged, and only %d were written", received, o.next-1)
	case received > o.received && !o.groups.has(received):
		return protocol.Errorf("3.5", "unit %d is acknowledged, and no group ends with it", received)
	}
	processed, ok := protocol.Expand(f.Processed, protocol.ProcessedBits, o.processed)
	switch {
	case !ok:
		return protocol.Errorf("3.2", "the processed number moved back from %d", o.processed)
	case processed > received:
		return protocol.Errorf("3.2", "unit %d is processed, and only %d were received", processed, received)
	}
	units, ok := protocol.Expand(f.LimitUnits, protocol.LimitUnitsBits, o.limitUnits)
	if !ok {
		return protocol.Errorf("3.2", "the Limit moved back from unit %d", o.limitUnits)
	}
	low := f.LimitBytes / protocol.LimitBytesUnit
	bytes, ok := protocol.Expand(low, protocol.LimitBytesBits, o.limitBytes/protocol.LimitBytesUnit)
	if !ok {
		return protocol.Errorf("3.2", "the Limit moved back from byte %d", o.limitBytes)
	}
	s.progress(received > o.received || processed > o.processed)
	o.received, o.processed = received, processed
	o.groups.passed(received)
	o.limitUnits, o.limitBytes = units, bytes*protocol.LimitBytesUnit
	return nil
}
