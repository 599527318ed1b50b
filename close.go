package serpy

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/serpy-go/serpy/internal/session"
	"github.com/serpy-go/serpy/protocol"
)

// Flush waits until everything that was accepted before the call is confirmed,
// whatever its mode; on a wire that cannot confirm, until it is written. It waits
// across lost links. If ctx ends first the error is an UnconfirmedError.
func (c *Connection) Flush(ctx context.Context) error {
	return opError("flush", c.flush(ctx))
}

func (c *Connection) flush(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return &UnconfirmedError{Count: c.unconfirmed(), Err: err}
	}
	c.mu.Lock()
	from, id := c.resolved.Load(), c.q.accepted
	if id <= from {
		c.mu.Unlock()
		return nil
	}
	c.askAck = true
	c.kick()
	c.mu.Unlock()
	err := c.waitResolved(ctx, id)
	var nack *NackError
	if errors.As(err, &nack) || err == nil {
		// The peer's application had the last one; those before it may have gone
		// with a session.
		c.mu.Lock()
		defer c.mu.Unlock()
		if n, why := c.nacks.lostIn(from+1, id); n > 0 {
			return &UnconfirmedError{Count: n, Err: why}
		}
		return nil
	}
	if n := c.unconfirmed(); n > 0 || ctx.Err() != nil {
		return &UnconfirmedError{Count: n, Err: err}
	}
	return &UnconfirmedError{Count: 1, Err: err}
}

// unconfirmed is how many messages are accepted and not confirmed.
func (c *Connection) unconfirmed() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return int(c.unsaid)
	}
	return c.q.messages
}

// CloseSend says that no more messages come from this side, and waits until all
// are confirmed: the peer's Receive ends with io.EOF behind the last. Receiving
// goes on. ErrUnsupported where the wire cannot say it.
func (c *Connection) CloseSend(ctx context.Context) error {
	if !c.caps.Resume {
		return opError("close send", ErrUnsupported)
	}
	if err := ctx.Err(); err != nil {
		return opError("close send", err)
	}
	c.mu.Lock()
	if err := c.endError(); err != nil {
		c.mu.Unlock()
		return opError("close send", err)
	}
	if !c.sendClosed {
		c.sendClosed = true
		c.unstageAll()
		c.q.addEnd()
		c.saidEnd = true
		c.wakeAllRooms()
		c.kick()
	}
	c.mu.Unlock()
	return opError("close send", c.flush(ctx))
}

// unstageAll moves what is staged behind the groups: nothing is dropped any more.
// c.mu is held.
func (c *Connection) unstageAll() {
	for {
		e, ok := c.stage.next()
		if !ok {
			return
		}
		if e.dropped {
			c.q.addGap(e.gap())
			continue
		}
		e.wire.appendTo(&c.q)
	}
}

func (c *Connection) wakeAllRooms() {
	for _, ch := range c.rooms {
		poke(ch)
	}
}

// Shutdown takes no more sends, waits until all is confirmed, and closes. At the
// end of ctx it closes at once, and the error is an UnconfirmedError if anything
// was not confirmed.
func (c *Connection) Shutdown(ctx context.Context) error {
	return opError("shutdown", c.shutdown(ctx, protocol.CodeNormal, "", true))
}

// Close is Shutdown within CloseTimeout while a link is up: it sends what is
// queued, and says in an UnconfirmedError how much was not confirmed. It never
// waits for a reconnection: with the link down it tries one more time to reach the
// peer. It may be called again, from anywhere; it returns when no goroutine of the
// connection is left, but for the handler that it may have been called from.
func (c *Connection) Close() error {
	return opError("close", c.close(protocol.CodeNormal, ""))
}

func (c *Connection) close(code protocol.Code, reason string) error {
	ctx, cancel := context.WithTimeout(context.Background(), min(c.opt.CloseTimeout, 24*time.Hour))
	defer cancel()
	return c.shutdown(ctx, code, reason, false)
}

// closeGrace is for how long a close whose context has ended still tries to say
// so to the peer.
const closeGrace = 250 * time.Millisecond

