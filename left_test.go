package serpy_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
)

// leftBehind is what each client of these tests leaves unread.
const leftBehind = 32 << 10

func smallServer(t *testing.T) *serpy.Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s, err := serpy.NewServer(l, &serpy.Options{MaxMessage: 64 << 10, MaxMemory: 8 * leftBehind})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// comeAndGo is a client that sends, is confirmed and ends; false: it was refused as busy.
func comeAndGo(t *testing.T, s *serpy.Server) bool {
	t.Helper()
	before := s.Stats().Accepted
	c, err := serpy.Dial(t.Context(), s.Address(), nil)
	if err != nil {
		busy := new(serpy.RefusedError)
		require.ErrorAs(t, err, &busy)
		require.False(t, busy.Final, "it may come again")
		require.Contains(t, busy.Reason, "unread")
		return false
	}
	require.NoError(t, c.SendAcked(t.Context(), make([]byte, leftBehind)))
	require.NoError(t, c.Close())
	require.Greater(t, s.Stats().Accepted, before)
	require.Eventually(t, func() bool { return s.Len() == 0 }, time.Minute, time.Millisecond, "the server has seen its end")
	return true
}

// untilBusy lets clients come and go until one is refused, and says how many did.
func untilBusy(t *testing.T, s *serpy.Server) (came int) {
	t.Helper()
	for comeAndGo(t, s) {
		came++
		require.LessOrEqual(t, came, 8, "what they left behind is more than MaxMemory")
	}
	require.GreaterOrEqual(t, came, 7)
	return came
}

// TestLeftUnread lets clients come, send and go, while nobody reads what they sent: that
// is no way to have the server hold more than MaxMemory. When it is read, others may come.
func TestLeftUnread(t *testing.T) {
	s := smallServer(t)
	came := untilBusy(t, s)
	require.Len(t, s.Readable(), came)
	for _, m := range s.Messages(t.Context()) {
		require.Len(t, m.Data, leftBehind)
		if came--; came == 0 {
			break
		}
	}
	require.True(t, comeAndGo(t, s), "there is room again")
}

// TestLeftUnreadByPolling is the same for who reads by Readable.
func TestLeftUnreadByPolling(t *testing.T) {
	s := smallServer(t)
	untilBusy(t, s)
	for _, c := range s.Readable() {
		_, ok := c.TryReceive()
		require.True(t, ok)
	}
	require.True(t, comeAndGo(t, s), "there is room again")
	require.Len(t, s.Readable(), 1)
}

// TestLeftToHandlers has handlers that are busy with something else when their clients go.
func TestLeftToHandlers(t *testing.T) {
	s := smallServer(t)
	read := make(chan struct{})
	letRead := sync.OnceFunc(func() { close(read) })
	got := make(chan int, 100)
	served := make(chan error, 1)
	go func() {
		served <- s.Serve(context.Background(), func(ctx context.Context, c *serpy.Connection) error {
			<-read
			m, err := c.Receive(ctx)
			assert.NoError(t, err)
			got <- len(m.Data)
			return nil
		})
	}()
	t.Cleanup(func() {
		letRead()
		assert.NoError(t, s.Close())
		assert.NoError(t, <-served)
	})
	came := untilBusy(t, s)
	letRead()
	for range came {
		require.Equal(t, leftBehind, <-got)
	}
	require.Eventually(t, func() bool { return comeAndGo(t, s) }, time.Minute, time.Millisecond, "there is room again")
	require.Equal(t, leftBehind, <-got)
}

// TestLeftToAccept gives connections away, whose messages are then the application's
// matter: they refuse nobody, and are there for who has the connection.
func TestLeftToAccept(t *testing.T) {
	s := smallServer(t)
	var all []*serpy.Connection
	for range 20 {
		require.True(t, comeAndGo(t, s))
		c, err := s.Accept(t.Context())
		require.NoError(t, err)
		all = append(all, c)
	}
	require.Less(t, len(s.Readable()), 10, "the server holds no more than MaxMemory of them")
	for _, c := range all {
		m, err := c.Receive(t.Context())
		require.NoError(t, err)
		require.Len(t, m.Data, leftBehind)
	}
}
