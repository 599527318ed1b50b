package serpy

import (
	"github.com/serpy-go/serpy/protocol"
)

// lost is what a session took with it.
type lost struct {
	messages    int    // that were written and not resolved
	undelivered int    // of them, above the unit that the peer's application took
	first, last uint64 // their IDs
}

// restart makes the queue ready for a new session. What was written in the old one
// (numbers below written) is forgotten, or kept to be sent again: then it says how
// many units come first.
func (q *sendQueue) restart(written, taken uint64, keep bool) (l lost, redelivered int) {
	q.pinned = false
	q.trim()
	n := 0
	for n < q.groups.len() && q.groups.at(n).first < written {
		g := q.groups.at(n)
		q.tally(g, taken, &l)
		redelivered += g.count
		n++
	}
	// A message of which fragments were written goes with them.
	for n > 0 && n < q.groups.len() && q.groups.at(n-1).part {
		g := q.groups.at(n)
		q.tally(g, taken, &l)
		redelivered += g.count
		n++
	}
	if keep {
		q.renumber()
		return l, redelivered
	}
	for range n {
		q.messages -= q.groups.at(0).messages
		q.drop()
	}
	q.renumber()
	return l, 0
}

// tally counts what a group took with it. A record of dropped messages counts none,
// but its IDs are among those that are missing.
func (q *sendQueue) tally(g *group, taken uint64, l *lost) {
	if g.messages == 0 && (g.part || g.mark) {
		return
	}
	l.messages += g.messages
	if g.first > taken {
		l.undelivered += g.messages
	}
	if l.first == 0 {
		l.first = g.firstID
	}
	l.last = g.lastID
}

// trim cuts from the group at the front the units that are resolved.
func (q *sendQueue) trim() {
	if q.groups.len() == 0 {
		return
	}
	g := q.groups.at(0)
	n := g.resolved
	if n == 0 || n >= g.count {
		return
	}
	body := g.units()
	rest := body
	for range n {
		_, rest, _ = protocol.NextUnit(rest) // our own bytes
	}
	cut := len(body) - len(rest)
	g.skip(cut)
	g.first += uint64(n)   //nolint:gosec // not negative
	g.firstID += uint64(n) //nolint:gosec // not negative
	g.count -= n
	g.messages -= n
	g.resolved, g.summed = 0, false
	q.bytes -= cut
}

// renumber gives the groups the numbers of a new session.
func (q *sendQueue) renumber() {
	q.unsent = 0
	for i := 0; i < q.groups.len(); i++ {
		q.groups.at(i).resolved = 0
	}
	q.renumberFrom(1)
}

// renumberFrom numbers the groups behind those that were written.
func (q *sendQueue) renumberFrom(written uint64) {
	q.next = written
	for i := 0; i < q.groups.len(); i++ {
		g := q.groups.at(i)
		if g.first < written && written > 1 {
			continue
		}
		g.first = q.next
		q.next += uint64(g.count) //nolint:gosec // not negative
	}
}

// pushFront puts a record of lost messages before everything else.
func (q *sendQueue) pushFront(gap protocol.Gap) {
	g := gapGroup(gap)
	q.bytes += g.bytes()
	q.groups.insert(0, g)
	q.renumber()
}

// dropLarger drops messages larger than most of which nothing was written, and
// leaves gaps. It gives their IDs, as runs.
func (q *sendQueue) dropLarger(written uint64, most int) (ids [][2]uint64) {
	if q.largest <= most {
		return nil
	}
	var kept ring[group]
	for i := 0; i < q.groups.len(); i++ {
		g := *q.groups.at(i)
		size, end := q.messageAt(i)
		if g.first < written || size <= most {
			kept.push(g)
			continue
		}
		id := q.groups.at(end - 1).lastID
		ids = append(ids, [2]uint64{id, id})
		for ; i < end; i++ {
			old := q.groups.at(i)
			q.bytes -= old.bytes()
			old.slab.groups--
		}
		i--
		q.messages--
		gap := gapGroup(protocol.Gap{First: id, Last: id, Count: 1, Reason: uint8(DroppedBySender)})
		gap.first = g.first
		q.bytes += gap.bytes()
		kept.push(gap)
	}
	if len(ids) > 0 {
		q.groups = kept
		q.renumberFrom(written)
	}
	q.largest = most
	return ids
}

