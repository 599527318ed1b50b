package serpy

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/serpy-go/serpy/protocol"
)

// Receive waits for the next message. Its errors are that of ctx, or the end of the
// connection, behind the last message that was received: io.EOF where the peer said
// that no more come.
func (c *Connection) Receive(ctx context.Context) (m Message, err error) {
	if err := c.wants(ctx); err != nil {
		return m, opError("receive", err)
	}
	q := &c.rq
	if q.takeAhead(&m) {
		c.handed()
		return m, nil
	}
	for {
		q.mu.Lock()
		if q.nothing() { // to look further needs more stack than one that only waits has
			q.mu.Unlock()
		} else if q.takeOne(c, &m) {
			q.mu.Unlock()
			m.origin = c
			c.handed()
			return m, nil
		} else if ok, err := c.take(&m); ok || err != nil {
			return m, opError("receive", err)
		}
		wait, err := c.mustSleep(ctx)
		if wait { // here, as who waits for long should need little stack
			err = c.sleep(ctx)
		}
		if err != nil {
			return m, opError("receive", err)
		}
	}
}

// handed is what remains to be done when a message was taken behind which others wait.
func (c *Connection) handed() {
	if c.rq.sleepers.Load() > 0 {
		c.rq.signal() // for the next who waits
	}
}

// waitMessage waits until there may be something to take, and reads the link itself
// if nobody does. Its error is that of ctx, or the end of the connection.
func (c *Connection) waitMessage(ctx context.Context) error {
	if wait, err := c.mustSleep(ctx); !wait {
		return err
	}
	return c.sleep(ctx)
}

// mustSleep is waitMessage up to where somebody else has to bring something: then wait
// is true, and sleep comes next.
func (c *Connection) mustSleep(ctx context.Context) (wait bool, err error) {
	q := &c.rq
	c.mu.Lock()
	l, end, cutOff := c.link, c.endError(), c.cutOff
	c.hurry()
	switch {
	case end != nil:
		if q.filled() {
			return false, nil // it came between the look into the queue and the end
		}
		return false, end
	case cutOff != nil:
		q.signal()
		return false, cutOff
	case l != nil && l.readUntil(ctx, 0):
		return false, c.wants(ctx)
	}
	c.want()
	q.sleepers.Add(1)
	if q.filled() { // who took before us did not know that we wait
		q.sleepers.Add(-1)
		return false, nil
	}
	c.callReader()
	return true, nil
}

// sleep waits for the queue's wake, which says the end of the connection, too. Many wait
// here for long, so that it needs little stack.
func (c *Connection) sleep(ctx context.Context) error {
	q := &c.rq
	if stop := ctx.Done(); stop == nil {
		<-q.wake
	} else if !q.sleepUntil(stop) {
		q.sleepers.Add(-1)
		return c.wants(ctx)
	}
	if c.isOver() { // for the others who wait: each who wakes wakes the next
		q.signal()
	}
	return nil
}

// isOver says that nobody should wait for a message any more.
func (c *Connection) isOver() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended || c.cutOff != nil
}

// sleepUntil is false if stop came first.
//
//go:noinline
func (q *receiveQueue) sleepUntil(stop <-chan struct{}) bool {
	select {
	case <-q.wake:
		return true
	case <-stop:
		return false
	}
}

// An ownEnd is the cause of a context that ended with c.
type ownEnd struct{ c *Connection }

func (ownEnd) Error() string { return "the connection has ended" }

// wants is ctx's error, unless ctx is a handler's that ended with the connection
// itself: then what was received and confirmed is still to be had.
func (c *Connection) wants(ctx context.Context) error {
	err := ctx.Err()
	if err != nil {
		if end, ok := context.Cause(ctx).(ownEnd); ok && end.c == c { //nolint:errorlint // as handle gave it
			return nil
		}
	}
	return err
}

// TryReceive gives the next message if there is one; it never waits.
func (c *Connection) TryReceive() (m Message, ok bool) {
	if c.rq.takeAhead(&m) {
		c.handed()
		return m, true
	}
	c.rq.mu.Lock()
	if ok, _ = c.take(&m); !ok {
		c.callReader() // for the next time
	}
	return m, ok
}

