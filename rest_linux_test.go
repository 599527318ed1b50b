package serpy_test

import (
	"context"
	"errors"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
)

// Links on which nothing happens need no goroutine, and none is missed when something
// does: signs of life, messages from either side, and the end.
func TestLinksThatRestNeedNoGoroutine(t *testing.T) {
	const pairs = 40
	o := &serpy.Options{Heartbeat: 250 * time.Millisecond, IdleTimeout: time.Minute}
	s, err := serpy.Listen("tcp://127.0.0.1:0", o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	before := runtime.NumGoroutine()
	allRest := func(ours int) {
		t.Helper()
		eventually(t, func() bool { return runtime.NumGoroutine() <= before+ours+pairs/4 })
	}
	var ends [][2]*serpy.Connection
	for range pairs {
		c := dial(t, s, o)
		other, err := s.Accept(t.Context())
		require.NoError(t, err)
		ends = append(ends, [2]*serpy.Connection{c, other})
	}
	for range 3 {
		allRest(0)
		for i, e := range ends {
			from, to := e[i%2], e[1-i%2]
			require.NoError(t, from.SendAcked(t.Context(), []byte("there")))
			m, err := to.Receive(t.Context())
			require.NoError(t, err)
			require.Equal(t, "there", m.String())
		}
		<-time.After(2 * o.Heartbeat)
	}
	allRest(0)
	for _, e := range ends { // who waits in Receive reads, after some talk, and nobody beside
		for _, c := range e {
			go func() {
				for range c.Messages(context.Background()) { // until it is closed
				}
			}()
		}
	}
	for range 3 {
		for i, e := range ends {
			require.NoError(t, e[i%2].SendAcked(t.Context(), []byte("there")))
		}
		allRest(2 * pairs)
	}
	for _, e := range ends {
		require.Equal(t, 1, e[0].Stats().Links)
		require.NoError(t, e[0].Close())
		<-e[1].Done()
		require.NoError(t, e[1].Err())
	}
}

// A link that rests still ends when its peer was silent for too long.
func TestALinkThatRestsNoticesSilence(t *testing.T) {
	s, err := serpy.Listen("tcp://127.0.0.1:0", &serpy.Options{Heartbeat: -1, IdleTimeout: 2 * time.Second})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	c := dial(t, s, &serpy.Options{Heartbeat: -1, Reconnect: serpy.Reconnect{Off: true}})
	other, err := s.Accept(t.Context())
	require.NoError(t, err)
	for range 10 { // after some talk, too
		require.NoError(t, c.SendAcked(t.Context(), []byte("there")))
		_, err := other.Receive(t.Context())
		require.NoError(t, err)
	}
	for e := range other.Events(t.Context()) {
		if lost, ok := e.(serpy.Disconnected); ok {
			var timeout net.Error
			require.True(t, errors.As(lost.Err, &timeout) && timeout.Timeout(), lost.Err)
			break
		}
	}
	<-c.Done()
}

// Who made a conn may close it: an epoll is not told of that, so that such a link does
// not rest.
func TestAConnThatItsMakerCloses(t *testing.T) {
	s, err := serpy.Listen("tcp://127.0.0.1:0", &serpy.Options{Heartbeat: -1})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	made := make(chan net.Conn, 1)
	before := runtime.NumGoroutine()
	c := dial(t, s, &serpy.Options{
		Heartbeat: -1, IdleTimeout: -1, Reconnect: serpy.Reconnect{Off: true},
		Dial: func(ctx context.Context, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", strings.TrimPrefix(address, "tcp://"))
			made <- conn
			return conn, err
		},
	})
	eventually(t, func() bool { return runtime.NumGoroutine() <= before+2 }) // the listener's side rests
	require.NoError(t, (<-made).Close())
	<-c.Done()
}

// A bubble of virtual time may have links over real sockets, while others rest outside.
func TestARealLinkInABubble(t *testing.T) {
	s, err := serpy.Listen("tcp://127.0.0.1:0", nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	before := runtime.NumGoroutine()
	dial(t, s, nil)
	eventually(t, func() bool { return runtime.NumGoroutine() <= before+1 })
	synctest.Test(t, func(t *testing.T) {
		s, err := serpy.Listen("tcp://127.0.0.1:0", nil)
		require.NoError(t, err)
		c, err := serpy.Dial(t.Context(), s.Address(), &serpy.Options{Name: "in the bubble"})
		require.NoError(t, err)
		other, err := s.Accept(t.Context())
		require.NoError(t, err)
		for range 3 {
			require.NoError(t, c.SendAcked(t.Context(), []byte("there")))
			m, err := other.Receive(t.Context())
			require.NoError(t, err)
			require.Equal(t, "there", m.String())
		}
		require.NoError(t, c.Close())
		require.NoError(t, s.Close())
	})
}
