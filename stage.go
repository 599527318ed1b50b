package serpy

import (
	"bytes"

	"github.com/serpy-go/serpy/protocol"
)

// A staged message was accepted under a dropping policy and not yet written, so
// that it may still be dropped. A staged gap stands where some were.
type staged struct {
	id      uint64
	wire    wireMessage
	dropped bool // a gap from id to last
	last    uint64
}

// A stage stands before the send queue while the policy is a dropping one. It is
// guarded by the connection's mutex.
type stage struct {
	list     ring[staged]
	bytes    int
	messages int32

	castBytes int32 // as of a sendQueue
	cast      uint64
}

// push puts a message behind the last. It stays beyond the send, so that it needs
// memory of its own.
func (s *stage) push(id uint64, w wireMessage) {
	if !w.owned {
		w.payload, w.owned = bytes.Clone(w.payload), true
	}
	if w.unit != nil {
		s.refers(&w)
	}
	s.list.push(staged{id: id, wire: w})
	s.messages++
	s.bytes += w.size()
}

// refers is as that of a sendQueue.
func (s *stage) refers(w *wireMessage) {
	if w.cast != s.cast {
		for i, left := s.list.len()-1, int(s.castBytes); i >= 0 && left > 0 && s.castBytes < largeCast/4; i-- {
			if e := &s.list.at(i).wire; e.unit != nil {
				left -= len(e.unit)
				e.payload, e.unit = bytes.Clone(e.payload), nil
			}
		}
		s.cast, s.castBytes = w.cast, 0
	}
	s.castBytes += int32(len(w.unit)) //nolint:gosec // of one group
}

// drop turns the element i into a gap, and joins it with the gaps beside it.
func (s *stage) drop(i int) {
	e := s.list.at(i)
	s.messages--
	s.bytes -= e.wire.size()
	e.wire, e.dropped, e.last = wireMessage{}, true, e.id
	if i+1 < s.list.len() {
		if after := s.list.at(i + 1); after.dropped {
			e.last = after.last
			s.list.remove(i + 1)
			e = s.list.at(i)
		}
	}
	if i > 0 {
		if before := s.list.at(i - 1); before.dropped {
			before.last = e.last
			s.list.remove(i)
		}
	}
}

// pushDropped puts a gap of one message behind the last.
func (s *stage) pushDropped(id uint64) {
	if n := s.list.len(); n > 0 {
		if e := s.list.at(n - 1); e.dropped {
			e.last = id
			return
		}
	}
	s.list.push(staged{id: id, dropped: true, last: id})
}

// victim finds the message that a policy drops for one with this tag; -1: none.
func (s *stage) victim(p Policy, tag uint32) int {
	oldest := -1
	for i := 0; i < s.list.len(); i++ {
		e := s.list.at(i)
		if e.dropped || e.wire.awaited() {
			continue
		}
		if p == KeepLatest && e.wire.meta.Tag == tag {
			return i
		}
		if oldest < 0 {
			oldest = i
			if p == DropOldest {
				break
			}
		}
	}
	return oldest
}

// next takes the first element.
func (s *stage) next() (e staged, ok bool) {
	if s.list.len() == 0 {
		return e, false
	}
	e = *s.list.at(0)
	if !e.dropped {
		s.messages--
		s.bytes -= e.wire.size()
	}
	s.list.pop()
	return e, true
}

func (e *staged) gap() protocol.Gap {
	return protocol.Gap{First: e.id, Last: e.last, Count: e.last - e.id + 1, Reason: uint8(DroppedBySender)}
}

// offer accepts a message under a dropping policy, or says that it has to wait
// (an acked one finds nothing to drop). c.mu is held.
func (c *Connection) offer(w *wireMessage) (id uint64, dropped int, ok bool) {
	s, b := &c.stage, &c.bounds
	full := func() bool { return int(s.messages) >= b.Messages || s.messages > 0 && s.bytes+w.size() > b.Bytes }
	if b.Policy == DropNewest && !w.awaited() && full() {
		c.q.accepted++
		s.pushDropped(c.q.accepted)
		return c.q.accepted, 1, true
	}
	for full() {
		i := s.victim(b.Policy, w.meta.Tag)
		if w.awaited() && i >= 0 && b.Policy == DropNewest || i < 0 {
			if !w.awaited() {
				// Nothing but acked messages waits: the new one is the one to drop.
				c.q.accepted++
				s.pushDropped(c.q.accepted)
				return c.q.accepted, dropped + 1, true
			}
			return 0, dropped, false
		}
		s.drop(i)
		c.q.messages--
		dropped++
	}
	c.q.accepted++
	c.q.messages++
	s.push(c.q.accepted, *w)
	return c.q.accepted, dropped, true
}

// unstage moves staged messages into the send queue, as far as the bounds for what
// is written and unconfirmed allow. c.mu is held.
func (c *Connection) unstage() {
	s, b := &c.stage, &c.bounds
	for s.list.len() > 0 {
		written := c.q.messages - int(s.messages)
		e := s.list.at(0)
		full := written > 0 && (written >= b.Messages || c.q.bytes+e.wire.size() > b.Bytes)
		if full && (b.Policy.drops() || e.dropped) {
			return // a gap grows here, where it needs no more room
		}
		if b.Policy.drops() && c.q.unsent < c.q.groups.len() {
			return // the link has enough: what is not needed may still be dropped
		}
		next, _ := s.next()
		if next.dropped {
			c.q.addGap(next.gap())
			continue
		}
		next.wire.appendTo(&c.q)
	}
}
