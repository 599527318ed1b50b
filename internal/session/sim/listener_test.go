package sim

import (
	"slices"
	"time"

	"github.com/serpy-go/serpy/internal/session"
	"github.com/serpy-go/serpy/protocol"
)

// A served is a session of the listener's.
type served struct {
	*peer
	opening protocol.ID
	since   int64 // it was closed
}

// A joining is a resume that waits for the end of the session's old link.
type joining struct {
	link  *link
	hello protocol.Hello
	q     *served
}

// A listener is a program that serves whoever comes.
type listener struct {
	w        *world
	reg      *session.Registry
	instance protocol.ID
	sessions []*served // as the registry has them, strangers left out
	buried   []*served // the last ones that were closed
	arriving []*link   // Hello is not read
	joins    []joining
}

func (l *listener) start() {
	l.instance = l.w.draw()
	l.reg = session.NewRegistry(l.w.bounds)
	l.sessions, l.joins, l.buried = nil, nil, nil
}

func (l *listener) find(id protocol.ID) *served {
	for _, q := range l.sessions {
		if q.id == id {
			return q
		}
	}
	return nil
}

// pick gives the session of the dialler's, mostly.
func (l *listener) pick(b byte) *served {
	if len(l.sessions) == 0 {
		return nil
	}
	if b&7 == 7 {
		return l.sessions[int(b>>3)%len(l.sessions)]
	}
	return l.find(l.w.d.p.id)
}

// arrived is a link that was accepted; the oldest handshakes make way.
func (l *listener) arrived(n *link) {
	l.arriving = append(l.arriving, n)
	if len(l.arriving) > 6 {
		l.arriving[0].drop(listening, 255)
		l.arriving = slices.Delete(l.arriving, 0, 1)
	}
}

// accept reads the Hello of one of the links that arrived.
func (l *listener) accept(b byte) bool {
	if len(l.arriving) == 0 {
		return false
	}
	i := int(b) % len(l.arriving)
	n := l.arriving[i]
	f, ok := n.read(l.w, listening)
	if !ok && !n.over(listening) {
		return false
	}
	l.arriving = slices.Delete(l.arriving, i, i+1)
	if !ok {
		n.drop(listening, 255)
		return true
	}
	h, err := protocol.DecodeHello(f.Body)
	if err != nil {
		l.w.fail("a Hello: %v", err)
	}
	d := l.reg.Open(l.w.time(), &h, l.w.draw(), "", "here")
	switch d.Outcome {
	case session.Opened:
		l.open(n, &h, d.Opening)
	case session.Resumed:
		l.joins = append(l.joins, joining{n, h, l.find(h.Session)})
	case session.Refused:
		l.refuse(n, &d.Refuse)
	}
	return true
}

func (l *listener) refuse(n *link, r *protocol.Refuse) {
	if n == l.w.d.p.link && r.Code == protocol.CodeStale {
		l.w.fail("the dialler's present link is refused as stale")
	}
	for _, q := range l.buried {
		if q.id == n.from.id {
			n.to = q.peer
		}
	}
	n.write(l.w, listening, &protocol.Frame{Kind: protocol.KindRefuse, Body: protocol.AppendRefuse(nil, r)})
	n.dir[listening].ended = true
	n.dir[dialling].deaf = true
}

func (l *listener) open(n *link, h *protocol.Hello, opening protocol.ID) {
	q := &served{peer: newPeer(l.w, listening, l.w.stream(), 0, l.w.config(listening)), opening: opening}
	q.id = h.Session
	l.sessions = append(l.sessions, q)
	l.answer(q, n, h)
}

func (l *listener) answer(q *served, n *link, h *protocol.Hello) {
	a := protocol.Hello{
		MinVersion: protocol.Version, MaxVersion: protocol.Version, Session: h.Session, Instance: l.instance, Opening: q.opening,
		AckWhen: q.cfg.AckWhen, Lanes: []protocol.Counts{q.s.Counts()},
	}
	n.write(l.w, listening, &protocol.Frame{Kind: protocol.KindHello, Body: protocol.AppendHello(nil, &a)})
	n.to = q.peer
	q.linkUp(n, h, n.from)
}

