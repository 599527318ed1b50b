package serpy

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Who waits for room may be passed, but not by any number of messages.
func TestWhoWaitsForRoomIsPassedByFew(t *testing.T) {
	o := must(t)
	o.SendQueue.Messages = 80
	c := newConnection(o, nil, "", Native)
	c.newSession(newID(), newID(), 0)
	first := make(chan struct{}, 1)
	for range 2 {
		c.rooms = []chan struct{}{first}
		for range 10 {
			require.NotZero(t, c.sendSmall([]byte("small"), 0, false))
		}
		require.Zero(t, c.sendSmall([]byte("small"), 0, false))
		_, err := c.TrySend(Message{Tag: 1})
		require.ErrorIs(t, err, ErrQueueFull)
		c.mu.Lock()
		c.leave(first)
		c.mu.Unlock()
	}
	c.rooms = []chan struct{}{first}
	for range 10 {
		_, err := c.TrySend(Message{Tag: 1})
		require.NoError(t, err)
	}
	_, err := c.TrySend(Message{Tag: 1})
	require.ErrorIs(t, err, ErrQueueFull)
	require.Zero(t, c.sendSmall([]byte("small"), 0, false))
}

// So it is under a policy that drops, where messages that somebody waits for are kept
// and wait for room themselves.
func TestWhoWaitsForRoomUnderADroppingPolicyIsPassedByFew(t *testing.T) {
	o := must(t)
	o.SendQueue.Messages, o.SendQueue.Policy = 80, DropOldest
	c := newConnection(o, nil, "", Native)
	c.newSession(newID(), newID(), 0)
	first := make(chan struct{}, 1)
	c.rooms = []chan struct{}{first}
	for range 10 {
		_, err := c.TrySend(Message{Mode: Acked})
		require.NoError(t, err)
	}
	_, err := c.TrySend(Message{Mode: Acked})
	require.ErrorIs(t, err, ErrQueueFull)
}

// So it is where the messages have no bound, and a large one waits for bytes.
func TestWhoWaitsForBytesIsPassedByFew(t *testing.T) {
	o := must(t)
	o.SendQueue.Messages = maxQueueMessages
	c := newConnection(o, nil, "", Native)
	c.newSession(newID(), newID(), 0)
	c.rooms = []chan struct{}{make(chan struct{}, 1)}
	passed := 0
	for passed < 100_000 && c.sendSmall([]byte("small"), 0, false) != 0 {
		passed++
	}
	require.LessOrEqual(t, passed, defaultMessages)
}
