package serpy

import (
	"context"
	"errors"
)

// errMessageDone ends a link that has carried its one message.
var errMessageDone = errors.New("the link has carried its message")

// nextMessage makes a dialled connection ready for its next link, which is a session of
// its own although nothing was lost.
func (c *Connection) nextMessage() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return
	}
	c.q.restart(c.sess.Next(), c.sess.Next(), false)
	c.newSession(newID(), newID(), 0)
	c.era.lost = false
}

// awaitDemand waits until a link is wanted: to write a message, or because somebody
// waits for one. Nothing is dialled for nothing, as a peer that serves one message a
// link would give it away. false: the connection is to end.
func (c *Connection) awaitDemand(ctx context.Context) bool {
	if !c.caps.OneMessage {
		return true
	}
	for {
		c.mu.Lock()
		if c.link == nil && c.q.unsent < c.q.groups.len() || c.stage.list.len() > 0 || c.wanted {
			c.wanted = false
			c.mu.Unlock()
			return true
		}
		closing := c.closing
		c.mu.Unlock()
		if closing {
			return false
		}
		select {
		case <-c.redial.get():
		case <-ctx.Done():
			return false
		}
	}
}

// want says that somebody waits for a message.
func (c *Connection) want() {
	if !c.caps.OneMessage || c.server != nil {
		return
	}
	c.mu.Lock()
	c.wanted = true
	c.mu.Unlock()
	poke(c.redial.get())
}
