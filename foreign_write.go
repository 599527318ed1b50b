package serpy

import (
	"errors"
	"os"
	"time"

	"github.com/serpy-go/serpy/protocol"
)

// keptOut is the most memory that an idle writer keeps.
const keptOut = 256 << 10

// writeForeign is write for a wire without a Hello: what the queue holds is translated
// as it is written, and what nobody acknowledges is confirmed when it was.
func (l *link) writeForeign() {
	c, f := l.c, l.foreign
	defer l.writer.Done()
	var err error
	for {
		c.mu.Lock()
		if f.last > 0 && err == nil {
			c.sess.Flushed(f.last)
		}
		l.unpin()
		if f.last > 0 && err == nil {
			progress := c.progress
			c.confirmed()
			if !f.oneMessage { // what the system took is no sign that the peer wants it
				c.progress = progress
			}
		}
		f.last, f.count = 0, 0
		work := err == nil && !l.dead && l.pickForeign(time.Now())
		if err != nil {
			l.kill(err)
		}
		closing, done := l.saidClose && !l.dead, f.full && !l.dead && !work
		behind := c.sess.Behind()
		l.writing = work || closing || done
		c.mu.Unlock()
		switch {
		case done:
			l.linger(behind, errMessageDone)
			return
		case closing:
			l.linger(behind, errPeerClosed)
			return
		case work:
			err = l.flushForeign()
			continue
		}
		break
	}
	if err != nil {
		_ = l.conn.Close() // the reader notices
	}
}

// pickForeign collects what is written next: answers, acknowledgements, messages; when
// all is said, the end. c.mu is held.
func (l *link) pickForeign(now time.Time) bool {
	c, f := l.c, l.foreign
	c.askAck = false // there is nobody to ask
	f.out = append(f.out[:0], f.answers...)
	if f.answers = f.answers[:0]; cap(f.answers) > maxAnswers {
		f.answers = nil
		poke(f.room)
	}
	f.ack, f.wasAck = c.sess.NextAck()
	if !c.closeNow {
		l.pickUnits()
	}
	if len(f.out) > 0 || f.wasAck || len(l.picked) > 0 {
		return true
	}
	_, l.saidClose = c.sess.NextClose(now)
	return l.saidClose
}

// pickUnits collects groups for one write; where a link has one message, that.
func (l *link) pickUnits() {
	c, f := l.c, l.foreign
	for total := 0; total < maxWrite && !f.full; {
		c.unstage()
		units, room := c.sess.Credit()
		if f.oneMessage {
			units = 1
		}
		g := c.q.pick(c.sess.Next(), units, room)
		if g == nil {
			return
		}
		n := g.bytes()
		c.sess.Written(g.count, n)
		l.picked = append(l.picked, picked{
			index: c.q.unsent - 1, ref: g.ref, buf: g.slab.buf[g.start+protocol.HeadSize : g.end],
			frame: protocol.Frame{Kind: protocol.KindData, First: g.first, Count: g.count},
		})
		c.q.pinned = true
		total += n
		f.last = g.first + uint64(g.count) - 1 //nolint:gosec // not negative
		f.count += g.messages
		f.full = f.full || f.oneMessage && g.messages > 0
		if f.counted {
			l.ask(&l.picked[len(l.picked)-1])
		}
	}
}

// ask tells the session which units of a group want an acknowledgement. c.mu is held.
func (l *link) ask(p *picked) {
	if p.ref != nil { // one unit, of which the payload lies elsewhere
		if flagsOf(p.buf)&protocol.UnitAcked != 0 {
			l.c.sess.Ask(p.frame.First)
		}
		return
	}
	unit := p.frame.First
	for run := p.buf; len(run) > 0; unit++ {
		u, rest, err := protocol.NextWhole(run)
		if err != nil {
			return // our own bytes
		}
		if run = rest; u.Flags&protocol.UnitAcked != 0 {
			l.c.sess.Ask(unit)
		}
	}
}

// flagsOf gives the flags of the unit that a run begins with.
func flagsOf(run []byte) protocol.UnitFlags {
	for i, b := range run {
		if b < 0x80 && i+1 < len(run) {
			return protocol.UnitFlags(run[i+1])
		}
	}
	return 0
}

// flushForeign translates what was picked, and writes it.
func (l *link) flushForeign() (err error) {
	f := l.foreign
	if f.wasAck {
		if f.out, err = l.enc.Append(f.out, &f.ack); err != nil {
			return l.cannotWrite(err)
		}
	}
	for i := range l.picked {
		p := &l.picked[i]
		if flagsOf(p.buf)&(protocol.UnitGap|protocol.UnitEnd) != 0 {
			continue // the wire cannot say it
		}
		body := p.buf
		if p.ref != nil {
			f.run = append(append(f.run[:0], p.buf...), p.ref...)
			body = f.run
		}
		p.frame.Body, p.frame.Received = body, f.ack.Received
		if f.out, err = l.enc.Append(f.out, &p.frame); err != nil {
			return l.cannotWrite(err)
		}
		p.frame.Body = nil
	}
	if len(f.out) == 0 {
		return nil
	}
	now := time.Now()
	if f.lingerer != nil && f.count > 0 {
		if f.burst > 0 && now.Sub(f.wrote) >= f.lingerer.Linger(f.burst) {
			f.burst = 0 // the peer has had the time to take them
		}
		f.burst += f.count
	}
	err = l.writeBytes(f.out)
	f.wrote = time.Now()
	if cap(f.out) > keptOut {
		f.out = nil
	}
	if cap(f.run) > keptOut {
		f.run = nil
	}
	return err
}

// cannotWrite is a message that the wire refuses after it was accepted.
func (l *link) cannotWrite(err error) error {
	return &LinkError{Op: "write", Addr: l.peer.Address, Err: err}
}

// writeBytes writes b, within WriteStall from one progress to the next where the
// transport can go on after a timeout. What has to be one packet is one write.
func (l *link) writeBytes(b []byte) error {
	for len(b) > 0 {
		n := len(b)
		if !l.plain && !l.foreign.oneMessage {
			n = min(n, piece)
		}
		l.setWriteDeadline(time.Now())
		n, err := l.conn.Write(b[:n])
		if err != nil && (n == 0 || !l.plain || !errors.Is(err, os.ErrDeadlineExceeded)) {
			return &LinkError{Op: "write", Addr: l.peer.Address, Err: err}
		}
		if err != nil {
			l.deadline = 0
		}
		b = b[n:]
	}
	return nil
}

// linger keeps the link open, and read, for as long as its peer may need to take what
// was written; then it ends the link. It is cut short by the peer's end and by
// CloseTimeout.
func (l *link) linger(behind uint64, why error) {
	f := l.foreign
	if f.lingerer != nil && f.burst > 0 && behind > 0 {
		queued := f.burst
		if behind < uint64(queued) {
			queued = int(behind) //nolint:gosec // less than burst
		}
		timer := time.NewTimer(f.lingerer.Linger(queued) - time.Since(f.wrote))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-f.ended:
		}
	}
	l.fail(why)
}
