package serpy_test

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/serpytest"
)

func TestErrServerClosed(t *testing.T) {
	s, err := serpy.Listen("tcp://127.0.0.1:0", nil)
	require.NoError(t, err)
	c := dial(t, s, &serpy.Options{Reconnect: serpy.Reconnect{Off: true}})
	server, err := s.Accept(t.Context())
	require.NoError(t, err)
	require.NoError(t, c.SendAcked(t.Context(), []byte("last")))
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	m, err := server.Receive(t.Context())
	require.NoError(t, err, "what waits comes first")
	require.Equal(t, "last", m.String())
	require.NoError(t, <-closed)
	for range 2 {
		_, err = s.Accept(t.Context())
		require.ErrorIs(t, err, serpy.ErrServerClosed)
		require.ErrorIs(t, err, net.ErrClosed)
		named(t, err)
	}
	err = s.AddListener(serpytest.Listen(serpytest.Link{}))
	require.ErrorIs(t, err, serpy.ErrServerClosed)
	require.ErrorIs(t, s.StopAccepting(), serpy.ErrServerClosed)
	require.NoError(t, s.Close())
	<-c.Done()
}

// While handlers run, Shutdown ends their Receive.
func TestServerShutdownEndsReceive(t *testing.T) {
	got := make(chan error, 2)
	arrived := make(chan struct{}, 1)
	s := serve(t, nil, func(ctx context.Context, c *serpy.Connection) error {
		other := make(chan error, 1)
		go func() { _, err := c.Receive(ctx); other <- err }()
		arrived <- struct{}{}
		_, err := c.Receive(ctx)
		got <- err
		got <- <-other
		return nil
	})
	dial(t, s, nil)
	<-arrived
	require.NoError(t, s.Close())
	for range 2 {
		require.ErrorIs(t, <-got, serpy.ErrServerClosed, "each of those who wait is told")
	}
}