// messageAt gives the payload bytes of the message that has the group i, or the
// groups from i on, to itself, and the index behind its last group; 0 if it is a
// group of several.
func (q *sendQueue) messageAt(i int) (size, end int) {
	if g := q.groups.at(i); g.part || g.count == 1 {
		size = g.size
	}
	end = i + 1
	for size > 0 && end < q.groups.len() && q.groups.at(end-1).part {
		end++
	}
	return size, end
}

// gapGroup is a group of its own that holds a record of missing messages.
func gapGroup(gap protocol.Gap) group {
	s := &slab{groups: 1}
	s.buf = append(s.buf, make([]byte, protocol.HeadSize)...)
	s.buf = protocol.AppendUnit(s.buf, protocol.UnitGap, nil, protocol.AppendGap(nil, gap))
	return group{slab: s, end: len(s.buf), count: 1, firstID: gap.First, lastID: gap.Last, closed: true}
}

// cutRefused puts records of missing messages in the place of written ones that the
// peer's application refused: their receipts say so, and they must not be handed to it
// again. The old link is gone.
func (q *sendQueue) cutRefused(written uint64, refused func(id uint64) bool) {
	q.pinned = false
	q.trim()
	var kept ring[group]
	for i := 0; i < q.groups.len(); i++ {
		g := q.groups.at(i)
		end := i + 1
		for end < q.groups.len() && q.groups.at(end-1).part {
			end++
		}
		id := q.groups.at(end - 1).lastID
		switch {
		case g.first >= written || g.messages == 0 && !g.part:
			kept.push(*g)
		case g.count > 1:
			q.cutRun(*g, &kept, refused)
		case refused(id):
			first := g.first
			for ; i < end; i++ {
				q.letGo(q.groups.at(i))
			}
			i--
			q.putGap(&kept, id, first)
		default:
			kept.push(*g)
			for i++; i < end; i++ {
				kept.push(*q.groups.at(i))
			}
			i--
		}
	}
	q.groups = kept
}

// cutRun does so with a group of several messages: what stays gets memory of its own.
func (q *sendQueue) cutRun(g group, kept *ring[group], refused func(id uint64) bool) {
	rest := g.units()
	var run []byte
	cut, n := false, 0 // messages in run
	keep := func(end int) {
		if n == 0 {
			return
		}
		own := &slab{buf: append(make([]byte, protocol.HeadSize), run...), groups: 1}
		part := group{slab: own, end: len(own.buf), first: g.first + uint64(end-n), count: n, messages: n, closed: true, flags: g.flags} //nolint:gosec // not negative
		part.firstID, part.lastID = g.firstID+uint64(end-n), g.firstID+uint64(end)-1                                                     //nolint:gosec // not negative
		q.bytes += part.bytes()
		kept.push(part)
		run, n = run[:0], 0
	}
	for i := range g.count {
		unit := rest
		_, rest, _ = protocol.NextUnit(rest) // our own bytes
		if id := g.firstID + uint64(i); refused(id) {
			keep(i)
			q.putGap(kept, id, g.first+uint64(i))
			cut = true
			continue
		}
		run, n = append(run, unit[:len(unit)-len(rest)]...), n+1
	}
	if !cut {
		kept.push(g)
		return
	}
	keep(g.count)
	q.letGo(&g)
}

// putGap puts the record of one message, which is not open any more, behind kept.
func (q *sendQueue) putGap(kept *ring[group], id, first uint64) {
	gap := gapGroup(protocol.Gap{First: id, Last: id, Count: 1, Reason: uint8(LostWithSession)})
	gap.first = first
	q.messages--
	q.bytes += gap.bytes()
	kept.push(gap)
}

// letGo gives the memory of a group back, which is not in the queue any more.
func (q *sendQueue) letGo(g *group) {
	q.bytes -= g.bytes()
	g.slab.groups--
	if g.slab.groups == 0 && g.slab != q.tail {
		q.recycle(g.slab)
	}
}
