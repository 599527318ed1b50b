package serpy

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// streamPair is a pair of connections, of which the dialler's link is taken for a
// stream that nobody looks after.
func streamPair(t *testing.T) (a, b *Connection) {
	t.Helper()
	silent := &Options{Heartbeat: -1} // a sign of life would take along what is left
	s, err := Listen("tcp://127.0.0.1:0", silent)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	a, err = Dial(t.Context(), s.Address(), silent)
	require.NoError(t, err)
	t.Cleanup(func() { _ = a.Close() })
	b, err = s.Accept(t.Context())
	require.NoError(t, err)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.prompt.Store(false)
	a.link.stream.on = true
	return a, b
}

// What a stream leaves is written by whoever waits for anything, and is not before.
func TestWhoWaitsWritesWhatAStreamLeft(t *testing.T) {
	waits := map[string]func(ctx context.Context, c *Connection, r Receipt) error{
		"for a receipt": func(ctx context.Context, _ *Connection, r Receipt) error { return r.Wait(ctx) },
		"for a flush":   func(ctx context.Context, c *Connection, _ Receipt) error { return c.Flush(ctx) },
		"for a message": func(ctx context.Context, c *Connection, _ Receipt) error {
			_, err := c.Receive(ctx)
			return err
		},
		"for a channel": func(ctx context.Context, _ *Connection, r Receipt) error {
			select {
			case <-r.Done():
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		},
		"for the end": func(ctx context.Context, c *Connection, _ Receipt) error { return c.CloseSend(ctx) },
	}
	for name, wait := range waits {
		t.Run(name, func(t *testing.T) {
			a, b := streamPair(t)
			r, err := a.SendMessage(t.Context(), Message{Data: []byte("left"), Mode: Acked})
			require.NoError(t, err)
			a.mu.Lock()
			require.Equal(t, 1, a.q.groups.len()-a.q.unsent, "nobody has written it")
			a.mu.Unlock()
			done := make(chan error, 1)
			go func() { done <- wait(t.Context(), a, r) }()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			m, err := b.Receive(ctx)
			require.NoError(t, err)
			require.Equal(t, "left", m.String())
			require.NoError(t, b.Send(t.Context(), []byte("answer")))
			require.NoError(t, <-done)
		})
	}
}

// A request is written at once, although a stream leaves the last group.
func TestARequestInAStream(t *testing.T) {
	a, b := streamPair(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	go func() {
		_ = b.Handle(ctx, func(ctx context.Context, m Message) error { return m.Reply(ctx, TextMessage("yes")) })
	}()
	m, err := a.Request(ctx, TextMessage("well?"))
	require.NoError(t, err)
	require.Equal(t, "yes", m.String())
}

// Who waits while a sender writes a full group has the rest written, too.
func TestWhoWaitsBesideAWriter(t *testing.T) {
	a, _ := streamPair(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := a.SendMessage(ctx, Message{Data: []byte("left"), Mode: Acked})
	require.NoError(t, err)
	a.mu.Lock()
	l := a.link
	l.writing = true // as a sender does, who writes outside of the mutex
	a.hurry()
	a.mu.Lock()
	l.endTurn(nil)
	a.kick()
	a.mu.Unlock()
	require.NoError(t, r.Wait(ctx))
}

// A stream whose writer waits for the link is looked after again when that has gone on.
func TestALateLookAtAStream(t *testing.T) {
	a, b := streamPair(t)
	a.mu.Lock()
	l := a.link
	l.stream.timer = time.AfterFunc(time.Hour, l.lookAfter)
	l.writing = true
	a.mu.Unlock()
	l.lookAfter()
	require.NoError(t, a.Send(t.Context(), []byte("left")))
	a.mu.Lock()
	require.True(t, l.stream.late)
	l.endTurn(nil)
	a.mu.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := b.Receive(ctx) // although nobody waits at a
	require.NoError(t, err)
}

// Senders write full groups themselves; the rest is written when the stream is looked
// after, and then it is none any more.
func TestAStreamIsLookedAfter(t *testing.T) {
	a, b := streamPair(t)
	a.mu.Lock()
	l := a.link
	l.stream.wrote = true
	l.stream.timer = time.AfterFunc(time.Hour, l.lookAfter)
	a.mu.Unlock()
	data := make([]byte, 1000)
	for a.Stats().Sent < 100 { // the rest of a group stays
		require.NoError(t, a.Send(t.Context(), data))
	}
	sent := a.Stats().Sent
	a.mu.Lock()
	require.Equal(t, 1, a.q.groups.len()-a.q.unsent)
	require.False(t, l.writing)
	l.stream.timer.Reset(0)
	a.mu.Unlock()
	for range sent {
		_, err := b.Receive(t.Context())
		require.NoError(t, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	require.False(t, l.stream.on)
}

// A flusher that always finds more makes a stream of the link.
func TestFlusherFindsAStream(t *testing.T) {
	a, b := streamPair(t)
	a.mu.Lock()
	l := a.link
	l.stream.on = false
	for range streamRounds - 1 {
		l.found()
	}
	require.False(t, l.stream.on)
	l.found()
	require.True(t, l.stream.on)
	a.mu.Unlock()
	require.NoError(t, a.Send(t.Context(), []byte("x")))
	_, err := b.Receive(t.Context()) // although nobody waits
	require.NoError(t, err)
}
