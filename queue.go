package serpy

import (
	"github.com/serpy-go/serpy/protocol"
)

// A group is a run of units that were accepted one after another: the frame of the
// native wire. While it is open, units are added; once it was picked up for writing
// it never changes, so that what the peer confirms lies on the bounds of groups.
type group struct {
	slab  *slab
	start int    // of the room for the head, in slab.buf
	end   int    // of the body, in slab.buf
	ref   []byte // the rest of the body, which is not in the slab; nil: none
	own   *slab  // which ref is a part of, that serves again; nil: none

	first    uint64 // number of the first unit
	count    int
	firstID  uint64 // of the first message in it
	lastID   uint64 // all messages up to it are whole when the group was read
	messages int    // that end in it and were not dropped
	resolved int    // of the units: those whose receipts are resolved already

	sum    uint32
	summed bool
	closed bool
	mark   bool // the end
	part   bool // a fragment that is not the last of its message
	size   int  // payload of the last message that begins here, before base85
	flags  protocol.Flags
}

// bytes is the length of the body.
func (g *group) bytes() int { return g.end - g.start - protocol.HeadSize + len(g.ref) }

// whole is the highest ID whose message is whole when unit was read.
func (g *group) whole(unit uint64) uint64 {
	switch {
	case unit < g.first:
		return g.firstID - 1
	case unit >= g.first+uint64(g.count)-1: //nolint:gosec // a count is not negative
		return g.lastID
	}
	return g.firstID + unit - g.first
}

// A sendQueue holds what was accepted until the peer has confirmed it: a ring of
// groups, oldest first. Senders append behind, the writer takes from the middle,
// confirmations take from the front. It is guarded by the connection's mutex.
type sendQueue struct {
	groups  ring[group]
	unsent  int  // index of the first group that the present link has not been given
	pinned  bool // a write is using groups: none is forgotten
	foreign bool // nothing is cut into fragments
	wholes  bool // keep the fragments of a message until all of it is resolved
	grew    bool // a small slab was not enough, since the queue was last empty
	bursts  bool // nor before that
	alone   bool // few messages came between the last two times that it was empty

	tail  *slab // being filled; nil: none
	spare *slab // without memory; nil: none

	next     uint64 // number of the next unit
	accepted uint64 // ID of the last message that was accepted
	appended uint64 // ID of the last message that stands in the groups
	begun    uint64 // appended when the queue was last empty

	messages int // accepted and not resolved, staged ones too
	bytes    int // of the groups' bodies
	largest  int // payload of the largest message so far, at least

	cast      uint64 // which memory of a castMemory was referred to last
	castBytes int    // that were referred to of it
}

func newSendQueue(wholes bool) sendQueue { return sendQueue{next: 1, wholes: wholes} }

// add appends one unit with a copy of its payload. ids says by how much the last
// ID moves.
func (q *sendQueue) add(u protocol.UnitFlags, flags protocol.Flags, meta, payload []byte) *group {
	need := protocol.UnitLen(len(meta), len(payload))
	g := q.open(need)
	q.tail.buf = protocol.AppendUnit(q.tail.buf, u, meta, payload)
	g.end = len(q.tail.buf)
	g.count++
	g.flags |= flags
	q.next++
	q.bytes += need
	return g
}

// addSmall is addMessage for nearly all messages, at half the cost: without metadata,
// where the open group has room. false: it has none.
func (q *sendQueue) addSmall(u protocol.UnitFlags, flags protocol.Flags, payload []byte) bool {
	n := q.groups.len()
	if n == 0 || len(payload) > protocol.MaxSmall {
		return false
	}
	g, t := q.groups.at(n-1), q.tail
	if !q.takes(g, len(payload)+protocol.SmallFraming) {
		return false
	}
	t.buf = protocol.AppendSmall(t.buf, u, payload)
	g.flags |= flags
	q.grown(g, 1, len(payload), len(payload))
	return true
}

