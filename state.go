package serpy

import (
	"time"

	"github.com/serpy-go/serpy/internal/session"
	"github.com/serpy-go/serpy/protocol"
)

// attachLink makes l the link of the connection: what the peer's Hello says is
// taken over, and what it lacks is written again.
func (c *Connection) attachLink(l *link) error {
	now := time.Now()
	c.mu.Lock()
	if c.ended || l.dead || c.halted.Load() {
		c.mu.Unlock()
		return &LinkError{Op: "handshake", Addr: l.peer.Address, Err: ErrClosed}
	}
	written := c.sess.Next()
	if err := c.linkUpSession(now, l); err != nil {
		c.mu.Unlock()
		err = l.protocolError(err)
		l.protest(err)
		return err
	}
	if !c.era.begun { // afterwards the receive queue reads them
		c.era.begun, c.era.baseID, c.era.redelivered = true, l.hello.BaseID, l.hello.Redelivered
	}
	c.blobsUp(l)
	c.confirmed()
	replayed := c.q.rewind(l.hello.Lane(session.Lane).Received, written)
	l.era, l.most = c.era, c.opt.MaxMessage
	if most := l.hello.MaxMessage; most != 0 && most < uint64(l.most) { //nolint:gosec // not negative
		l.most = int(most) //nolint:gosec // less than our own
	}
	resumed := c.stats.links > 0 && l.hello.Resumed
	l.hello = nil
	if c.server != nil {
		resumed = c.stats.links > 0
	}
	c.link, c.peer, c.state = l, l.peer, Up
	c.stats.linked()
	if c.linkUp != nil {
		close(c.linkUp)
		c.linkUp = nil
	}
	l.ackNow = c.sess.AckDue(now, false)
	c.dropUnsendable(l.most)
	c.arm(now)
	c.kick()
	c.mu.Unlock()
	c.say(linkUp{at: now, resumed: resumed, replayed: replayed, peer: l.peer})
	return nil
}

// detachLink says that the link is gone, and whether the session has to end for it.
func (c *Connection) detachLink(l *link, err error) (end bool) {
	c.mu.Lock()
	l.unpin()
	broken := isProtocolError(err)
	end = c.sess.LinkDown(broken)
	if c.link == l {
		c.blobsDown()
		c.link = nil
		c.state = Down
	}
	c.mu.Unlock()
	if broken {
		c.opt.Logger.Warn("serpy: the peer broke the protocol", "peer", l.peer.Address, "err", err)
	}
	c.say(Disconnected{At: time.Now(), Err: err})
	return end
}

// confirmed takes over what the session knows to be confirmed. c.mu is held.
func (c *Connection) confirmed() {
	before := c.q.messages
	id := c.q.resolve(c.sess.Resolved(), c.resolved.Load())
	c.resolveTo(id)
	if c.q.groups.len() == 0 && c.q.alone { // else the next one, too, has others behind it
		c.prompt.Store(true)
	}
	if c.q.messages == before {
		c.wakeRooms() // fragments may have made room in bytes
		return
	}
	c.progress = true
	c.stats.confirmed += uint64(before - c.q.messages) //nolint:gosec // they only become fewer
	if c.slowSaid && 2*c.q.messages <= c.bounds.Messages && 2*c.q.bytes <= c.bounds.Bytes {
		c.slowSaid = false
	}
	c.wakeRooms()
}

// refused records a nack. c.mu is held.
func (c *Connection) refused(n protocol.Nack) {
	id := c.q.idOf(n.Unit)
	if id == 0 || !c.nackMemory().refuse(id, n.Reason) {
		return
	}
	c.flawed.Store(true)
	c.note(Nacked{ID: id, Reason: n.Reason, Total: c.nacks.total})
}

// dropUnsendable drops from the queue what the peer does not take any more: its
// MaxMessage is smaller than before. c.mu is held.
func (c *Connection) dropUnsendable(most int) {
	for _, r := range c.q.dropLarger(c.sess.Next(), most) {
		c.nackMemory().lose(r[0], r[1], ErrTooLarge)
		c.flawed.Store(true)
		c.stats.dropped += r[1] - r[0] + 1
	}
}