// shutdown ends the connection within ctx. A patient one waits for the link to come
// back while something is unconfirmed.
func (c *Connection) shutdown(ctx context.Context, code protocol.Code, reason string, patient bool) error {
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		<-c.done
		return c.closeResult(nil)
	}
	c.closing, c.sendClosed = true, true
	c.unstageAll()
	c.wakeAllRooms()
	c.stir()
	c.patient = patient && (c.q.messages > 0 || c.blobs != nil && c.blobs.running > 0)
	c.closeCode, c.closeReason = code, reason
	down, never, wait := c.link == nil, c.stats.links == 0, c.patient
	c.mu.Unlock()
	var err error
	switch {
	case down && !wait && c.server != nil:
	case never && !wait:
		c.stop()
	default:
		poke(c.redial.get())
		err = c.flush(ctx)
		c.awaitBlobs(ctx)
	}
	c.mu.Lock()
	c.patient = false
	c.abortBlobs()
	c.sess.Close(code, reason)
	c.closeNow = c.closeNow || err != nil
	c.kick()
	down = c.link == nil
	c.mu.Unlock()
	if down && c.server != nil {
		c.server.bury(c, code, reason)
		c.finish(nil, ErrClosed)
	}
	poke(c.redial.get())
	c.waitEnd(ctx)
	return c.closeResult(err)
}

// waitEnd waits for the end, and makes it when the time is over.
func (c *Connection) waitEnd(ctx context.Context) {
	c.callReader()
	select {
	case <-c.done:
		return
	case <-ctx.Done():
	}
	grace := time.NewTimer(min(closeGrace, c.opt.CloseTimeout))
	defer grace.Stop()
	select {
	case <-c.done:
		return
	case <-grace.C:
	}
	c.stop()
	c.mu.Lock()
	l := c.link
	c.mu.Unlock()
	switch {
	case l != nil:
		l.fail(errPeerClosed)
	case c.server != nil: // it was parked meanwhile
		c.server.bury(c, c.closeCode, c.closeReason)
		c.finish(nil, ErrClosed)
	}
	<-c.done
}

// closeResult says what a close left unconfirmed.
func (c *Connection) closeResult(err error) error {
	if n := c.unconfirmed(); n > 0 {
		if err == nil {
			err = ErrClosed
		}
		if u, ok := errors.AsType[*UnconfirmedError](err); ok {
			err = u.Err
		}
		return &UnconfirmedError{Count: n, Err: err}
	}
	return nil
}

// finish ends the connection: err is what Err says, local what calls say that come
// too late. No link is left.
func (c *Connection) finish(err, local error) {
	c.finished.Do(func() {
		c.stop()
		err, local = ending(err), ending(local)
		c.mu.Lock()
		c.ended, c.err, c.local, c.state = true, err, local, Ended
		c.unsaid = int32(c.q.messages) //nolint:gosec // bounded by the options
		if c.timer != nil {
			c.timer.Stop()
		}
		for i := range c.confirms {
			c.confirms[i].wake()
		}
		c.confirms = nil
		c.wakeAllRooms()
		c.failRequests(c.endError())
		c.blobsEnd(c.endError())
		c.q, c.stage = sendQueue{accepted: c.q.accepted, appended: c.q.appended, next: 1}, stage{}
		l := c.link // of a server's: it came in while we took ourselves for parked
		c.mu.Unlock()
		if l != nil {
			l.fail(&LinkError{Op: "close", Addr: l.peer.Address, Err: ErrClosed})
		}
		c.rq.signal()
		c.say(Closed{Err: err})
		c.events.close()
		if c.server != nil {
			c.server.forget(c)
		}
		close(c.done)
	})
}

// ended judges the end of a link: behind our own Close, the end of what the peer
// sends is its answer.
func (l *link) ended(err error) error {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	var broken *LinkError
	if l.saidClose && errors.As(err, &broken) && errors.Is(broken.Err, io.EOF) {
		return errPeerClosed
	}
	return err
}

// finalCounts is what a tombstone says of this session. c.mu is held.
func (c *Connection) finalCounts(code protocol.Code, reason string) protocol.Refuse {
	counts := c.sess.Counts()
	counts.Lane = session.Lane
	return protocol.Refuse{Code: code, Reason: reason, Closed: true, Lanes: []protocol.Counts{counts}}
}