// addRow is addSmall for as many of ms from the front as the open group takes and as are
// bare, of at most most bytes each and room bytes with their heads together.
func (q *sendQueue) addRow(ms []Message, most, room int) (added int) {
	n := q.groups.len()
	if n == 0 || q.groups.at(n-1).closed || q.groups.at(n-1).ref != nil {
		return 0
	}
	g, buf := q.groups.at(n-1), q.tail.buf
	end := min(cap(buf), g.start+protocol.HeadSize+protocol.GroupSize, len(buf)+room)
	most = min(most, protocol.MaxSmall)
	var all protocol.UnitFlags
	largest := 0
	for ; added < len(ms); added++ {
		m := &ms[added]
		size := len(m.Data)
		if size > most || len(buf)+size+protocol.SmallFraming > end || !m.bare() {
			break
		}
		u := m.Mode.Flags()
		buf = protocol.AppendSmall(buf, u, m.Data)
		all |= u
		largest = max(largest, size)
	}
	if added == 0 {
		return 0
	}
	q.tail.buf = buf
	if all&protocol.UnitAcked != 0 {
		g.flags |= protocol.AckNow
	}
	q.grown(g, added, len(ms[added-1].Data), largest)
	return added
}

// grown takes down that so many whole messages without base85 were appended to g, of
// which the last one has last bytes and the largest one largest.
func (q *sendQueue) grown(g *group, n, last, largest int) {
	end := len(q.tail.buf)
	q.bytes += end - g.end
	g.end = end
	g.count += n
	g.messages += n
	q.next += uint64(n)     //nolint:gosec // not negative
	q.appended += uint64(n) //nolint:gosec // not negative
	g.lastID = q.appended
	g.size, q.largest = last, max(q.largest, largest)
}

// addMessage appends a whole message.
func (q *sendQueue) addMessage(u protocol.UnitFlags, flags protocol.Flags, meta, payload []byte) {
	q.counted(q.add(u, flags, meta, payload), u, len(payload))
}

// counted takes down that a message ends with the unit that was just appended to g, and
// begins with it.
func (q *sendQueue) counted(g *group, u protocol.UnitFlags, size int) {
	q.appended++
	g.lastID = q.appended
	g.messages++
	q.sized(g, u, size)
}

// sized takes down how large a message is that begins in g, before base85.
func (q *sendQueue) sized(g *group, u protocol.UnitFlags, size int) {
	if u&protocol.UnitBase85 != 0 {
		size -= (size + 4) / 5
	}
	g.size, q.largest = size, max(q.largest, size)
}

// addAlone appends a unit that has a group to itself. Its payload is not copied if
// byRef is set.
func (q *sendQueue) addAlone(u protocol.UnitFlags, flags protocol.Flags, meta, payload []byte, byRef bool) *group {
	q.closeLast()
	var g *group
	if byRef {
		g = q.open(protocol.UnitLen(len(meta), 0) + 3)
		before := len(q.tail.buf)
		q.tail.buf = protocol.AppendUnitHead(q.tail.buf, u, meta, len(payload))
		g.end, g.ref = len(q.tail.buf), payload
		g.count, g.flags = 1, flags
		q.next++
		q.bytes += g.end - before + len(payload)
	} else {
		g = q.add(u, flags, meta, payload)
	}
	g.closed = true
	return g
}

// takes says whether a unit of n bytes can be added to g, which is the last one.
func (q *sendQueue) takes(g *group, n int) bool {
	return !g.closed && g.ref == nil && g.bytes()+n <= protocol.GroupSize && cap(q.tail.buf)-len(q.tail.buf) >= n
}

// open gives the open group, or a new one, with room for need bytes.
func (q *sendQueue) open(need int) *group {
	if n := q.groups.len(); n > 0 {
		g := q.groups.at(n - 1)
		if q.takes(g, need) {
			return g
		}
		g.closed = true
	}
	q.room(protocol.HeadSize + need)
	start := len(q.tail.buf)
	q.tail.buf = q.tail.buf[:start+protocol.HeadSize]
	q.tail.groups++
	return q.groups.push(group{
		slab: q.tail, start: start, end: len(q.tail.buf),
		first: q.next, firstID: q.appended + 1, lastID: q.appended,
	})
}

