package sim

import (
	"encoding/binary"
	"time"

	"github.com/serpy-go/serpy/internal/session"
	"github.com/serpy-go/serpy/protocol"
)

// maxUnits is how many units a message has at most, labelLen the payload that
// every unit has, unitHead what a unit has in front of it at most.
const (
	maxUnits = 3
	labelLen = 9
	unitHead = 8
)

// A group is what was written together; it never changes.
type group struct {
	first uint64
	count int
	body  []byte
}

func (g *group) last() uint64 { return g.first + uint64(g.count) - 1 }

// A unit waits in a receive queue, and an entry is a message that the application
// has.
type unit struct {
	no, bytes uint64
	message   int
	end       bool
}

type entry struct {
	first, last, bytes uint64
	message            int
}

// A peer is one side of one session: the session, a simple send log, and a simple
// receive queue.
type peer struct {
	w    *world
	side int
	s    *session.Session
	cfg  session.Config
	id   protocol.ID
	name int // of the session, for traces

	out       *stream
	next      int // the next unit that was never written: message and fragment
	fragment  int
	kept      []group
	resend    int // the next of kept to be written again
	doneMsg   int // the first unresolved unit, likewise
	doneFrag  int
	doneUnits uint64

	in                   *stream
	queue                []unit
	head                 int
	making               entry
	held                 []entry
	lastIn               int
	messages             int
	fragIn               int
	roomUnits, roomBytes uint64
	got, taken           uint64 // units that were received, and taken
	processed            []bool // by unit

	link    *link
	up      bool
	other   *peer // the other side's, since the session was opened
	closing bool
	said    bool   // Close was written on this link
	final   uint64 // processed, as it was then
	ended   bool
}

func newPeer(w *world, side int, out *stream, base int, cfg session.Config) *peer {
	w.sessions++
	return &peer{
		w: w, side: side, cfg: cfg, s: session.New(protocol.Native{}.Caps(), cfg), name: w.sessions,
		out: out, next: base, doneMsg: base, lastIn: -1, processed: make([]bool, 1, 64),
	}
}

func (p *peer) now() time.Time { return time.Unix(0, p.w.now) }

// write writes one frame, if there is something to write.
func (p *peer) write(b byte) bool {
	if !p.up || p.said || len(p.link.dir[p.side].buf) > p.w.capacity {
		if p.up && p.said {
			p.silent()
		}
		return false
	}
	dataFirst := b&1 != 0
	if dataFirst && p.writeData(b) || p.writeControl() || !dataFirst && p.writeData(b) {
		return true
	}
	if p.s.AckDue(p.now(), p.link.dir[1-p.side].dry()) {
		f := p.s.Head(p.now(), protocol.KindData, 0, 0)
		p.link.write(p.w, p.side, &f)
		return true
	}
	return p.closing && p.writeClose()
}

// silent says that nothing follows a Close.
func (p *peer) silent() {
	_, due := p.s.Deadline()
	_, control := p.s.NextControl(p.now())
	_, again := p.s.NextClose(p.now())
	if due || control || again || p.s.AckDue(p.now(), true) {
		p.w.fail("session %d: something is to be said behind Close", p.name)
	}
}

func (p *peer) writeControl() bool {
	f, ok := p.s.NextControl(p.now())
	if ok {
		p.link.write(p.w, p.side, &f)
	}
	return ok
}

func (p *peer) writeClose() bool {
	f, ok := p.s.NextClose(p.now())
	if ok {
		p.link.write(p.w, p.side, &f)
		p.link.dir[p.side].ended = true
		p.said = true
		p.final = p.got - p.s.Unprocessed()
	}
	return ok
}

func (p *peer) writeData(b byte) bool {
	if p.closing && b&2 != 0 {
		return false
	}
	if p.resend == len(p.kept) && !p.newGroup(1+int(b>>4)) {
		return false
	}
	g := &p.kept[p.resend]
	f := p.s.Head(p.now(), protocol.KindData, g.first, g.count)
	f.Body = g.body
	if b&4 != 0 {
		f.Flags = protocol.AckNow
	}
	p.link.write(p.w, p.side, &f)
	p.resend++
	return true
}

// newGroup gives numbers to units that were never written.
func (p *peer) newGroup(most int) bool {
	units, room := p.s.Credit()
	var body []byte
	count := 0
	for count < most && uint64(count) < units && p.next < p.out.next() {
		of := p.out.units(p.next)
		var flags protocol.UnitFlags
		if p.fragment > 0 {
			flags |= protocol.UnitContinued
		}
		if p.fragment < of-1 {
			flags |= protocol.UnitMore
		}
		size := labelLen + p.out.padding(p.w, p.next)
		var meta []byte
		if of > 1 && p.fragment == 0 {
			m := protocol.Meta{Size: of * size}
			meta = m.Append(p.w.meta[:0])
		}
		if uint64(len(body)+protocol.UnitLen(len(meta), size)) > room {
			break
		}
		if body == nil {
			body = p.w.body()
		}
		body = protocol.AppendUnitHead(body, flags, meta, size)
		body = binary.LittleEndian.AppendUint32(body, uint32(p.out.id))
		body = binary.LittleEndian.AppendUint32(body, uint32(p.next))
		body = append(body, byte(p.fragment))
		body = append(body, p.w.zeros[:size-labelLen]...)
		count++
		if p.fragment++; p.fragment == of {
			p.fragment, p.next = 0, p.next+1
		}
	}
	if count == 0 {
		return false
	}
	p.kept = append(p.kept, group{first: p.s.Next(), count: count, body: body})
	p.s.Written(count, len(body))
	return true
}

