package serpy

import (
	"context"
	"math"
	"slices"

	"github.com/serpy-go/serpy/protocol"
)

// Send queues data as a plain message. Nil says that it is accepted: it is kept
// until the peer has it, across lost links. It waits for room, until ctx ends;
// then the message was never accepted. data is copied and may be used again at
// once; at most MaxMessage bytes.
func (c *Connection) Send(ctx context.Context, data []byte) error {
	if err := ctx.Err(); err != nil {
		return opError("send", err)
	}
	if c.sendSmall(data, 0, false) != 0 {
		return nil
	}
	_, err := c.sendCopy(ctx, data, Plain)
	return err
}

// SendAcked sends data as an acknowledged message and waits until it is confirmed:
// received by the peer's process, or processed by its application, as the peer's
// AckWhen says. If ctx ends before the message is accepted, it was never sent.
// Afterwards the error is ErrUnconfirmed as well as that of ctx: the message stays
// queued, and sending it again may double it. A refusal is a NackError.
func (c *Connection) SendAcked(ctx context.Context, data []byte) error {
	if err := ctx.Err(); err != nil {
		return opError("send", err)
	}
	r := Receipt{c: c, id: c.sendSmall(data, protocol.UnitAcked, true)}
	if r.id == 0 {
		var err error
		if r, err = c.sendCopy(ctx, data, Acked); err != nil {
			return err
		}
	}
	err := r.wait(ctx)
	if err != nil && ctx.Err() != nil && err == ctx.Err() { //nolint:errorlint // as wait returned it
		err = unconfirmed(err)
	}
	return opError("send acked", err)
}

// SendMessage queues m and gives its receipt. It waits for room, until ctx ends;
// not for the peer. ID, Gap and Redelivered are ignored, so that a received message
// may be sent on.
func (c *Connection) SendMessage(ctx context.Context, m Message) (Receipt, error) {
	if m.bare() && ctx.Err() == nil {
		if id := c.sendSmall(m.Data, m.Mode.Flags(), false); id != 0 {
			return Receipt{c: c, id: id, mode: m.Mode}, nil
		}
	}
	m.role, m.correlation = protocol.Ordinary, 0
	return c.send(ctx, &m, true, "send")
}

// bare says whether a message is a payload to be copied, and nothing beside.
func (m *Message) bare() bool {
	return m.Mode <= Acked && m.Type == Bytes && m.Tag == 0 && len(m.Header) == 0 && m.Time.IsZero() && (!m.NoCopy || len(m.Data) < pinBytes)
}

// TrySend is SendMessage that never waits: without room it is ErrQueueFull.
func (c *Connection) TrySend(m Message) (Receipt, error) {
	m.role, m.correlation = protocol.Ordinary, 0
	return c.send(context.Background(), &m, false, "send")
}

// SendBatch queues all of ms, under one lock where they are small, and gives the
// receipt of the last: it stands for all of the same connection before it. It waits
// for room; the error says what kept the first message that was not accepted.
func (c *Connection) SendBatch(ctx context.Context, ms []Message) (r Receipt, err error) {
	var first uint64
	for len(ms) > 0 && err == nil {
		if err = ctx.Err(); err != nil {
			return r, opError("send", err)
		}
		n, last := c.sendBatchSmall(ms)
		if n == 0 {
			n = 1
			if last, err = c.SendMessage(ctx, ms[0]); err != nil {
				return r, err
			}
		}
		if r, ms = last, ms[n:]; first == 0 {
			first = r.id - uint64(n) + 1
		}
		r.more = uint32(min(r.id-first, math.MaxUint32))
	}
	return r, nil
}

// sendBatchSmall accepts as many of ms from the front as the fast way takes.
func (c *Connection) sendBatchSmall(ms []Message) (n int, r Receipt) {
	c.mu.Lock()
	for n < len(ms) && c.fits(len(ms[n].Data)) {
		k := 0
		if len(c.rooms) == 0 {
			row := ms[n:min(len(ms), n+c.bounds.Messages-c.q.messages)]
			k = c.q.addRow(row, c.most(), c.bounds.Bytes-c.q.bytes-8)
			c.q.accepted += uint64(k) //nolint:gosec // not negative
			c.q.messages += k
		}
		if k == 0 {
			if !ms[n].bare() {
				break
			}
			c.accept(ms[n].Data, ms[n].Mode.Flags())
			k = 1
		}
		n += k
	}
	if n > 0 {
		r = Receipt{c: c, id: c.q.accepted, mode: ms[n-1].Mode}
	}
	c.dispatch(false)
	return n, r
}

