package serpy

import (
	"errors"
	"net"
	"os"
	"time"

	"github.com/serpy-go/serpy/protocol"
)

// maxWrite is the most bytes handed to one write: what is behind them can still be
// overtaken by an acknowledgement.
const (
	maxWrite    = 256 << 10
	maxWriteTLS = 64 << 10
)

// A picked group is about to be written. Its memory does not change while the queue
// is pinned.
type picked struct {
	index  int // in the queue
	buf    []byte
	ref    []byte
	follow bool // buf goes on where the one before ends
	sum    uint32
	summed bool
	frame  protocol.Frame
}

// kick starts the flusher if there is something to write and nobody writes. Behind
// our Close nothing is written any more, and peerClosed waits for the writer: it must
// not be started then. c.mu is held.
func (c *Connection) kick() {
	l := c.link
	if l == nil && c.caps.OneMessage {
		poke(c.redial.get()) // a link is dialled for each message
	}
	if c.mayWrite(l) {
		l.writing = true
		l.writer.Add(1)
		go l.flush(false)
	}
}

// mayWrite says whether the link is there, free, and wanted for writing. c.mu is held.
func (c *Connection) mayWrite(l *link) bool {
	return l != nil && !l.writing && !l.dead && !l.saidClose && c.hasWork(l)
}

// dispatch sees to it that what was accepted is written: by this goroutine where
// somebody waits for it or nothing else is under way, so that no other has to be
// woken; by the flusher otherwise, so that a stream is written in large pieces. c.mu
// is held, and is not any more when it returns.
func (c *Connection) dispatch(awaited bool) {
	switch l := c.link; {
	case l != nil && l.writing: // who writes looks again
		c.mu.Unlock()
	case awaited || c.prompt.Load() && c.prompt.Swap(false):
		c.writeNow(false)
	case l != nil && l.stream.on && c.stage.list.len() == 0:
		if c.q.full() == 0 {
			c.mu.Unlock()
			return
		}
		l.stream.wrote = true
		c.writeNow(true)
	default:
		c.kick()
		c.mu.Unlock()
	}
}

// writeNow is kick by one who writes himself. It never waits for the link: what that
// does not take is the flusher's, which is then the writer, so that nobody can get
// in between. full says to leave the group to which units can still be added, if there
// are others. c.mu is held, and is not any more when it returns.
func (c *Connection) writeNow(full bool) {
	l := c.link
	if l != nil {
		l.stream.all = l.stream.all || !full
	}
	if !c.mayWrite(l) || l.raw == nil || l.accusation != nil || c.sess.CloseDue() { // behind those the link is closed
		c.kick()
		c.mu.Unlock()
		return
	}
	l.writing = true
	l.writer.Add(1)
	now := time.Now()
	err := l.pick(now)
	c.mu.Unlock()
	if err == nil {
		err = l.assemble()
	}
	if err == nil {
		err = l.writeSome(now)
	}
	if err == nil && len(l.rest) > 0 {
		go l.flush(true)
		return
	}
	c.mu.Lock()
	l.endTurn(err)
	c.kick() // for what came meanwhile
	c.mu.Unlock()
	l.writer.Done()
	if err != nil {
		l.cut()
	}
}

// hasWork says whether the writer would find something. c.mu is held.
func (c *Connection) hasWork(l *link) bool {
	if l.foreign != nil {
		return c.foreignWork(l)
	}
	if l.accusation != nil || l.ackNow || c.askAck || c.sess.ControlDue() || c.blobsDue() || c.closeNow && c.sess.CloseDue() {
		return true
	}
	if c.q.unsent >= c.q.groups.len() && c.stage.list.len() == 0 {
		return c.sess.CloseDue()
	}
	if l.stream.leaves() && !c.closing && c.stage.list.len() == 0 && c.q.full() == 0 {
		return false
	}
	units, _ := c.sess.Credit()
	return units > 0 || c.q.unsent < c.q.groups.len() && c.q.groups.at(c.q.unsent).first < c.sess.Next()
}

// flush is the flusher, which writes until there is nothing left. begun says that
// it goes on with a write that somebody else began.
func (l *link) flush(begun bool) {
	if l.foreign != nil {
		l.writeForeign()
		return
	}
	defer l.writer.Done()
	var err error
	if begun {
		err = l.writeRest()
	}
	for l.next(&err) {
		if err = l.assemble(); err == nil {
			err = l.writeRest()
		}
		if err == nil && l.saidClose {
			l.closeWrite()
		}
	}
	if err != nil {
		l.cut()
	}
}

