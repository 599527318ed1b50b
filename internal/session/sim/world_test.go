package sim

import (
	"fmt"
	"time"

	"github.com/serpy-go/serpy/internal/session"
	"github.com/serpy-go/serpy/protocol"
)

// A world is one run: its two programs, what lies between them, and who they are.
type world struct {
	src           *source
	now           int64
	steps, frames int64
	table         [256]uint8
	d             *dialler
	l             *listener
	streams       []*stream
	drawn         uint64
	sessions      int
	idle          int
	settling      bool
	early, late   bool // when applications take, at the end
	look          func(format string, args ...any)

	cfg      [2]session.Config
	bounds   session.Bounds
	largest  int // bytes of padding in a unit
	capacity int // of a pipe
	backlog  int // messages that a sender accepts and does not write
	resend   bool
	zeros    []byte
	bodies   [][]byte
	meta     [16]byte
}

// A failure is a promise that was broken.
type failure struct{ text string }

func (w *world) fail(format string, args ...any) {
	panic(failure{fmt.Sprintf(format, args...)})
}

// note writes a line about what happened, where somebody looks.
func (w *world) note(format string, args ...any) {
	if w.look != nil {
		w.look(fmt.Sprintf("%d: ", w.steps)+format, args...)
	}
}

func (w *world) body() []byte {
	if n := len(w.bodies); n > 0 {
		b := w.bodies[n-1]
		w.bodies = w.bodies[:n-1]
		return b
	}
	return make([]byte, 0, 256)
}

func (w *world) reuse(b []byte) {
	if len(w.bodies) < 256 {
		w.bodies = append(w.bodies, b[:0])
	}
}

func (w *world) stream() *stream {
	t := &stream{id: len(w.streams), salt: uint32(len(w.streams)) * 7919, last: -1, status: make([]uint8, 0, 128)}
	w.streams = append(w.streams, t)
	return t
}

// newWorld takes a world from the first bytes of a schedule.
func newWorld(src *source) *world {
	w := &world{src: src, now: int64(1e18), look: src.look}
	w.largest = []int{0, 20, 200, 2000}[src.next()%4]
	w.capacity = []int{0, 64, 1000, 100_000}[src.next()%4]
	w.backlog = []int{1, 8, 64}[src.next()%3]
	w.zeros = make([]byte, w.largest)
	most := uint64(maxUnits * (unitHead + labelLen + w.largest))
	for side := range w.cfg {
		b := src.next()
		// A message always gets through: what session.Window computes, without
		// the metadata that these messages do not have.
		room := most + most/3 + 2*protocol.LimitBytesUnit
		w.cfg[side] = session.Config{
			Units: []uint64{maxUnits, 5, 16, 300}[b%4], Bytes: room * []uint64{1, 1, 2, 16}[b>>2%4],
			AckWhen: protocol.AckWhen(b >> 4 & 1), Heartbeat: []time.Duration{0, 5 * time.Second}[b>>5&1],
		}
	}
	b := src.next()
	w.resend = b&1 != 0
	w.bounds = session.Bounds{
		Sessions: []int{3, 1000}[b>>1&1], Parked: []int{1, 2, 1000, 1000}[b>>2&3],
		ParkedMem: []int64{300, 1 << 40}[b>>4&1], Tombstones: []int{4, 1000}[b>>5&1], Keep: 5 * time.Minute,
	}
	w.weigh()
	w.l = &listener{w: w}
	w.l.start()
	w.d = &dialler{w: w, instance: w.draw()}
	w.d.begin()
	return w
}

// An action is one kind of step; it says whether there was something to do.
type action struct {
	weight int
	do     func(w *world, b byte) bool
}

var actions = []action{
	{20, func(w *world, b byte) bool { return w.deliver(dialling, b) }},
	{20, func(w *world, b byte) bool { return w.deliver(listening, b) }},
	{20, func(w *world, b byte) bool { return w.d.p.read(1 + int(b&7)) }},
	{20, served1((*peer).readSome)},
	{20, func(w *world, b byte) bool { return w.d.p.write(b) }},
	{20, served1((*peer).write)},
	{12, func(w *world, b byte) bool { return w.send(w.d.p, b) }},
	{12, func(w *world, b byte) bool {
		q := w.l.pick(b)
		return q != nil && w.send(q.peer, b)
	}},
	{16, func(w *world, _ byte) bool { return w.d.p.take() }},
	{16, func(w *world, b byte) bool {
		q := w.l.pick(b)
		return q != nil && q.take()
	}},
	{8, func(w *world, b byte) bool { return w.d.p.ack(b) }},
	{8, served1((*peer).ack)},
	{6, (*world).tick},
	{16, func(w *world, _ byte) bool { return w.d.dial() }},
	{16, func(w *world, b byte) bool { return w.l.accept(b) }},
	{16, func(w *world, b byte) bool { return w.l.join(b) }},
	{1, func(w *world, b byte) bool { return w.cut(w.d.p, b) }},
	{1, served1(func(p *peer, b byte) bool { return p.w.cut(p, b) })},
	{1, (*world).seldom},
}

