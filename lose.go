package serpy

import (
	"errors"

	"github.com/serpy-go/serpy/internal/session"
	"github.com/serpy-go/serpy/protocol"
)

// loseSession begins a new session after the peer lost the old one. What was never
// written goes on in it; what was written is reported, or sent again, flagged.
func (c *Connection) loseSession(cause error) error {
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return cause
	}
	keep := c.opt.OnSessionLost == Resend || c.sess.PeerAckWhen() == protocol.OnProcessed
	written := max(c.sess.Next(), c.sess.Config().Redelivered+1)
	if keep && c.flawed.Load() {
		c.q.cutRefused(written, c.nacks.refused)
	}
	lost, redelivered := c.q.restart(written, c.sess.PeerTaken(), keep)
	e := &SessionLostError{Unconfirmed: lost.messages, Err: cause}
	event := SessionLost{Unconfirmed: lost.messages, Undelivered: lost.undelivered, Err: e}
	if !keep && lost.first > 0 {
		c.nackMemory().lose(lost.first, lost.last, e)
		c.flawed.Store(true)
		c.resolveTo(lost.last)
		c.q.pushFront(protocol.Gap{First: lost.first, Last: lost.last, Count: lost.last - lost.first + 1, Reason: uint8(LostWithSession)})
	}
	if c.saidEnd {
		c.q.keepEnd()
	}
	c.failRequests(e)
	c.blobsLost(e)
	c.stats.lost += uint64(lost.messages)      //nolint:gosec // not negative
	c.stats.redelivered += uint64(redelivered) //nolint:gosec // not negative
	event.Total = c.stats.lost
	c.newSession(newID(), newID(), redelivered)
	c.wakeRooms()
	c.mu.Unlock()
	c.say(event)
	return &LinkError{Op: "resume", Addr: c.address, Err: e}
}

// sessionEnded takes a tombstone's word: how far the session had come when it was
// closed, and whether that ends the connection.
func (c *Connection) sessionEnded(end *sessionEnd, err error) error {
	r := &end.refuse
	c.mu.Lock()
	for _, counts := range r.Lanes {
		if counts.Lane == session.Lane && c.sess.Settle(counts) == nil {
			c.confirmed()
		}
	}
	c.mu.Unlock()
	if comesAgain(r.Code) {
		return c.loseSession(err)
	}
	return &CloseError{Code: uint32(r.Code), Reason: r.Reason, Remote: true}
}

// peerClosed does what a Close of the peer's asks for, and says how the link ends.
func (c *Connection) peerClosed(l *link, p *protocol.Close) error {
	c.mu.Lock()
	again := c.server == nil && comesAgain(p.Code) && !c.closing
	ours := l.saidClose
	if p.Code == protocol.CodeProtocol && !ours {
		c.mu.Unlock()
		return l.accused(p)
	}
	c.sess.Close(protocol.CodeNormal, "")
	if !again {
		c.sendClosed = true
		if !c.closing {
			c.remote = &CloseError{Code: uint32(p.Code), Reason: p.Reason, Remote: true}
		}
		c.closing = true
	}
	c.closeNow = true
	_ = l.conn.SetWriteDeadline(deadlineIn(c.opt.CloseTimeout))
	c.kick()
	c.wakeRooms()
	c.mu.Unlock()
	l.writer.Wait() // our answer; afterwards nothing is written
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closeNow = !again
	err := errPeerClosed
	switch {
	case again:
		err = errGoingAway
	case !ours && c.remote != nil:
		err = c.remote
	}
	l.dead, l.err = true, err // that our answer did not go out matters less
	return err
}

// comesAgain says whether a dialler goes on with a new session when the listener
// closed the old one with this code. One that is not known is taken for going away.
func comesAgain(code protocol.Code) bool {
	return code == protocol.CodeGoingAway || code == protocol.CodeBusy || code >= protocol.CodeEvicted
}

// errGoingAway ends a link whose peer restarts: the session is lost.
var errGoingAway = errors.New("the server goes away")
