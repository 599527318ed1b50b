package serpy

import (
	"math"
	"slices"
	"sync/atomic"

	"github.com/serpy-go/serpy/protocol"
)

// How many messages are cut ahead: where fewer stand in a row it is not worth it, and
// with more the mutex is seldom enough.
const (
	minAhead = 16
	maxAhead = 256
)

// An ahead is a row of plain messages at the front of the first region, found before
// anybody asked for them. Who receives takes the next one by one atomic operation,
// without the queue's mutex. The queue counts them as taken when it is next locked, see
// settle. It never has the last unit of its region: with that one there is more to do.
type ahead struct {
	next atomic.Int64 // place of the first that nobody took; len: none is left

	// None of this changes, nor serves again: who is about to take may look at it.
	run      []byte
	starts   []uint16 // of each in run, and where the last one ends
	framing  int      // bytes of each before its payload
	acked    bool     // all of them; otherwise none
	origin   *Connection
	chunk    *chunk
	unit, id uint64 // of the first
	epoch    uint32

	settled int // how many the queue has counted; guarded by its mutex
}

// len is how many there were.
func (a *ahead) len() int { return len(a.starts) - 1 }

// take takes the next message into m, which is zero. What it is comes before it is taken:
// an atomic operation between the writing and the reading of m costs less than
// one before both. So nothing is read of run here, which may be another's already.
func (a *ahead) take(m *Message) bool {
	for tried := false; ; tried = true {
		i := int(a.next.Load())
		if i >= a.len() {
			if tried {
				*m = Message{}
			}
			return false
		}
		start, end := int(a.starts[i]), int(a.starts[i+1])
		m.Data = a.run[start+a.framing : end : end]
		if a.acked {
			m.Mode = Acked
		}
		m.ID, m.unit = a.id+uint64(i), a.unit+uint64(i) //nolint:gosec // not negative
		m.origin, m.chunk, m.epoch = a.origin, a.chunk, a.epoch
		m.wire = uint32(end - start) //nolint:gosec // starts rise
		if a.next.CompareAndSwap(int64(i), int64(i)+1) {
			return true
		}
	}
}

// takeAhead takes the next message into m, which is zero, if it was cut ahead. It needs
// no lock.
func (q *receiveQueue) takeAhead(m *Message) bool {
	a := q.ahead.Load()
	return a != nil && a.take(m)
}

// takeOne is takePlain for who takes one at a time: it cuts ahead for the next calls.
func (q *receiveQueue) takeOne(c *Connection, m *Message) bool {
	if q.takeAhead(m) { // cut by somebody else meanwhile
		return true
	}
	q.settle()
	if a := q.cutAhead(c); a != nil {
		a.take(m)
		q.ahead.Store(a)
		return true
	}
	return q.takePlain(m)
}

// cutAhead finds the plain messages at the front: no more than may be taken before the
// peer has to be told. nil: too few.
func (q *receiveQueue) cutAhead(c *Connection) *ahead {
	if !q.plain() {
		return nil
	}
	r := q.regions.at(0)
	most := min(maxAhead, int(min(q.tellUnits-q.free.units, maxAhead)), r.count-1)
	room := int(min(math.MaxUint16, q.tellBytes-q.free.bytes))
	if most < minAhead || r.first <= r.era.redelivered {
		return nil
	}
	var starts [maxAhead + 1]uint16
	n, framing, acked := protocol.PlainRow(r.run[:min(len(r.run), room)], starts[:most+1])
	if n < minAhead {
		return nil
	}
	return &ahead{
		run: r.run, starts: slices.Clone(starts[:n+1]), framing: framing, acked: acked,
		origin: c, chunk: r.chunk, unit: r.first, id: q.id + 1, epoch: r.era.epoch,
	}
}

// settle counts what was taken of what was cut ahead, and forgets that when nothing is
// left of it. Whoever locks the queue and looks at the first region, or at a count, has to
// call it before.
func (q *receiveQueue) settle() {
	if a := q.ahead.Load(); a != nil {
		q.settleTo(a, int(min(a.next.Load(), int64(a.len()))))
	}
}

// retract is settle; what is left of what was cut ahead is the region's again.
func (q *receiveQueue) retract() {
	if a := q.ahead.Load(); a != nil {
		taken := int(min(a.next.Swap(int64(a.len())), int64(a.len())))
		q.settleTo(a, taken)
		q.ahead.Store(nil)
	}
}

// settleTo counts the first n of a as taken.
func (q *receiveQueue) settleTo(a *ahead, n int) {
	if units := n - a.settled; units > 0 {
		r := q.regions.at(0)
		bytes := int(a.starts[n]) - int(a.starts[a.settled])
		r.run = a.run[a.starts[n]:]
		r.count -= units
		r.first += uint64(units)
		q.waiting -= units
		q.waitingBytes -= bytes
		q.id += uint64(units)
		q.unit = r.first - 1
		q.free.unit = q.unit
		q.free.units += uint64(units)
		q.free.bytes += uint64(bytes) //nolint:gosec // starts rise
		q.delivered += uint64(units)
		a.settled = n
	}
	if n == a.len() {
		q.ahead.Store(nil)
	}
}