// served1 does something with one of the listener's sessions.
func served1(do func(p *peer, b byte) bool) func(w *world, b byte) bool {
	return func(w *world, b byte) bool {
		q := w.l.pick(b * 37)
		return q != nil && do(q.peer, b)
	}
}

func (w *world) cut(p *peer, b byte) bool {
	if p.link == nil {
		return false
	}
	p.lost(b)
	return true
}

// The actions that worlds leave out, by their place.
const (
	takesD, takesL, acksD, acksL = 8, 9, 10, 11
	dropsD, dropsL, others       = 16, 17, 18
)

// weigh draws how often each action happens: worlds are uneven.
func (w *world) weigh() {
	weights := make([]int, len(actions))
	for i, a := range actions {
		weights[i] = a.weight * 4 * []int{0, 1, 1, 2, 4, 1, 1, 1}[max(1, w.src.next()%8)] / 2
	}
	switch w.src.next() % 12 {
	case 0:
		weights[dropsD], weights[dropsL], weights[others] = 0, 0, 0
	case 1:
		weights[takesD] = 0
	case 2:
		weights[takesL] = 0
	case 3:
		weights[acksD], weights[acksL] = 0, 0
	case 4:
		weights[dropsD], weights[dropsL] = 16, 16
	case 5:
		weights[others] = 16
	case 6:
		weights[others] = 0
	case 7:
		weights[dropsL], weights[others] = 0, 0
		weights[dropsD] = 24
	}
	total := 0
	for _, n := range weights {
		total += n
	}
	sum, at := 0, 0
	for i, n := range weights {
		sum += n
		for end := sum * 256 / total; at < end; at++ {
			w.table[at] = uint8(i)
		}
	}
}

// step counts what had an effect, and what had none as a small part of that, so
// that a world in which nothing can happen ends.
func (w *world) step() {
	a := w.table[w.src.next()]
	if actions[a].do(w, w.src.next()) {
		w.steps++
		return
	}
	if w.idle++; w.idle == 32 {
		w.steps, w.idle = w.steps+1, 0
	}
}

func (w *world) seldom(b byte) bool {
	c := w.src.next()
	w.note("seldom %d %d", b%16, c)
	switch b % 16 {
	case 0:
		w.l.crash(c)
	case 1:
		w.d.crash(c)
	case 2:
		w.l.evict(c)
	case 3, 4, 5:
		w.l.stranger(c)
	case 6:
		w.close(w.d.p)
	case 7:
		if q := w.l.pick(c); q != nil {
			w.close(q.peer)
			if q.link == nil {
				q.end()
			}
		}
	case 8:
		w.pass(10*time.Minute, c)
	default:
		return false
	}
	return true
}

func (w *world) close(p *peer) {
	p.closing = true
	p.s.Close(protocol.CodeNormal, "enough")
}

func (w *world) deliver(side int, b byte) bool {
	n := w.d.p.link
	if n == nil || b&15 == 15 {
		if q := w.l.pick(b >> 4); q != nil && q.link != nil {
			n = q.link
		} else if k := len(w.l.arriving); k > 0 {
			n = w.l.arriving[int(b>>4)%k]
		}
	}
	return n != nil && n.deliver(side, b)
}

func (w *world) send(p *peer, b byte) (did bool) {
	for range 1 + b%4 {
		if p.out.next()-p.next < w.backlog && !p.closing {
			p.out.status = append(p.out.status, 0)
			did = true
		}
	}
	return did
}

func (w *world) tick(b byte) bool {
	switch {
	case b < 128:
		w.pass(time.Duration(b)*100*time.Microsecond, b)
	case b < 224:
		w.pass(session.AckDelay, b)
	case b < 252:
		w.pass(5*time.Second, b)
	default:
		w.pass(time.Minute, b)
	}
	return true
}

// pass lets time pass; timers may be late.
func (w *world) pass(t time.Duration, b byte) {
	w.now += int64(t)
	if b&3 == 3 {
		return
	}
	w.timer(w.d.p)
	for _, q := range w.l.sessions {
		w.timer(q.peer)
	}
	if end, ok := w.l.reg.Deadline(); ok && !w.time().Before(end) {
		gone := w.l.reg.Expire(w.time())
		for _, id := range gone {
			if q := w.l.find(id); q != nil && q.link != nil {
				w.fail("session %d runs out while it has a link", q.name)
			}
		}
		w.l.lose(gone)
	}
}

func (w *world) timer(p *peer) {
	if end, ok := p.s.Deadline(); ok && !w.time().Before(end) {
		p.s.HandleTimeout(w.time())
	}
}