// next picks what the flusher writes next; false: nothing, and it is not the writer
// any more.
func (l *link) next(err *error) (more bool) {
	c := l.c
	c.mu.Lock()
	defer c.mu.Unlock()
	l.unpin()
	if l.stream.leaves() && !c.hasWork(l) {
		l.endTurn(*err)
		return false
	}
	if *err == nil && !l.dead {
		*err = l.pick(time.Now())
	}
	if *err != nil || l.dead || len(l.control) == 0 && len(l.picked) == 0 && l.chunk == nil {
		l.endTurn(*err)
		return false
	}
	l.found()
	return true
}

// endTurn ends the turn of the writer. c.mu is held.
func (l *link) endTurn(err error) {
	l.unpin()
	l.writing, l.stream.rounds = false, 0
	if l.stream.late {
		l.stream.late = false
		l.stream.timer.Reset(streamLook)
	}
	if err != nil {
		l.kill(err)
	}
}

// closeWrite says that nothing follows the Close. Reading goes on: a socket that is
// closed with unread bytes is reset, and destroys what is on its way.
func (l *link) closeWrite() {
	if half, ok := l.conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // the peer's answer, or its absence, ends the link
	}
}

// unpin keeps what the last write found out, and lets go of what it used. c.mu is
// held.
func (l *link) unpin() {
	l.unpinChunk()
	q := &l.c.q
	if !q.pinned {
		return
	}
	for i := range l.picked {
		p := &l.picked[i]
		g := q.groups.at(p.index)
		g.sum, g.summed = p.sum, p.summed
	}
	clear(l.picked)
	l.picked = l.picked[:0]
	q.pinned = false
	before := q.bytes
	if q.release(); q.bytes != before {
		l.c.wakeRooms() // what was confirmed during the write has room only now
	}
}

// pick collects what is written next: control first, then groups, or, without any,
// a bare acknowledgement if one is due; the Close when all is said. c.mu is held.
func (l *link) pick(now time.Time) (err error) {
	c := l.c
	l.control = l.control[:0]
	if l.accusation != nil {
		if l.saidClose {
			return nil
		}
		l.saidClose = true
		return l.say(c.sess.Accuse(now, l.accusation.Error()))
	}
	for c.sess.ControlDue() && err == nil {
		f, _ := c.sess.NextControl(now)
		err = l.say(f)
	}
	if err == nil {
		err = l.sayBlobs(now)
	}
	if len(l.control) > 0 {
		c.arm(now) // for the next sign of life, which waited for this one
	}
	if !c.closeNow {
		l.pickGroups(now)
		l.pickChunk(now)
	}
	if n := len(l.picked); n > 0 {
		l.ackNow = false
		if c.tight() {
			l.picked[n-1].frame.Flags |= protocol.AckNow
		}
		if c.askAck && c.q.unsent == c.q.groups.len() {
			l.picked[n-1].frame.Flags |= protocol.AckNow
			c.askAck = false
		}
		return err
	}
	if (l.ackNow || c.askAck) && !c.closeNow {
		f := c.sess.Head(now, protocol.KindData, 0, 0)
		if c.askAck {
			f.Flags |= protocol.AckNow
		}
		l.ackNow, c.askAck = false, false
		if err == nil && c.caps.Flow {
			err = l.say(f)
		}
		return err
	}
	if l.chunk != nil || c.blobsDue() { // nothing may follow the Close
		return err
	}
	if f, ok := c.sess.NextClose(now); ok && err == nil {
		err = l.say(f)
		l.saidClose = true
	}
	return err
}

// say adds a frame to the control that is written next.
func (l *link) say(f protocol.Frame) (err error) {
	l.saying = f
	l.control, err = l.enc.Append(l.control, &l.saying)
	return err
}

// pickGroups collects groups for one write.
func (l *link) pickGroups(now time.Time) {
	c := l.c
	most := maxWrite
	if !l.plain {
		most = maxWriteTLS
	}
	if c.blobs != nil && c.blobs.ready.len() > 0 { // they get a third
		most = min(most, 2*protocol.BlobChunk)
	}
	var before *group
	for total := 0; total < most; {
		c.unstage()
		if l.stream.leaves() && total > 0 && c.q.full() == 0 {
			return
		}
		units, room := c.sess.Credit()
		g := c.q.pick(c.sess.Next(), units, room)
		if g == nil {
			l.stream.all = l.stream.all && c.q.unsent < c.q.groups.len()
			return
		}
		n := g.bytes()
		if g.first >= c.sess.Next() {
			c.sess.Written(g.count, n)
		}
		p := picked{index: c.q.unsent - 1, ref: g.ref, sum: g.sum, summed: g.summed}
		p.buf = g.slab.buf[g.start:g.end]
		p.follow = before != nil && before.slab == g.slab && before.end == g.start && before.ref == nil
		p.frame = c.sess.Head(now, protocol.KindData, g.first, g.count)
		p.frame.Flags = g.flags | l.noSum
		l.picked = append(l.picked, p)
		c.q.pinned = true
		total += n
		before = g
	}
}

