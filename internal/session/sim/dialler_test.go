package sim

import (
	"encoding/binary"

	"github.com/serpy-go/serpy/internal/session"
	"github.com/serpy-go/serpy/protocol"
)

// A dialler is a program that keeps a conversation going, over sessions and links.
type dialler struct {
	w        *world
	p        *peer
	instance protocol.ID
	secret   protocol.ID
	seen     protocol.ID
	links    uint64
	// written is the first message of the stream that was never written, in any
	// session.
	written int
}

func (w *world) draw() (id protocol.ID) {
	w.drawn++
	binary.BigEndian.PutUint64(id[:], w.drawn)
	return id
}

// begin begins a conversation.
func (d *dialler) begin() {
	d.written = 0
	d.session(d.w.stream(), 0)
}

// session begins a session whose first message is base.
func (d *dialler) session(out *stream, base int) {
	cfg := d.w.config(dialling)
	cfg.BaseID = uint64(base)
	for n := base; n < d.written; n++ {
		cfg.Redelivered += uint64(out.units(n))
	}
	d.p = newPeer(d.w, dialling, out, base, cfg)
	d.p.id, d.secret, d.seen, d.links = d.w.draw(), d.w.draw(), protocol.ID{}, 0
}

// down is the end of the present link.
func (d *dialler) down() {}

// dial begins a link, while there is none.
func (d *dialler) dial() bool {
	p := d.p
	if p.link != nil {
		return false
	}
	d.links++
	p.link = newLink(d.links, p)
	h := protocol.Hello{
		MinVersion: protocol.Version, MaxVersion: protocol.Version,
		Session: p.id, Secret: d.secret, Link: d.links, Instance: d.instance, Seen: d.seen,
		AckWhen: p.cfg.AckWhen, BaseID: p.cfg.BaseID, Redelivered: p.cfg.Redelivered, Lanes: []protocol.Counts{p.s.Counts()},
	}
	p.link.write(d.w, dialling, &protocol.Frame{Kind: protocol.KindHello, Body: protocol.AppendHello(nil, &h)})
	d.w.l.arrived(p.link)
	return true
}

// answer takes the listener's answer to a Hello.
func (d *dialler) answer(f *protocol.Frame) {
	p := d.p
	if f.Kind == protocol.KindRefuse {
		r, err := protocol.DecodeRefuse(f.Body)
		if err != nil {
			d.w.fail("a Refuse: %v", err)
		}
		d.turnedAway(&r)
		return
	}
	h, err := protocol.DecodeHello(f.Body)
	if err != nil || f.Kind != protocol.KindHello {
		d.w.fail("%v instead of a Hello: %v", f.Kind, err)
	}
	if !d.seen.IsZero() && h.Opening != d.seen {
		d.w.fail("session %d was opened anew without a word", p.name)
	}
	d.seen = h.Opening
	p.linkUp(p.link, &h, p.link.to)
}

func (d *dialler) turnedAway(r *protocol.Refuse) {
	p := d.p
	n := p.link
	n.drop(dialling, 0)
	p.link = nil
	switch {
	case r.Closed:
		if p.other == nil {
			p.other = n.to // it was closed before we saw it open
		}
		if err := p.s.Settle(r.Lanes[0]); err != nil {
			d.w.fail("session %d: final numbers are refused: %v", p.name, err)
		}
		p.resolve()
		p.exact(false)
		p.end()
	case r.Code == protocol.CodeUnknown || r.Code == protocol.CodeEvicted:
		if q := d.w.l.find(p.id); q != nil && q.opening == d.seen {
			d.w.fail("session %d lives, and its dialler is told that it is lost", p.name)
		}
		for _, q := range d.w.l.buried {
			if q.id == p.id && q.opening == d.seen && d.w.bounds.Tombstones > 100 && d.w.now-q.since < int64(d.w.bounds.Keep) {
				d.w.fail("session %d was closed, and its dialler is told that it is lost", p.name)
			}
		}
		d.lost()
	case r.Code == protocol.CodeBusy:
		if d.w.settling {
			d.w.pass(d.w.bounds.Keep, 0) // strangers do not come back
		}
	default:
		d.w.fail("the only dialler's newest link is refused: %v, %s", r.Code, r.Reason)
	}
}

// lost is the loss of the session.
func (d *dialler) lost() {
	p := d.p
	p.ended = true
	touched := p.next
	if p.fragment > 0 {
		touched++
	}
	d.written = max(d.written, touched)
	if p.closing {
		p.end()
		return
	}
	base := p.doneMsg
	if !d.w.resend && p.s.PeerAckWhen() != protocol.OnProcessed {
		base = max(base, touched)
		p.out.report(p.doneMsg, base)
	}
	d.session(p.out, base)
}

// crash is the end of the process, and another one.
func (d *dialler) crash(luck byte) {
	p := d.p
	if p.link != nil {
		p.link.drop(dialling, luck)
		p.link = nil
	}
	p.ended = true
	p.out.report(p.doneMsg, p.out.next())
	d.instance = d.w.draw()
	d.begin()
}

func (w *world) config(side int) session.Config { return w.cfg[side] }
