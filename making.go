package serpy

import (
	"bytes"
	"math/bits"
	"slices"

	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/base85"
)

// making is a message of several fragments that is not whole yet.
type making struct {
	skip  bool // of a reply: somebody else puts it together
	meta  protocol.Meta
	flags protocol.UnitFlags
	first uint64
	data  []byte
	bytes uint64
}

// unitTaken does with a unit what has to be done; true if m is a message now.
func (q *receiveQueue) unitTaken(m *Message, u *protocol.Unit, k *chunk, e *era, wire uint64) bool {
	switch {
	case q.ended:
		q.fail("4.5", "a unit behind the end")
		return false
	case q.making != nil && u.Flags&protocol.UnitContinued == 0:
		q.fail("4.7", "something else inside a message")
		return false
	case u.Flags&protocol.UnitGap != 0:
		g, err := protocol.DecodeGap(u.Payload)
		if err != nil || g.First <= q.id && g.Reason == uint8(DroppedBySender) {
			q.fail("4.4", "a gap record that does not fit its place")
			return false
		}
		q.id = max(q.id, g.Last)
		q.addGap(Gap{First: g.First, Last: g.Last, Count: g.Count, Reason: GapReason(g.Reason)})
	case u.Flags&protocol.UnitEnd != 0:
		q.ended = true
	case u.Flags&(protocol.UnitMore|protocol.UnitContinued) != 0:
		return q.fragmentTaken(m, u, k, e, wire)
	default:
		return q.messageTaken(m, u, k, e, wire)
	}
	k.release(1)
	q.done(q.unit, q.unit, wire)
	return false
}

// addGap puts a gap before the next message, joined with one that is there. A sender
// that says what was lost with a session knows what was not known before.
func (q *receiveQueue) addGap(g Gap) {
	counted := g.Reason
	if counted >= gapReasons {
		counted = DroppedBySender // of a later version, for a reason of the sender's
	}
	q.gaps[counted] += g.Count
	q.events = append(q.events, MessageGap{Gap: g, Total: q.gaps[0] + q.gaps[1] + q.gaps[2]})
	q.vague = g.Count == 0 || q.vague && g.Reason != LostWithSession
	was := q.gap
	if was == nil {
		q.gap = &g
		return
	}
	if was.Reason == LostWithSession || was.Reason > g.Reason && g.Reason != LostWithSession {
		g.Reason = was.Reason
	}
	switch {
	case g.Count == 0:
		g.First, g.Last, g.Count = was.First, was.Last, was.Count
	case was.Count > 0:
		g.First, g.Last, g.Count = min(was.First, g.First), max(was.Last, g.Last), was.Count+g.Count
	}
	q.gap = &g
}

// gapHere gives the gap before the message that is whole now.
func (q *receiveQueue) gapHere() *Gap {
	g := q.gap
	if g != nil && q.vague {
		g.Count = 0
	}
	q.gap, q.vague = nil, false
	return g
}

// messageTaken makes a message of a unit that is a whole one.
func (q *receiveQueue) messageTaken(m *Message, u *protocol.Unit, k *chunk, e *era, wire uint64) bool {
	q.id++
	*m = Message{Data: u.Payload, Mode: protocol.ModeOf(u.Flags), ID: q.id, chunk: k, unit: q.unit, epoch: e.epoch}
	if u.Meta != nil {
		meta, err := protocol.DecodeMeta(u.Meta)
		if err == nil {
			err = m.setMeta(&meta)
		}
		if err != nil {
			q.fault = err
			return false
		}
		if m.role >= protocol.Reply {
			k.release(1)
			q.done(q.unit, q.unit, wire)
			return false
		}
	}
	if u.Flags&protocol.UnitBase85 != 0 && !q.decode85(m) {
		return false
	}
	if len(m.Data) > q.limit {
		q.fail("4.7", "a message larger than allowed")
		return false
	}
	q.finish(m, e, q.unit, wire)
	return true
}

func (q *receiveQueue) decode85(m *Message) bool {
	data, err := base85.DecodeInPlace(m.Data)
	if err != nil {
		q.fault = protocol.Errorf("4.8", "a payload is not base85: %v", err)
		return false
	}
	m.Data = slices.Clip(data)
	return true
}

// finish gives a message what depends on its place in the stream.
func (q *receiveQueue) finish(m *Message, e *era, first, wire uint64) {
	m.Gap = q.gapHere()
	m.Redelivered = m.unit <= e.redelivered
	m.first, m.wire = uint32(m.unit-first), uint32(wire) //nolint:gosec // bounded by the window, of at most 2 GiB
	if e.acks {
		q.free.unit = m.unit // freed by Ack
	} else {
		q.done(first, m.unit, wire)
	}
	q.delivered++
	if q.whole {
		m.ID = 0
	}
}