// sendSmall is the way of nearly all messages: no metadata, one unit, room at hand.
// It gives the ID, or 0 if the message has to go the long way. awaited says that the
// caller waits for its confirmation.
func (c *Connection) sendSmall(data []byte, u protocol.UnitFlags, awaited bool) (id uint64) {
	c.mu.Lock()
	if !c.fits(len(data)) {
		c.mu.Unlock()
		return 0
	}
	c.accept(data, u)
	id = c.q.accepted
	c.dispatch(awaited)
	return id
}

// fits says whether a message of n bytes may be accepted at once, by copying it
// behind the last. c.mu is held.
func (c *Connection) fits(n int) bool {
	b := &c.bounds
	return n <= protocol.FragmentSize && c.caps.Resume && !b.Policy.drops() &&
		!c.sendClosed && !c.ended && c.mayPass() &&
		c.q.messages < b.Messages && c.q.bytes+n+8 <= b.Bytes && c.stage.list.len() == 0 && n <= c.most()
}

// tight says that the send queue is small, and so full that somebody soon waits for
// room: an acknowledgement that takes its time would be felt. c.mu is held.
func (c *Connection) tight() bool {
	b := &c.bounds
	return b.Messages < 1024 && 2*c.q.messages >= b.Messages || b.Bytes < 1<<20 && 2*c.q.bytes >= b.Bytes
}

// most is the largest message that both sides take. c.mu is held.
func (c *Connection) most() int {
	if c.link != nil && c.link.most < c.opt.MaxMessage {
		return c.link.most
	}
	return c.opt.MaxMessage
}

func (c *Connection) accept(data []byte, u protocol.UnitFlags) {
	var flags protocol.Flags
	if u&protocol.UnitAcked != 0 {
		flags = protocol.AckNow
	}
	if !c.q.addSmall(u, flags, data) {
		c.q.addMessage(u, flags, nil, data)
	}
	c.q.accepted++
	c.q.messages++
	if len(c.rooms) > 0 {
		c.passed++
	}
}

// send is the long way of every message.
func (c *Connection) send(ctx context.Context, m *Message, wait bool, op string) (Receipt, error) {
	if err := ctx.Err(); err != nil {
		return Receipt{}, opError(op, err)
	}
	w, err := c.prepare(m)
	if err != nil {
		return Receipt{}, opError(op, err)
	}
	id, err := c.admit(ctx, &w, wait)
	if err != nil {
		w.own.letGo()
		return Receipt{}, opError(op, err)
	}
	return Receipt{c: c, id: id, mode: w.meta.Mode}, nil
}

// sendCopy is send of a payload that is copied before anything else is done with it, so
// that the compiler sees that it may stand on the stack.
func (c *Connection) sendCopy(ctx context.Context, data []byte, mode Mode) (r Receipt, err error) {
	own := messageSpare.copied(data)
	w, err := c.prepare(&Message{Data: own.buf, NoCopy: true, Mode: mode})
	if err == nil {
		if !w.meta.Mode.IsBase85() {
			w.own = own
		}
		r.id, err = c.admit(ctx, &w, true)
	}
	if w.own == nil || err != nil {
		own.letGo()
	}
	if err != nil {
		return Receipt{}, opError("send", err)
	}
	r.c, r.mode = c, w.meta.Mode
	return r, nil
}

// prepare checks and encodes a message.
func (c *Connection) prepare(m *Message) (w wireMessage, err error) {
	if !m.Mode.Valid() {
		return w, &OptionError{"Message.Mode", m.Mode, "not one of the four modes"}
	}
	if err := c.suit(m); err != nil {
		return w, err
	}
	if err := w.encode(m); err != nil {
		return w, err
	}
	if err := c.check(&w); err != nil {
		return w, err
	}
	c.mu.Lock()
	most, drops, bytesBound := c.most(), c.bounds.Policy.drops(), c.bounds.Bytes
	c.mu.Unlock()
	if len(m.Data) > most || len(m.Data) > bytesBound {
		return w, ErrTooLarge
	}
	if !w.owned && (drops || len(w.payload) > protocol.FragmentSize) {
		w.own = messageSpare.copied(w.payload)
		w.payload, w.owned = w.own.buf, true
	}
	return w, nil
}