// room makes tail a slab with room for n bytes.
func (q *sendQueue) room(n int) {
	if q.tail != nil && cap(q.tail.buf)-len(q.tail.buf) >= n {
		return
	}
	old := q.tail
	size := slabSize(q.bytes)
	if q.groups.len() == 0 && q.bursts {
		size = mediumSlab
	}
	q.grew = q.grew || q.groups.len() > 0 || n > smallSlab
	if size == smallSlab && n <= smallSlab {
		q.smallTail()
	} else if s := slabStockOf(max(size, n)); s != nil {
		buf, _ := s.get()
		q.tail = &slab{buf: buf}
	} else {
		q.tail = &slab{buf: make([]byte, 0, n)}
	}
	if old != nil && old.groups == 0 {
		q.recycle(old)
	}
}

// smallTail makes tail a small slab.
func (q *sendQueue) smallTail() {
	if q.tail = q.spare; q.tail == nil {
		q.tail = &slab{}
	}
	q.tail.buf, _ = smallSlabStock.get()
	q.spare = nil
}

func (q *sendQueue) recycle(s *slab) {
	if cap(s.buf) == smallSlab {
		smallSlabStock.put(s.buf)
		s.buf = nil
		q.spare = s
		return
	}
	if of := slabStockOf(cap(s.buf)); of != nil {
		of.put(s.buf)
	}
}

func (q *sendQueue) closeLast() {
	if n := q.groups.len(); n > 0 {
		q.groups.at(n - 1).closed = true
	}
}

// addGap appends a record of dropped messages. They count as appended.
func (q *sendQueue) addGap(gap protocol.Gap) {
	g := q.addAlone(protocol.UnitGap, 0, nil, protocol.AppendGap(nil, gap), false)
	q.appended = max(q.appended, gap.Last)
	g.firstID, g.lastID = gap.First, q.appended
}

// addEnd appends the mark behind the last message.
func (q *sendQueue) addEnd() {
	q.addAlone(protocol.UnitEnd, protocol.AckNow, nil, nil, false).mark = true
}

// keepEnd puts the mark behind the last message again, if it went with a session.
func (q *sendQueue) keepEnd() {
	if n := q.groups.len(); n == 0 || !q.groups.at(n-1).mark {
		q.addEnd()
	}
}

// pick gives the next group that may be written with so much credit, and closes
// it: nil if there is none. A group that is larger than the credit is split; a
// group that was written before costs none.
func (q *sendQueue) pick(written uint64, units, bytes uint64) *group {
	if q.unsent >= q.groups.len() {
		return nil
	}
	g := q.groups.at(q.unsent)
	if g.first >= written {
		if units == 0 {
			return nil
		}
		if uint64(g.count) > units || uint64(g.bytes()) > bytes { //nolint:gosec // not negative
			if g = q.split(g, units, bytes); g == nil {
				return nil
			}
		}
	}
	g.closed = true
	q.unsent++
	return g
}

// split cuts from the front of a group what the credit allows, into memory of its
// own, but for what is shared; the rest takes over its place, with room for a head.
func (q *sendQueue) split(g *group, units, bytes uint64) *group {
	if g.count == 1 {
		return nil
	}
	body := g.units()
	rest, n := body, 0
	for uint64(n) < units {
		_, after, err := protocol.NextUnit(rest)
		if err != nil || uint64(len(body)-len(after)) > bytes { //nolint:gosec // not negative
			break
		}
		rest, n = after, n+1
	}
	if n == 0 {
		return nil
	}
	cut := len(body) - len(rest)
	own := &slab{buf: make([]byte, protocol.HeadSize), groups: 1}
	front := *g
	if g.shared() {
		front.ref = body[:cut:cut]
	} else {
		own.buf = append(own.buf, body[:cut]...)
	}
	front.slab, front.start, front.end = own, 0, len(own.buf)
	front.count, front.messages, front.resolved = n, n, min(g.resolved, n)
	front.lastID = g.firstID + uint64(n) - 1
	front.summed, front.closed, front.size = false, true, 0

	g.skip(cut)
	g.first += uint64(n)
	g.firstID = front.lastID + 1
	g.count -= n
	g.messages -= n
	g.resolved = 0
	g.summed = false
	q.groups.insert(q.unsent, front)
	return q.groups.at(q.unsent)
}

