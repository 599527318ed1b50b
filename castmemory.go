package serpy

import (
	"bytes"
	"sync"

	"github.com/serpy-go/serpy/protocol"
)

// Sizes of the memory that a castMemory takes at once, in bytes: it grows with the
// traffic.
const (
	smallCast = 4 << 10
	largeCast = 256 << 10
)

// A castMemory holds messages that go to many peers: each stands there once, as a unit
// of the native wire, behind the one before. The queues of all peers refer to it, so that
// what waits for a hundred of them is neither copied nor held a hundred times. It is left
// to the collector when none refers to it any more. Any goroutine; its mutex is a leaf.
type castMemory struct {
	mu  sync.Mutex
	buf []byte
	nth uint64 // memory that buf is
}

// add makes a message one that stands here.
func (m *castMemory) add(w *wireMessage) {
	need := w.size()
	m.mu.Lock()
	defer m.mu.Unlock()
	if cap(m.buf)-len(m.buf) < need {
		m.buf = make([]byte, 0, max(need, smallCast, min(2*cap(m.buf), largeCast)))
		m.nth++
	}
	start := len(m.buf)
	m.buf = protocol.AppendUnit(m.buf, w.meta.Mode.Flags(), w.fields, w.payload)
	w.unit, w.cast = m.buf[start:], m.nth // up to the end of the memory, see follows
	w.payload, w.owned = w.unit[len(w.unit)-len(w.payload):len(w.unit):len(w.unit)], true
}

// follows says whether b stands right behind a, in the same memory.
func follows(a, b []byte) bool {
	n := len(a)
	return n > 0 && len(b) > 0 && n+len(b) <= cap(a) && &a[:n+1][n] == &b[0]
}

// addShared appends a message that stands in a castMemory: to the last group, if that
// is open and is our own, or ends right before it; such a group costs no more than its
// head.
func (q *sendQueue) addShared(w *wireMessage) {
	u := w.meta.Mode.Flags()
	g := q.lastOpen()
	if g != nil && q.takes(g, len(w.unit)) {
		q.addMessage(u, w.flags(), w.fields, w.payload)
		return
	}
	q.refers(w)
	switch {
	case g != nil && g.shared() && follows(g.ref, w.unit) && len(g.ref)+len(w.unit) <= protocol.GroupSize:
		g.ref = g.ref[:len(g.ref)+len(w.unit)]
	default:
		q.closeLast()
		if q.tail != nil && q.tail.groups > 0 && cap(q.tail.buf)-len(q.tail.buf) < protocol.HeadSize {
			q.smallTail()
		}
		g = q.open(0)
		g.ref = w.unit
	}
	g.count++
	g.messages++
	g.flags |= w.flags()
	q.next++
	q.appended++
	g.lastID = q.appended
	q.bytes += len(w.unit)
	q.sized(g, u, len(w.payload))
}

// refers says that a message is referred to. When it is the first of another memory, and
// of the one before there is little in the queue, that moves into memory of its own: a
// peer that most of what is cast does not go to must not hold all of it.
func (q *sendQueue) refers(w *wireMessage) {
	if w.cast != q.cast {
		for i, left := q.groups.len()-1, q.castBytes; i >= 0 && left > 0 && q.castBytes < largeCast/4; i-- {
			if g := q.groups.at(i); g.shared() {
				left -= len(g.ref)
				g.ref = bytes.Clone(g.ref)
			}
		}
		q.cast, q.castBytes = w.cast, 0
	}
	q.castBytes += len(w.unit)
}

// lastOpen is the group behind the others, if it is open.
func (q *sendQueue) lastOpen() *group {
	if n := q.groups.len(); n > 0 && !q.groups.at(n-1).closed {
		return q.groups.at(n - 1)
	}
	return nil
}

// shared says whether the units of a group stand elsewhere, and are not ours alone.
func (g *group) shared() bool { return g.ref != nil && g.end == g.start+protocol.HeadSize }

// units are those of a group of several: they stand in one piece.
func (g *group) units() []byte {
	if g.shared() {
		return g.ref
	}
	return g.slab.buf[g.start+protocol.HeadSize : g.end]
}

// skip cuts n bytes of units from the front; there is room for a head right before the
// rest.
func (g *group) skip(n int) {
	if g.shared() {
		g.ref = g.ref[n:]
		return
	}
	g.start += n
}
