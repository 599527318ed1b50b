package sim

import (
	"strings"

	"github.com/serpy-go/serpy/internal/session"
)

// settle makes links and applications fair: then everything that was accepted has
// to be resolved in the end, without the help of a heartbeat.
func (w *world) settle() {
	w.settling = true
	b := w.src.next()
	w.early, w.late = b&1 != 0, b&2 != 0
	if b&4 != 0 {
		w.cut(w.d.p, b)
	}
	idle := 0
	for round := 0; !w.settled(); round++ {
		if w.round() {
			idle = 0
			continue
		}
		if idle++; idle > 3 {
			w.stalled("nothing moves")
		}
		w.now += int64(session.AckDelay)
		w.timer(w.d.p)
		for _, q := range w.l.sessions {
			w.timer(q.peer)
		}
		if round > 3000 {
			w.stalled("no end")
		}
	}
}

func (w *world) stalled(how string) {
	p, q := w.d.p, w.l.find(w.d.p.id)
	var text strings.Builder
	for _, p := range []*peer{p, peerOf(q)} {
		if p == nil {
			continue
		}
		units, bytes := p.s.Credit()
		text.WriteString("; ")
		text.WriteString(sprint(p, units, bytes))
	}
	w.fail("stall: %s%s", how, text.String())
}

func peerOf(q *served) *peer {
	if q == nil {
		return nil
	}
	return q.peer
}

// settled reports whether all that was accepted is resolved, at both sides of the
// dialler's session.
func (w *world) settled() bool {
	p := w.d.p
	if p.closing || p.doneMsg < p.out.next() {
		return false
	}
	q := w.l.find(p.id)
	return q == nil || !q.closing && q.doneMsg == q.out.next()
}

// round lets everybody do everything once.
func (w *world) round() (did bool) {
	w.steps++
	did = w.d.dial()
	if w.early { // between a Hello and its answer
		did = w.apply(w.d.p) || did
	}
	if n := w.d.p.link; n != nil {
		n.deliver(dialling, 255)
		n.deliver(listening, 255)
	}
	for w.accepts() || w.l.join(0) {
		did = true
	}
	did = w.fair(w.d.p) || did
	for i := 0; i < len(w.l.sessions); i++ {
		q := w.l.sessions[i]
		if q.link != nil {
			q.link.deliver(dialling, 255)
		}
		did = w.fair(q.peer) || did
	}
	return did
}

func (w *world) accepts() bool {
	for i, n := range w.l.arriving {
		n.deliver(dialling, 255)
		if w.l.accept(byte(i)) {
			return true
		}
	}
	return false
}

func (w *world) fair(p *peer) (did bool) {
	did = p.read(100)
	if !w.late { // the application is quicker than the acknowledgement
		did = w.apply(p) || did
	}
	for n := 0; p.write(0xf2); n++ {
		if did = true; n > 2000 {
			p.w.stalled("one side speaks without end")
		}
	}
	if w.late && !did {
		did = w.apply(p)
	}
	return did
}

// apply is the application that takes everything and is done with it.
func (w *world) apply(p *peer) (did bool) {
	for p.take() {
		did = true
	}
	for p.ack(0) {
		did = true
	}
	return did
}