// resolve takes a confirmed unit: what is at or below it is done with, but for
// what a write is using. It gives the ID up to which receipts are resolved.
func (q *sendQueue) resolve(unit, resolvedID uint64) uint64 {
	for i := 0; i < q.groups.len(); i++ {
		g := q.groups.at(i)
		if g.first > unit {
			break
		}
		done := g.count
		if last := g.first + uint64(g.count) - 1; last > unit { //nolint:gosec // not negative
			done = int(unit - g.first + 1) //nolint:gosec // less than count
		}
		resolvedID = max(resolvedID, g.whole(unit))
		if done > g.resolved {
			if done == g.count {
				q.messages -= g.messages - min(g.resolved, g.messages)
			} else {
				q.messages -= done - g.resolved
			}
			g.resolved = done
		}
	}
	q.release()
	return resolvedID
}

// release forgets the groups at the front that are resolved and in no write's use.
func (q *sendQueue) release() {
	for q.groups.len() > 0 && !q.pinned {
		g := q.groups.at(0)
		if g.resolved < g.count || !g.closed || g.part && q.wholes && !q.wholeResolved() {
			return
		}
		q.drop()
	}
	if q.groups.len() == 0 && q.tail != nil && q.tail.groups == 0 {
		q.bursts, q.grew = q.grew || len(q.tail.buf) > smallSlab, false
		q.recycle(q.tail)
		q.tail = nil
		q.alone, q.begun = q.appended-q.begun <= fewAlone, q.appended
	}
}

// fewAlone is how many messages may come together that are no burst.
const fewAlone = 4

// wholeResolved says whether the message that begins at the front is resolved to
// its last fragment.
func (q *sendQueue) wholeResolved() bool {
	for i := 0; i < q.groups.len(); i++ {
		if g := q.groups.at(i); g.resolved < g.count || !g.part {
			return g.resolved == g.count
		}
	}
	return false
}

// drop forgets the group at the front.
func (q *sendQueue) drop() {
	g := q.groups.at(0)
	q.bytes -= g.bytes()
	g.slab.groups--
	if g.slab.groups == 0 && g.slab != q.tail {
		q.recycle(g.slab)
	}
	if o := g.own; o != nil {
		if o.groups--; o.groups == 0 {
			o.letGo()
		}
	}
	q.groups.pop()
	q.unsent = max(q.unsent-1, 0)
}

// rewind makes the link begin behind the unit that the peer received, and gives
// how many units were written before and are written again.
func (q *sendQueue) rewind(received, written uint64) (replayed int) {
	q.unsent = 0
	for q.unsent < q.groups.len() && q.groups.at(q.unsent).first <= received {
		q.unsent++
	}
	for i := q.unsent; i < q.groups.len() && q.groups.at(i).first < written; i++ {
		replayed += q.groups.at(i).count
	}
	return replayed
}

// idOf finds the message that ends with a unit; 0: none.
func (q *sendQueue) idOf(unit uint64) uint64 {
	for i := 0; i < q.groups.len(); i++ {
		g := q.groups.at(i)
		if unit < g.first+uint64(g.count) { //nolint:gosec // not negative
			if unit < g.first || g.messages == 0 {
				return 0
			}
			return g.whole(unit)
		}
	}
	return 0
}