// admit accepts a message, when there is room and it is its turn.
func (c *Connection) admit(ctx context.Context, w *wireMessage, wait bool) (id uint64, err error) {
	var turn chan struct{}
	c.mu.Lock()
	for {
		if err := c.sendError(); err != nil {
			c.leave(turn)
			c.mu.Unlock()
			return 0, err
		}
		if id, ok := c.tryAdmit(w, turn); ok {
			c.leave(turn)
			c.dispatch(false)
			return id, nil
		}
		if !wait || c.bounds.Policy == Fail {
			c.leave(turn)
			c.mu.Unlock()
			return 0, ErrQueueFull
		}
		if turn == nil {
			turn = make(chan struct{}, 1)
			c.rooms = append(c.rooms, turn)
			c.slowPeer()
		}
		c.hurry()
		c.callReader()
		select {
		case <-turn:
		case <-ctx.Done():
			c.mu.Lock()
			c.leave(turn)
			c.mu.Unlock()
			return 0, ctx.Err()
		}
		c.mu.Lock()
	}
}

// sendError says why nothing can be accepted. c.mu is held.
func (c *Connection) sendError() error {
	switch {
	case c.ended:
		return c.endError()
	case c.sendClosed:
		return ErrClosed
	}
	return nil
}

// tryAdmit accepts a message if there is room and nobody waits before it. c.mu is
// held.
func (c *Connection) tryAdmit(w *wireMessage, turn chan struct{}) (id uint64, ok bool) {
	b := &c.bounds
	if len(c.rooms) > 0 && c.rooms[0] != turn && !c.mayPass() && (!b.Policy.drops() || w.awaited()) {
		return 0, false
	}
	if b.Policy.drops() {
		id, dropped, ok := c.offer(w)
		c.stats.dropped += uint64(dropped) //nolint:gosec // not negative
		if ok && w.awaited() && len(c.rooms) > 0 && c.rooms[0] != turn {
			c.passed++
		}
		return id, ok
	}
	size := w.size()
	if c.q.messages >= b.Messages || c.q.messages > 0 && c.q.bytes+c.stage.bytes+size > max(b.Bytes, size) {
		return 0, false
	}
	if len(c.rooms) > 0 && c.rooms[0] != turn {
		c.passed++
	}
	c.q.accepted++
	c.q.messages++
	if c.stage.list.len() > 0 {
		c.stage.push(c.q.accepted, *w)
	} else {
		w.appendTo(&c.q)
	}
	return c.q.accepted, true
}

// leave gives up a place in the line of those who wait for room, and lets the next
// one look. c.mu is held.
func (c *Connection) leave(turn chan struct{}) {
	if turn == nil {
		return
	}
	i := slices.Index(c.rooms, turn)
	if i == 0 {
		c.passed = 0
	}
	if i >= 0 {
		c.rooms = slices.Delete(c.rooms, i, i+1)
	}
	c.wakeRooms()
}

// mayPass says whether a message may be accepted before those who wait for room. If
// each had to stand in line, senders that come faster than the link takes would hand
// over to one another at each message for ever. So some may pass whoever is first; then
// nobody. c.mu is held.
func (c *Connection) mayPass() bool {
	return len(c.rooms) == 0 || int(c.passed) < min(c.bounds.Messages, defaultMessages)/8
}

// wakeRooms lets the first of those who wait for room look again. c.mu is held.
func (c *Connection) wakeRooms() {
	if len(c.rooms) > 0 {
		poke(c.rooms[0])
	}
}

// slowPeer raises the event once, until the queue was half empty. c.mu is held.
func (c *Connection) slowPeer() {
	if c.slowSaid {
		return
	}
	c.slowSaid = true
	var e SlowPeer
	e.Queue.Messages, e.Queue.Bytes = c.q.messages, c.q.bytes+c.stage.bytes
	c.note(e)
}
