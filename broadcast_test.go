package serpy_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
)

func TestBroadcast(t *testing.T) {
	slow, fast := newValve(), newValve()
	close(fast.open)
	ready := make(chan struct{}, 3)
	s := serve(t, &serpy.Options{SendQueue: serpy.Queue{Messages: 8}}, func(ctx context.Context, c *serpy.Connection) error {
		ready <- struct{}{}
		return deaf(ctx, c)
	})
	var clients [3]*serpy.Connection
	for i := range clients {
		o := &serpy.Options{Name: fmt.Sprint(i)}
		if i == 0 {
			o.ReceiveQueue.Messages = 4
		}
		clients[i] = dial(t, s, o)
		<-ready
	}
	read := func(c *serpy.Connection, v *valve) { go func() { _ = v.serve(t.Context(), c) }() }
	read(clients[0], slow)
	read(clients[1], fast)
	left := s.Connections()[2]
	const n = 100
	missed := 0
	for i := range n {
		m := serpy.Message{Data: fmt.Append(nil, i+1), Tag: 7, Mode: serpy.Base85, Header: serpy.Header{"a": "b"}}
		k, err := s.Broadcast(m, left)
		require.NoError(t, err)
		missed += k
		for s.Connections()[1].Flush(t.Context()) != nil {
			runtime.Gosched() // the fast one always has room
		}
	}
	require.Positive(t, missed)
	close(slow.open)
	require.NoError(t, s.Connections()[0].Flush(t.Context()))
	require.NoError(t, s.BroadcastWait(t.Context(), serpy.Message{Data: fmt.Append(nil, n+1)}, left))
	for _, c := range s.Connections() {
		require.NoError(t, c.Flush(t.Context()))
	}
	_, ok := clients[2].TryReceive()
	require.False(t, ok, "it was excepted")
	require.NoError(t, clients[0].Close())
	require.NoError(t, clients[1].Close())
	got := <-fast.all
	require.Zero(t, account(t, n+1, got))
	require.Equal(t, serpy.Base85, got[0].Mode)
	require.Equal(t, serpy.Header{"a": "b"}, got[0].Header)
	require.EqualValues(t, 7, got[0].Tag)
	got = <-slow.all
	require.Equal(t, missed, account(t, n+1, got), "who missed some finds Gaps for exactly these")

	_, err := s.Broadcast(serpy.Message{Data: make([]byte, 17<<20)})
	require.ErrorIs(t, err, serpy.ErrTooLarge, "nobody could have it")
	named(t, err)
	require.Error(t, s.BroadcastWait(ended(t), serpy.Message{}))
}

// BroadcastWait loses nothing at peers that block, and gives the others theirs first.
func TestBroadcastWait(t *testing.T) {
	slow, fast, little := newValve(), newValve(), newValve()
	ready := make(chan struct{}, 3)
	s := serve(t, &serpy.Options{SendQueue: serpy.Queue{Messages: 4}, MaxMessage: 1 << 20}, func(ctx context.Context, c *serpy.Connection) error {
		ready <- struct{}{}
		return deaf(ctx, c)
	})
	var clients [3]*serpy.Connection
	for i, v := range []*valve{slow, fast, little} {
		o := &serpy.Options{}
		switch i {
		case 0:
			o.ReceiveQueue.Messages = 4
		case 2:
			o.MaxMessage = 70_000
		}
		clients[i] = dial(t, s, o)
		<-ready
		go func() { _ = v.serve(t.Context(), clients[i]) }()
	}
	close(fast.open)
	close(little.open)
	const n = 50
	sent := make(chan error, 1)
	go func() {
		for i := range n {
			if err := s.BroadcastWait(t.Context(), serpy.Message{Data: fmt.Append(nil, i+1)}); err != nil {
				sent <- err
				return
			}
		}
		sent <- s.BroadcastWait(t.Context(), serpy.Message{Data: append(fmt.Append(nil, n+1), make([]byte, 200_000)...)})
	}()
	stuck := s.Connections()[0]
	eventually(t, func() bool { st := stuck.Stats(); return st.Sent == 8 && st.SendQueue.Messages == 4 })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.BroadcastWait(ctx, serpy.Message{Data: []byte("x")}, s.Connections()[1:]...), context.DeadlineExceeded)
	close(slow.open)
	require.NoError(t, <-sent)
	require.NoError(t, s.BroadcastWait(t.Context(), serpy.Message{Data: fmt.Append(nil, n+2)}))
	for i, c := range s.Connections() {
		require.NoError(t, c.Flush(t.Context()))
		require.Equal(t, 1, c.Stats().Links, "%d", i)
	}
	for _, c := range clients {
		require.NoError(t, c.Close())
	}
	require.Zero(t, account(t, n+2, <-fast.all))
	require.Zero(t, account(t, n+2, <-slow.all))
	require.Equal(t, 1, account(t, n+2, <-little.all), "it takes no messages of that size, and is told")
}

// What is broadcast and what is sent to one peer come in the order in which they were
// accepted.
func TestBroadcastAndSendAreInOrder(t *testing.T) {
	conns := make(chan *serpy.Connection, 1)
	s := serve(t, nil, func(ctx context.Context, c *serpy.Connection) error {
		conns <- c
		return deaf(ctx, c)
	})
	client := dial(t, s, nil)
	c := <-conns
	const n = 3000
	failed := make(chan error, 1)
	go func() {
		var err error
		for i := 0; i < n && err == nil; i++ {
			if i%7 < 5 { // several in a row, of either kind
				err = s.BroadcastWait(t.Context(), serpy.Message{Data: fmt.Append(nil, i)})
			} else {
				err = c.Send(t.Context(), fmt.Append(nil, i))
			}
		}
		failed <- err
	}()
	for i := range n {
		m, err := client.Receive(t.Context())
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(i), m.String())
	}
	require.NoError(t, <-failed)
}
