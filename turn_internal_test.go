package serpy

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Whoever stops reading must not leave somebody behind who waits for what the link
// brings.
func TestWhoIsLeftBehindGetsAReader(t *testing.T) {
	for name, wait := range map[string]func(c *Connection){
		"for a message": func(c *Connection) { c.rq.sleepers.Add(1) },
		"for an ack":    func(c *Connection) { c.await(1, confirm{id: 1, ch: make(chan struct{}, 1)}) },
		"for room":      func(c *Connection) { c.rooms = append(c.rooms, make(chan struct{}, 1)) },
		"for a reply":   func(c *Connection) { c.requests = map[uint64]*request{1: {}} },
		"for the end":   func(c *Connection) { c.closing = true },
		"for a blob":    func(c *Connection) { c.blobLane().in[1] = nil },
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := linked(t)
			l := c.link
			l.turn.timer = time.AfterFunc(time.Hour, l.unread)
			l.turn.armed.Store(true)
			t.Cleanup(l.retire)
			l.pass()
			require.Empty(t, l.turn.call, "nobody waits")
			require.True(t, l.turn.take())
			wait(c)
			l.pass()
			require.Len(t, l.turn.call, 1)
		})
	}
}

// The link's own reader comes back when nobody read for a while, and only then.
func TestTheOwnReaderComesBack(t *testing.T) {
	c, _ := linked(t)
	l := c.link
	t.Cleanup(l.retire)
	l.turn.timer = time.AfterFunc(time.Hour, l.unread)
	l.pass()
	l.unread()
	require.Empty(t, l.turn.call, "somebody came since the timer was set")
	require.True(t, l.turn.armed.Load())
	require.True(t, l.turn.take())
	l.unread()
	require.Empty(t, l.turn.call, "somebody reads")
	require.False(t, l.turn.armed.Load())
	l.pass()
	require.True(t, l.turn.armed.Load())
	l.turn.used.Store(false)
	l.unread()
	require.Len(t, l.turn.call, 1)
}

// A context that ended while somebody else had the turn, and took its interruption,
// still ends the read of who comes next.
func TestAContextThatEndedIsSeenByTheNextReader(t *testing.T) {
	c, _ := linked(t)
	l := c.link
	t.Cleanup(l.retire)
	ctx, cancel := context.WithCancel(t.Context())
	l.watch(ctx)
	cancel()
	require.Eventually(t, l.lookedUp, time.Minute, time.Millisecond)
	l.pass()
	l.heard = time.Now()
	require.True(t, l.readUntil(ctx, 0))
	require.False(t, l.turn.taken.Load())
}