// take takes the next message. Without one it says how the stream ended, if the peer
// or a fault ended it. c.rq.mu is held, and is not any more when it returns.
func (c *Connection) take(m *Message) (ok bool, err error) {
	q := &c.rq
	ok, err = q.take(m)
	freed, tell := q.tell(false)
	more := q.regions.len() > 0
	gaps := q.events
	q.events = nil
	q.mu.Unlock()
	m.origin = c
	if tell {
		c.taken(&freed)
	}
	for _, g := range gaps {
		c.say(g)
	}
	switch {
	case err != nil:
		q.signal() // it is the end for the others who wait, too
		return false, c.streamEnd(err)
	case !ok:
		return false, nil
	case !more:
		c.prompt.Store(true) // what is sent now may be an answer
	case q.sleepers.Load() > 0:
		q.signal() // for the next who waits
	}
	return true, nil
}

// streamEnd says how the stream of messages ended; a fault ends the connection.
func (c *Connection) streamEnd(err error) error {
	if _, fault := errors.AsType[*protocol.Error](err); !fault {
		return err
	}
	bad := &ProtocolError{Codec: c.codec.Name(), Err: err}
	c.breakOff(bad)
	return bad
}

// breakOff ends the session and the connection: the peer confirmed by its numbers
// what it contradicts by its bytes.
func (c *Connection) breakOff(err error) {
	c.rq.discard()
	c.mu.Lock()
	l := c.link
	c.closing, c.sendClosed, c.lastTry = true, true, true
	c.failure = err
	c.mu.Unlock()
	c.stop()
	if l == nil {
		if c.server != nil {
			c.server.drop(c)
			c.finish(err, err)
		}
		return
	}
	if !l.accuse(err) {
		l.fail(err)
		return
	}
	time.AfterFunc(farewell, func() { l.fail(err) }) // unless the peer is gone before
}

// ReceiveBatch waits for a message and takes as many as there are, at most
// len(into). Their Data is lent until the next ReceiveBatch of this connection:
// Clone what you keep. It is the fast way. Errors are as of Receive.
func (c *Connection) ReceiveBatch(ctx context.Context, into []Message) (n int, err error) {
	if err := c.wants(ctx); err != nil {
		return 0, opError("receive", err)
	}
	if len(into) == 0 {
		return 0, nil
	}
	c.rq.mu.Lock()
	c.rq.giveBack()
	c.rq.mu.Unlock()
	for {
		if n = c.takeBatch(into); n > 0 {
			return n, nil
		}
		var m Message
		c.rq.mu.Lock()
		ok, err := c.take(&m)
		if err != nil {
			return 0, opError("receive", err)
		}
		if ok {
			into[0] = m
			return 1, nil
		}
		if err := c.waitMessage(ctx); err != nil {
			return 0, opError("receive", err)
		}
	}
}

// takeBatch takes what is there, under one lock.
func (c *Connection) takeBatch(into []Message) (n int) {
	q := &c.rq
	q.mu.Lock()
	q.retract()
	for ; n < len(into); n++ {
		m := &into[n]
		*m = Message{}
		if !q.takePlain(m) {
			if ok, err := q.take(m); !ok || err != nil {
				break
			}
		}
		q.lend(m.chunk)
		m.origin, m.chunk = c, nil
	}
	freed, tell := q.tell(false)
	more := q.regions.len() > 0
	gaps := q.events
	q.events = nil
	q.mu.Unlock()
	if tell {
		c.taken(&freed)
	}
	for _, g := range gaps {
		c.say(g)
	}
	if n > 0 && !more {
		c.prompt.Store(true)
	}
	if more && q.sleepers.Load() > 0 {
		q.signal()
	}
	return n
}

// Messages ranges over the messages until ctx or the connection ends; then see Err.
// To break off loses nothing, and not to read stalls nobody but the peer's messages.
func (c *Connection) Messages(ctx context.Context) iter.Seq[Message] {
	return func(yield func(Message) bool) {
		for {
			m, err := c.Receive(ctx)
			if err != nil || !yield(m) {
				return
			}
		}
	}
}

// Handle calls h for one message after another, and acknowledges each: nil is Ack,
// an error Nack, with its text; under [OnReceipt] an error is logged, and answers a
// Request. It returns the connection's Err at its end, or ctx's error.
func (c *Connection) Handle(ctx context.Context, h func(context.Context, Message) error) error {
	for {
		m, err := c.Receive(ctx)
		if err != nil {
			switch {
			case c.wants(ctx) != nil:
				return ctx.Err()
			case errors.Is(err, ErrServerClosed):
				return ErrServerClosed
			}
			return c.Err()
		}
		if err := h(ctx, m); err != nil {
			c.opt.Logger.Info("serpy: the handler refused a message", "id", m.ID, "err", err)
			m.Nack(err.Error())
			continue
		}
		m.Ack()
	}
}
