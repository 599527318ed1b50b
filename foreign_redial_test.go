package serpy_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
)

// A server that takes what is said and hangs up, as one of another wire does, is not
// dialled without a pause because the writing went well.
func TestWritingIsNoSignOfAStableForeignLink(t *testing.T) {
	bubble(t, "hangs up", func(t *testing.T) {
		h := &host{}
		s := h.start(t, on(counts()))
		o := on(counts())
		o.Reconnect.Min, o.Reconnect.Max = 100*time.Millisecond, 30*time.Second
		c := h.dial(t, o)
		ctx, stop := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() {
			served <- s.Serve(ctx, func(ctx context.Context, c *serpy.Connection) error {
				_, err := c.Receive(ctx)
				return err
			})
		}()
		speaking := make(chan struct{})
		go func() {
			defer close(speaking)
			for e := range c.Events(ctx) {
				if _, ok := e.(serpy.Connected); ok {
					_, _ = c.TrySend(serpy.TextMessage("here I am")) // an error once c is closed
				}
			}
		}()
		bubbleSleep(time.Hour)
		assert.Greater(t, c.Stats().Links, 100)
		assert.Less(t, c.Stats().Links, 500, "about every 15 seconds")
		require.NoError(t, c.Close())
		stop()
		<-speaking
		require.NoError(t, <-served)
	})
}