// setMeta takes what a message carries beside its payload.
func (m *Message) setMeta(meta *protocol.Meta) (err error) {
	m.Type, m.Tag, m.Time = meta.Type, meta.Tag, timeOf(meta.Time)
	m.role, m.correlation = meta.Role, meta.Correlation
	if len(meta.Header) > 0 {
		m.Header, err = protocol.DecodeHeader(meta.Header)
	}
	return err
}

// fragmentTaken adds a fragment to the message in the making. Its memory grows
// with what came, never by the length that the peer announced.
func (q *receiveQueue) fragmentTaken(m *Message, u *protocol.Unit, k *chunk, e *era, wire uint64) bool {
	w := q.making
	defer k.release(1)
	if first := u.Flags&protocol.UnitContinued == 0; first == (w != nil) {
		q.fail("4.7", "a fragment without its message")
		return false
	} else if first {
		meta, err := protocol.DecodeMeta(u.Meta)
		if err != nil {
			q.fault = err
			return false
		}
		meta.Header = bytes.Clone(meta.Header) // the chunk may serve again before the message is whole
		w = &making{meta: meta, flags: u.Flags, first: q.unit, skip: meta.Role >= protocol.Reply}
		q.making = w
		if most := base85.EncodedLen(q.limit); meta.Size <= 0 || meta.Size > most {
			q.fail("4.7", "a message larger than allowed, or of no size")
			return false
		}
	}
	if len(w.data)+len(u.Payload) > w.meta.Size {
		q.fail("4.7", "fragments longer than their message")
		return false
	}
	last := u.Flags&protocol.UnitMore == 0
	if w.skip {
		q.done(q.unit, q.unit, wire)
		if last {
			q.id++
			q.making = nil
		}
		return false
	}
	w.append(u.Payload, q.waitingBytes)
	w.bytes += wire
	if !last {
		q.free.unit = q.unit
		q.free.units++ // it has no need of a place among the messages any more
		return false
	}
	return q.wholeTaken(m, e)
}

// append appends, and lets the memory at most double: what waits has come, too.
func (w *making) append(more []byte, waiting int) {
	if need := len(w.data) + len(more); need > cap(w.data) {
		// Powers of two are sizes that the next message needs, too.
		room := max(1<<bits.Len(uint(need+waiting)), 256<<10, need)
		grown := append(messageSpare.get(min(w.meta.Size, room)), w.data...)
		messageSpare.put(w.data)
		w.data = grown
	}
	w.data = append(w.data, more...)
}

// forgetMaking gives up what is in the making.
func (q *receiveQueue) forgetMaking() {
	if q.making != nil {
		messageSpare.put(q.making.data)
		q.making = nil
	}
}

// appendGrowing appends, and lets the memory at most double, up to exactly size.
func appendGrowing(data, more []byte, size int) []byte {
	if need := len(data) + len(more); need > cap(data) {
		grown := make([]byte, len(data), min(size, max(2*need, 256<<10)))
		copy(grown, data)
		data = grown
	}
	return append(data, more...)
}

// wholeTaken makes a message of all its fragments.
func (q *receiveQueue) wholeTaken(m *Message, e *era) bool {
	w := q.making
	q.making = nil
	if len(w.data) != w.meta.Size {
		q.fail("4.7", "fragments shorter than their message")
		return false
	}
	q.id++
	k := &chunk{buf: w.data, spare: &messageSpare}
	k.live.Store(1)
	*m = Message{Data: slices.Clip(w.data), Mode: protocol.ModeOf(w.flags), ID: q.id, chunk: k, unit: q.unit, epoch: e.epoch}
	if err := m.setMeta(&w.meta); err != nil {
		q.fault = err
		return false
	}
	if w.flags&protocol.UnitBase85 != 0 && !q.decode85(m) {
		return false
	}
	if len(m.Data) > q.limit {
		q.fail("4.7", "a message larger than allowed")
		return false
	}
	q.finish(m, e, w.first, w.bytes)
	return true
}

// skipReplies takes replies from the front, which somebody else waits for, so that
// they need no room.
func (q *receiveQueue) skipReplies() {
	for q.regions.len() > 0 && q.fault == nil {
		r := q.regions.at(0)
		u, _, err := protocol.NextUnit(r.run)
		if err != nil || !q.isReply(&u) {
			return
		}
		var m Message
		r, u, wire := q.nextUnit()
		if r == nil {
			return
		}
		k, e := r.chunk, r.era
		q.popEmpty()
		q.unitTaken(&m, &u, k, e, wire)
	}
}

func (q *receiveQueue) isReply(u *protocol.Unit) bool {
	if u.Flags&protocol.UnitContinued != 0 {
		return q.making != nil && q.making.skip
	}
	if u.Meta == nil {
		return false
	}
	meta, err := protocol.DecodeMeta(u.Meta)
	return err == nil && meta.Role >= protocol.Reply
}
