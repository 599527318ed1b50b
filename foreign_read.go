package serpy

import (
	"errors"
	"io"
	"time"

	"github.com/serpy-go/serpy/protocol"
)

// errCannotRefuse says why a link had to end for a refusal.
var errCannotRefuse = errors.New("the application refused a message, and the wire can only confirm")

// packet is room for the largest message of a transport that keeps their bounds.
const packet = 128 << 10

// readForeign is read for a wire without a Hello: without Limit and signs of life. It
// stops while the receive queue is full.
func (l *link) readForeign() error {
	f := l.foreign
	if f.oneMessage && l.in.chunk == nil {
		l.in.chunk = newChunk(packet)
	}
	l.heard = time.Now()
	for {
		if err := l.parseForeign(); err != nil {
			l.fail(err)
			break
		}
		if !l.waitForRoom() {
			break
		}
		n, err := l.conn.Read(l.in.space())
		l.in.filled += n
		if n == 0 {
			l.fail(l.finishForeign(err))
			break
		}
		l.heard = time.Now()
	}
	close(f.ended)
	l.writer.Wait()
	l.in.close()
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	return l.err
}

// waitForRoom waits until there is room for what is read next; false: the link is dead.
func (l *link) waitForRoom() bool {
	c, f := l.c, l.foreign
	for {
		c.mu.Lock()
		full := !c.sess.Room()
		if full && c.closing {
			f.discard, full = true, false // acknowledgements must still be heard
		}
		full = full || len(f.answers) > maxAnswers
		dead := l.dead
		c.mu.Unlock()
		if dead || !full {
			return !dead
		}
		<-f.room // a death is told, too
	}
}

// parseForeign gives the decoder what was read, and handles what it makes of it.
func (l *link) parseForeign() error {
	if l.in.chunk == nil {
		return nil
	}
	for {
		f, n, err := l.dec.Decode(l.in.waiting())
		l.in.parsed += n
		l.offset += int64(n)
		if err == nil {
			l.frames = append(l.frames, f)
			continue
		}
		if herr := l.handleForeign(); herr != nil {
			return herr
		}
		if protocol.IsShort(err) {
			break
		}
		var dropped *protocol.DroppedError
		if !errors.As(err, &dropped) {
			return l.protocolError(err)
		}
		l.fault(dropped)
	}
	if l.in.filled-l.in.parsed > protocol.MaxLeft {
		return l.protocolError(errors.New("the decoder leaves too many bytes"))
	}
	return nil
}

// fault says that bad input was dropped. The log hears of the first, and of ever fewer.
func (l *link) fault(err error) {
	f := l.foreign
	err = l.protocolError(err)
	if f.faults++; f.faults&(f.faults-1) == 0 {
		l.c.opt.Logger.Warn("serpy: bad input dropped", "peer", l.peer.Address, "err", err, "so far", f.faults)
	}
	l.c.say(WireFault{Err: err})
}

// handleForeign gives frames to the session, and messages to the receive queue; what is
// to be acknowledged is in the queue by then.
func (l *link) handleForeign() (err error) {
	if len(l.frames) == 0 {
		return nil
	}
	c, f := l.c, l.foreign
	l.batch = l.batch[:0]
	var shared *chunk // nobody's memory: only counted
	var faults []error
	c.mu.Lock()
	confirmed := false
	for i := range l.frames {
		frame := &l.frames[i]
		if frame.Kind == protocol.KindAnswer {
			f.answers = append(f.answers, frame.Body...)
			continue
		}
		if frame.Count > 0 && f.discard {
			continue
		}
		v, herr := c.sess.HandleForeign(frame)
		if herr != nil {
			err = l.protocolError(herr)
			break
		}
		confirmed = confirmed || v.Confirmed
		if v.Fault != nil {
			faults = append(faults, v.Fault)
		}
		if v.Units {
			if shared == nil {
				shared = &chunk{}
			}
			c.progress = true
			f.full, c.wanted = f.oneMessage, false
			l.batch = append(l.batch, region{run: frame.Body, first: c.sess.Received() - uint64(frame.Count) + 1, count: frame.Count, chunk: shared, era: l.era}) //nolint:gosec // not negative
		}
	}
	if confirmed {
		c.confirmed()
	}
	c.mu.Unlock()
	clear(l.frames)
	l.frames = l.frames[:0]
	got := len(l.batch) > 0
	l.deliver(false)
	l.wake()
	c.mu.Lock()
	c.sess.Accepted()
	c.kick()
	c.mu.Unlock()
	for _, fault := range faults {
		l.fault(fault)
	}
	if err == nil && got && f.oneMessage {
		err = errMessageDone
	}
	return err
}

// finishForeign judges the end of what the peer sent.
func (l *link) finishForeign(err error) error {
	if err == nil {
		err = io.ErrNoProgress
	}
	if fin, ok := l.dec.(protocol.Finisher); ok && errors.Is(err, io.EOF) {
		frame, ferr := fin.Finish()
		if frame.Count > 0 {
			l.frames = append(l.frames, frame)
		}
		if herr := l.handleForeign(); herr != nil {
			return herr
		}
		var dropped *protocol.DroppedError
		switch {
		case errors.As(ferr, &dropped):
			l.fault(dropped)
		case ferr != nil:
			return l.protocolError(ferr)
		}
	}
	return &LinkError{Op: "read", Addr: l.peer.Address, Err: err}
}