func (p *peer) readSome(b byte) bool { return p.read(1 + int(b>>5)) }

// read takes up to most frames from the link.
func (p *peer) read(most int) (did bool) {
	short := false
	for range most {
		n := p.link
		if n == nil {
			return did
		}
		f, ok := n.read(p.w, p.side)
		if !ok {
			short = true
			break
		}
		did = true
		if p.up {
			p.handle(&f)
		} else {
			p.w.d.answer(&f)
		}
	}
	if n := p.link; n != nil {
		n.dir[1-p.side].trim()
		if short && n.over(p.side) {
			p.lost(255)
			return true
		}
	}
	return did
}

func (p *peer) handle(f *protocol.Frame) {
	v, err := p.s.HandleFrame(p.now(), f)
	if err != nil {
		p.w.fail("session %d: an honest peer's %v frame is refused: %v", p.name, f.Kind, err)
	}
	for _, n := range v.Nacks {
		p.refused(n)
	}
	if v.Units {
		p.enqueue(f)
	}
	if v.Confirmed {
		p.resolve()
	}
	if v.Close != nil {
		p.closed()
	}
}

// refused records a nack.
func (p *peer) refused(n protocol.Nack) {
	message, fragment := p.doneMsg, p.doneFrag
	for no := p.doneUnits + 1; no < n.Unit; no++ {
		if fragment++; fragment == p.out.units(message) {
			message, fragment = message+1, 0
		}
	}
	if fragment != p.out.units(message)-1 {
		p.w.fail("unit %d is refused, which ends no message", n.Unit)
	}
	if p.out.status[message]&refused == 0 {
		p.w.fail("message %d of stream %d is said to be refused", message, p.out.id)
	}
	p.out.status[message] |= told
}

// resolve resolves receipts and forgets what nobody will ask for.
func (p *peer) resolve() {
	to := p.s.Resolved()
	if to < p.doneUnits {
		p.w.fail("Resolved moved back from %d to %d", p.doneUnits, to)
	}
	byProcessed := p.s.PeerAckWhen() == protocol.OnProcessed
	if to > p.other.got || p.s.PeerTaken() > p.other.taken {
		p.w.fail("session %d: unit %d resolved, %d taken; the peer received %d and took %d", p.name, to, p.s.PeerTaken(), p.other.got, p.other.taken)
	}
	for p.doneUnits < to {
		p.doneUnits++
		if byProcessed && !p.other.processed[p.doneUnits] {
			p.w.fail("session %d: false receipt of unit %d, which was not processed", p.name, p.doneUnits)
		}
		if p.doneFrag++; p.doneFrag == p.out.units(p.doneMsg) {
			p.out.confirm(p.w, p.doneMsg, byProcessed)
			p.doneMsg, p.doneFrag = p.doneMsg+1, 0
		}
	}
	n := 0
	for n < len(p.kept) && p.kept[n].last() <= to {
		p.w.reuse(p.kept[n].body)
		n++
	}
	if n > 0 {
		p.kept = p.kept[:copy(p.kept, p.kept[n:])]
		p.resend = max(0, p.resend-n)
	}
}

// linkUp goes on after what the peer received.
func (p *peer) linkUp(n *link, h *protocol.Hello, other *peer) {
	if err := p.s.LinkUp(p.now(), h); err != nil {
		p.w.fail("session %d: an honest peer's Hello is refused: %v", p.name, err)
	}
	p.link, p.up, p.said = n, true, false
	p.other = other
	received, _ := p.s.Confirmed()
	p.resolve()
	p.resend = 0
	for p.resend < len(p.kept) && p.kept[p.resend].first <= received {
		if p.kept[p.resend].last() > received {
			p.w.fail("session %d: the peer received half of a group, to unit %d", p.name, received)
		}
		p.resend++
	}
}

// lost is the end of the link, for this side.
func (p *peer) lost(luck byte) {
	n := p.link
	if n == nil {
		return
	}
	n.drop(p.side, luck)
	p.link = nil
	if p.up {
		p.up = false
		p.s.LinkDown(false)
	}
	if p.side == dialling {
		p.w.d.down()
	} else {
		p.w.l.down(p, n)
	}
}

// closed is the peer's Close: final numbers.
func (p *peer) closed() {
	p.exact(true)
	if !p.said {
		p.s.Close(protocol.CodeNormal, "as you say")
		for p.writeControl() {
		}
		p.writeClose()
	}
	n := p.link
	n.dir[1-p.side].deaf = true
	p.link, p.up = nil, false
	p.s.LinkDown(false)
	p.end()
}

// exact says that the peer's final numbers were what it has; those of a tombstone
// do not pass the nacks that this side may not know.
func (p *peer) exact(passing bool) {
	received, processed := p.s.Confirmed()
	if received != p.other.got {
		p.w.fail("session %d ended at unit %d, and the peer received %d", p.name, received, p.other.got)
	}
	if p.s.PeerAckWhen() != protocol.OnProcessed || !passing {
		return
	}
	if to := p.other.final; processed != to {
		p.w.fail("session %d ended at unit %d as processed, and the peer processed %d", p.name, processed, to)
	}
}

func (p *peer) end() {
	p.ended = true
	p.out.report(p.doneMsg, p.out.next())
	if p.side == dialling {
		p.w.d.begin()
	} else {
		p.w.l.bury(p)
	}
}