// taken tells the session what the application took. Room that the peer should know of is
// said at once, by this goroutine: to start another one takes as long as a write, and has
// it run beside who sends and who receives (16 to 1,024 B: 3 to 20 % of the rate).
func (c *Connection) taken(f *freed) {
	c.mu.Lock()
	if f.era == c.era { // not of an earlier session
		c.sess.Taken(f.unit, f.units, f.bytes)
		for _, p := range f.processed {
			c.sess.Processed(p[0], p[1], 0, 0, nil)
		}
		if c.wantAck() {
			c.writeNow(true)
			return
		}
	}
	c.mu.Unlock()
}

// wantAck says whether an acknowledgement should not wait for data, and has the next
// write bring it. c.mu is held.
func (c *Connection) wantAck() bool {
	c.stir()
	l := c.link
	due := l != nil && c.sess.AckDue(time.Time{}, false)
	if due {
		l.ackNow = true
	}
	return due
}

// processed says that the application is done with a message.
func (c *Connection) processed(m *Message, reason string, refused bool) {
	if c.opt.AckWhen != OnProcessed {
		return
	}
	var nack *protocol.Nack
	if refused && !c.caps.Resume && c.cannotRefuse(m) {
		return
	}
	if refused && c.caps.Resume {
		nack = &protocol.Nack{Unit: m.unit, Reason: protocol.Clip(reason)}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.era == nil || c.era.epoch != m.epoch {
		return
	}
	if c.sess.Processed(m.unit-uint64(m.first), m.unit, 1, uint64(m.wire), nack) {
		c.wantAck()
		c.kick()
	}
}

// arm sets the timer for what the session has to do next. c.mu is held.
func (c *Connection) arm(now time.Time) {
	if c.timerAt != 0 && c.timerAt <= momentOf(now)+moment(session.AckDelay) {
		return // no timer is set to less
	}
	t, ok := c.sess.Deadline()
	if l := c.link; l != nil && l.lookAt != 0 {
		if at := beginning.Add(l.lookAt); !ok || at.Before(t) {
			t, ok = at, true
		}
	}
	if ok {
		c.wakeAt(t, now)
	}
}

// wakeAt has tick called at t, or before. c.mu is held.
func (c *Connection) wakeAt(t, now time.Time) {
	if c.timerAt != 0 && momentOf(t) >= c.timerAt {
		return
	}
	wait := max(t.Sub(now), session.AckDelay)
	c.timerAt = momentOf(now.Add(wait))
	if c.timer == nil {
		c.timer = time.AfterFunc(wait, c.tick)
		return
	}
	c.timer.Reset(wait)
}

// tick is the timer.
func (c *Connection) tick() {
	now := time.Now()
	c.mu.Lock()
	c.timerAt = 0
	if a := c.attempt; a != nil && !c.ended {
		c.attempted(a, now)
		return
	}
	if c.ended || c.link == nil {
		c.mu.Unlock()
		return
	}
	if l := c.link; l.lookAt != 0 && now.Sub(beginning) >= l.lookAt {
		l.lookAt = 0
		l.rise()
	}
	c.sess.HandleTimeout(now)
	if c.sess.AckDue(now, false) {
		c.link.ackNow = true
	}
	c.arm(now)
	c.writeNow(true) // this goroutine is there already
}

// checkSlowReader raises SlowReader when the queue is as full as the Limit allows,
// once until it was half empty.
func (c *Connection) checkSlowReader(l level) {
	if !l.full && !c.stats.slowReader.Load() && c.opt.AckWhen != OnProcessed {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	unacked := 0
	if c.opt.AckWhen == OnProcessed {
		open := c.sess.Unprocessed()
		unacked = int(open) //nolint:gosec // bounded by the window
		l.full = l.full || open >= c.rq.maxUnits
		l.half = l.half && open <= c.rq.maxUnits/2
	}
	switch {
	case l.full && !c.stats.slowReader.Load():
		c.stats.slowReader.Store(true)
		c.note(SlowReader{Waiting: l.units, Unacked: unacked, Oldest: l.since.ago()})
	case l.half:
		c.stats.slowReader.Store(false)
	}
}