// join ends the old link of a session that is resumed, and begins the new one, if
// that is still the newest.
func (l *listener) join(b byte) bool {
	if len(l.joins) == 0 {
		return false
	}
	i := int(b) % len(l.joins)
	j := l.joins[i]
	l.joins = slices.Delete(l.joins, i, i+1)
	if j.q.ended || !l.reg.Current(j.q.id, j.link.no) {
		if n := l.w.d.p.link; n == j.link && !j.q.ended {
			l.w.fail("the dialler's present link is not the newest")
		}
		j.link.drop(listening, b)
		return true
	}
	if old := j.q.link; old != nil {
		old.drop(listening, b)
		j.q.link, j.q.up = nil, false
		j.q.s.LinkDown(false)
		if lost := l.reg.Park(l.w.time(), j.q.id, old.no, session.Load{}); len(lost) > 0 {
			l.w.fail("a session was parked for a link that has a successor")
		}
	}
	l.answer(j.q, j.link, &j.hello)
	return true
}

// down is the end of the link of a session.
func (l *listener) down(p *peer, n *link) {
	if p.closing {
		p.end()
		return
	}
	pending := p.roomUnits > 0 || len(p.kept) > 0
	l.lose(l.reg.Park(l.w.time(), p.id, n.no, session.Load{Bytes: int64(p.roomBytes), Pending: pending}))
}

// lose ends sessions that the registry gave up.
func (l *listener) lose(ids []protocol.ID) {
	for _, id := range ids {
		if q := l.find(id); q != nil {
			l.forget(q)
			q.out.report(q.doneMsg, q.out.next())
		}
	}
}

func (l *listener) forget(q *served) {
	q.ended = true
	if n := q.link; n != nil {
		q.link, q.up = nil, false
		n.drop(listening, 255)
	}
	l.sessions = slices.DeleteFunc(l.sessions, func(o *served) bool { return o == q })
}

// bury ends a session that was closed.
func (l *listener) bury(p *peer) {
	q := l.find(p.id)
	l.forget(q)
	q.since = l.w.now
	l.reg.Bury(l.w.time(), p.id, protocol.Refuse{Code: protocol.CodeNormal, Lanes: []protocol.Counts{p.s.Counts()}})
	if l.buried = append(l.buried, q); len(l.buried) > 16 {
		l.buried = slices.Delete(l.buried, 0, 1)
	}
}

// crash is the end of the process, and another one; the accept queue may live on.
func (l *listener) crash(luck byte) {
	for _, q := range slices.Clone(l.sessions) {
		if q.link != nil {
			q.link.drop(listening, luck)
		}
		l.forget(q)
		q.out.report(q.doneMsg, q.out.next())
	}
	for _, j := range l.joins {
		j.link.drop(listening, luck)
	}
	if luck&1 != 0 {
		for _, n := range l.arriving {
			n.drop(listening, luck)
		}
		l.arriving = nil
	}
	l.start()
}

// stranger is another dialler, which comes and goes, and presses the bounds.
func (l *listener) stranger(b byte) {
	h := protocol.Hello{MinVersion: 1, MaxVersion: 1, Session: l.w.draw(), Secret: l.w.draw(), Link: 1, Instance: l.w.draw()}
	if d := l.reg.Open(l.w.time(), &h, l.w.draw(), "", "there"); d.Outcome != session.Opened {
		return
	}
	l.lose(l.reg.Park(l.w.time(), h.Session, 1, session.Load{Bytes: int64(b), Pending: b&1 != 0}))
}

// evict loses a session for a reason of the program's own.
func (l *listener) evict(b byte) {
	if q := l.pick(b); q != nil {
		l.reg.Remove(q.id)
		l.lose([]protocol.ID{q.id})
	}
}

func (w *world) time() time.Time { return time.Unix(0, w.now) }