// assemble makes ready what was picked: l.rest is what has to be written.
func (l *link) assemble() error {
	l.out = l.out[:0]
	if len(l.control) > 0 {
		l.out = append(l.out, l.control)
	}
	for i := range l.picked {
		if err := l.seal(&l.picked[i]); err != nil {
			return err
		}
	}
	l.sealChunk()
	l.shallowIfBulk()
	l.rest = l.out
	return nil
}

// seal makes a group ready: its head is written anew, before the body in the slab.
func (l *link) seal(p *picked) error {
	if l.sealer == nil {
		f := p.frame
		f.Body = append(append([]byte(nil), p.buf[protocol.HeadSize:]...), p.ref...)
		b, err := l.enc.Append(nil, &f)
		l.out = append(l.out, b)
		return err
	}
	body := p.buf[protocol.HeadSize:]
	if !p.summed && l.noSum == 0 {
		p.sum, p.summed = protocol.Sum(protocol.Sum(0, body), p.ref), true
	}
	l.sealer.Seal((*[protocol.HeadSize]byte)(p.buf), &p.frame, len(body)+len(p.ref), p.sum)
	if n := len(l.out); p.follow && n > 0 {
		last := l.out[n-1]
		l.out[n-1] = last[:len(last)+len(p.buf)]
	} else {
		l.out = append(l.out, p.buf)
	}
	if len(p.ref) > 0 {
		l.out = append(l.out, p.ref)
	}
	return nil
}

// writeSome writes what the link takes without waiting; l.rest is what it did not.
func (l *link) writeSome(now time.Time) error {
	l.setWriteDeadline(now)
	for len(l.rest) > 0 {
		b := l.rest[0]
		n, err := l.raw.write(b)
		if err != nil {
			return l.writeError(err)
		}
		if n < len(b) {
			l.rest[0] = b[n:]
			return nil
		}
		l.rest[0] = nil // an idle link keeps no slab alive
		l.rest = l.rest[1:]
	}
	return nil
}

// writeRest writes all that is left, and waits for the link.
func (l *link) writeRest() (err error) {
	if l.plain {
		err = l.writeBuffers()
	} else {
		err = l.writePieces()
	}
	clear(l.out) // an idle link keeps no slab alive
	l.rest = nil
	if err != nil {
		return l.writeError(err)
	}
	return nil
}

func (l *link) writeError(err error) error {
	return &LinkError{Op: "write", Addr: l.peer.Address, Err: err}
}

// writeBuffers writes l.rest. Each write is bounded by WriteStall; where progress was
// made, it goes on.
func (l *link) writeBuffers() error {
	for {
		l.setWriteDeadline(time.Now())
		var n int64
		var err error
		if len(l.rest) == 1 {
			var k int
			k, err = l.conn.Write(l.rest[0])
			n = int64(k)
			l.rest[0] = l.rest[0][k:]
		} else {
			n, err = l.rest.WriteTo(l.conn) // and eats what it wrote
		}
		if err == nil {
			return nil
		}
		if n == 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		l.deadline = 0
	}
}

// piece is a record of TLS.
const piece = 16 << 10

// writePieces writes l.rest where a write that timed out cannot go on: in pieces, so
// that progress is seen on a slow link too.
func (l *link) writePieces() error {
	rest := l.rest[0]
	if len(l.rest) > 1 {
		l.scratch = l.scratch[:0]
		for _, b := range l.rest {
			l.scratch = append(l.scratch, b...)
		}
		rest = l.scratch
	}
	for len(rest) > 0 {
		l.setWriteDeadline(time.Now())
		n, err := l.conn.Write(rest[:min(piece, len(rest))])
		if err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// setWriteDeadline moves the deadline when a quarter of it has passed, rather than
// at each write.
func (l *link) setWriteDeadline(now time.Time) {
	stall := l.c.opt.WriteStall
	if stall >= off/2 {
		return
	}
	if l.deadline == 0 || time.Duration(l.deadline-momentOf(now)) < stall {
		at := now.Add(stall + stall/4)
		l.deadline = momentOf(at)
		_ = l.conn.SetWriteDeadline(at)
	}
}

var _ net.Error = (*LinkError)(nil)
