package serpy

import (
	"errors"
	"io"

	"github.com/serpy-go/serpy/protocol"
)

// peerEnded says whether the peer ended the link in the only way in which a wire
// without a Close can say it.
func peerEnded(err error) bool {
	var broken *LinkError
	return errors.As(err, &broken) && broken.Op == "read" && errors.Is(broken.Err, io.EOF)
}

// closedByPeer is what calls say after that.
func closedByPeer() *CloseError {
	return &CloseError{Code: uint32(protocol.CodeNormal), Remote: true}
}

// foreignEnded ends the connection of a server whose foreign link has ended.
func (s *Server) foreignEnded(c *Connection, l *link, err error) {
	c.detachLink(l, err)
	defer l.left()
	c.mu.Lock()
	closing, failure := c.closing, c.failure
	c.mu.Unlock()
	switch {
	case failure != nil:
		c.finish(failure, failure)
	case closing:
		c.finish(nil, ErrClosed)
	case errors.Is(err, errMessageDone), peerEnded(err):
		c.reportLost(err)
		c.finish(nil, closedByPeer())
	default:
		c.lose(err)
	}
}

// reportLost says what a peer that ended normally cannot have.
func (c *Connection) reportLost(cause error) {
	n := c.unconfirmed()
	if n == 0 {
		return
	}
	err := &SessionLostError{Unconfirmed: n, Err: cause}
	c.say(SessionLost{Unconfirmed: n, Undelivered: n, Total: uint64(n), Err: err}) //nolint:gosec // not negative
}

// foreignLost judges the end of a dialled foreign link. Nobody can tell whether a peer
// that ended it is gone or comes again: it is dialled again unless that is off.
func (c *Connection) foreignLost(err error) error {
	c.mu.Lock()
	over := c.failure != nil || errors.Is(err, errPeerClosed) || c.closing && !c.patient && c.q.messages == 0
	again := c.reconnect
	received, _ := c.sess.Confirmed()
	all := received == c.sess.Next()-1
	c.mu.Unlock()
	switch {
	case over:
		return errPeerClosed
	case errors.Is(err, errMessageDone) && all:
		c.nextMessage()
		return err
	case !again && peerEnded(err):
		c.reportLost(err)
		return closedByPeer()
	}
	return c.loseSession(err)
}
