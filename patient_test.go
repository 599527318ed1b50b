package serpy_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/serpytest"
)

// Shutdown waits, within its context, for a link that is down: only Close is content
// with one more attempt.
func TestShutdownWaitsForTheLink(t *testing.T) {
	s := serve(t, nil, func(ctx context.Context, c *serpy.Connection) error {
		for range c.Messages(ctx) {
		}
		return c.Err()
	})
	p, err := serpytest.NewProxy("tcp", strings.TrimPrefix(s.Address(), "tcp://"), nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Close() })
	c, err := serpy.Dial(t.Context(), p.Addr(), &serpy.Options{Reconnect: serpy.Reconnect{Min: 5 * time.Millisecond}})
	require.NoError(t, err)
	p.Refuse(true)
	p.Cut()
	require.NoError(t, c.Send(t.Context(), []byte("last")))
	attempts := 0
	for e := range c.Events(t.Context()) {
		if _, again := e.(serpy.Reconnecting); again {
			if attempts++; attempts == 3 {
				break
			}
		}
	}
	over := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	go func() { over <- c.Shutdown(ctx) }()
	for e := range c.Events(t.Context()) { // once more refused, after Shutdown began
		if r, again := e.(serpy.Reconnecting); again && r.Attempt > attempts+1 {
			break
		}
	}
	p.Refuse(false)
	require.NoError(t, <-over)
}
