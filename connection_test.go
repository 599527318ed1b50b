package serpy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
)

// serve starts a server with h on loopback and ends it with the test.
func serve(t *testing.T, o *serpy.Options, h serpy.Handler) *serpy.Server {
	t.Helper()
	s, err := serpy.Listen("tcp://127.0.0.1:0", o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, h) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-served)
	})
	return s
}

func dial(t *testing.T, s *serpy.Server, o *serpy.Options) *serpy.Connection {
	t.Helper()
	c, err := serpy.Dial(t.Context(), s.Address(), o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// echo answers requests with themselves, and sends other messages back.
func echo(ctx context.Context, c *serpy.Connection) error {
	for m := range c.Messages(ctx) {
		if err := m.Reply(ctx, m); err != nil {
			return err
		}
	}
	return c.Err()
}

func TestEcho(t *testing.T) {
	s := serve(t, nil, echo)
	c := dial(t, s, nil)
	for _, mode := range []serpy.Mode{serpy.Plain, serpy.Acked, serpy.Base85, serpy.Base85Acked} {
		for _, size := range []int{0, 1, 5, 127, 128, 16383, 16384, 65535, 65536, 65537, 1 << 20, 5<<20 + 3} {
			data := []byte(strings.Repeat("\x00\x01\x04\x1f\xff~é", size/8+1))[:size]
			_, err := c.SendMessage(t.Context(), serpy.Message{Data: data, Mode: mode, Tag: uint32(size), Type: serpy.Text, Header: serpy.Header{"a": "b"}})
			require.NoError(t, err)
			m, err := c.Receive(t.Context())
			require.NoError(t, err, "%v %d", mode, size)
			require.Len(t, m.Data, len(data))
			require.Equal(t, data, m.Data)
			require.NotNil(t, m.Data)
			require.Equal(t, len(m.Data), cap(m.Data))
			require.Equal(t, mode, m.Mode)
			require.Equal(t, uint32(size), m.Tag)
			require.Equal(t, serpy.Header{"a": "b"}, m.Header)
		}
	}
	require.NoError(t, c.Close())
	_, err := c.Receive(t.Context())
	require.ErrorIs(t, err, serpy.ErrClosed)
	require.NoError(t, c.Err())
}

func TestRequest(t *testing.T) {
	s := serve(t, nil, func(ctx context.Context, c *serpy.Connection) error {
		return c.Handle(ctx, func(ctx context.Context, m serpy.Message) error {
			if m.String() == "bad" {
				return errors.New("no such command")
			}
			return m.Reply(ctx, serpy.TextMessage("answer to "+m.String()))
		})
	})
	c := dial(t, s, nil)
	for i := range 10_000 {
		m, err := c.Request(t.Context(), serpy.TextMessage(fmt.Sprint(i)))
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("answer to %d", i), m.String())
	}
	_, err := c.Request(t.Context(), serpy.TextMessage("bad"))
	var nack *serpy.NackError
	require.ErrorAs(t, err, &nack)
	require.Equal(t, "no such command", nack.Reason)
}

func TestSendAcked(t *testing.T) {
	got := make(chan string, 100)
	s := serve(t, nil, func(ctx context.Context, c *serpy.Connection) error {
		for m := range c.Messages(ctx) {
			got <- m.String()
		}
		return c.Err()
	})
	c := dial(t, s, nil)
	for i := range 50 {
		require.NoError(t, c.SendAcked(t.Context(), fmt.Append(nil, i)))
	}
	require.NoError(t, c.Close())
	for i := range 50 {
		require.Equal(t, fmt.Sprint(i), <-got)
	}
}

func TestCloseSendEndsTheStream(t *testing.T) {
	ends := make(chan error, 1)
	s := serve(t, nil, func(ctx context.Context, c *serpy.Connection) error {
		n := 0
		for {
			_, err := c.Receive(ctx)
			if err != nil {
				ends <- err
				return c.Send(ctx, fmt.Append(nil, n))
			}
			n++
		}
	})
	c := dial(t, s, nil)
	for range 1000 {
		require.NoError(t, c.Send(t.Context(), []byte("x")))
	}
	require.NoError(t, c.CloseSend(t.Context()))
	require.ErrorIs(t, c.Send(t.Context(), nil), serpy.ErrClosed)
	m, err := c.Receive(t.Context())
	require.NoError(t, err)
	require.Equal(t, "1000", m.String())
	require.ErrorIs(t, <-ends, io.EOF)
	_, err = c.Receive(t.Context())
	require.ErrorIs(t, err, io.EOF)
	require.NoError(t, c.Err())
}
