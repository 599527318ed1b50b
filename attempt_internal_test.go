package serpy

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// An attempt ends by DialTimeout, by whoever stops dialling, or when it is over; and leaves
// nothing that another one would stumble over.
func TestAnAttemptHasItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opt, err := (&Options{DialTimeout: time.Second}).forDial()
		require.NoError(t, err)
		c := newConnection(opt, nil, "nowhere", opt.Wires[0])
		c.newSession(newID(), newID(), 0)
		defer func() {
			c.finish(nil, ErrClosed)
		}()

		begin := time.Now()
		type key struct{}
		a := c.tries(context.WithValue(t.Context(), key{}, "value"))
		child, stop := context.WithCancel(a)
		defer stop()
		require.Equal(t, "value", child.Value(key{}))
		by, ok := a.Deadline()
		require.True(t, ok)
		require.Equal(t, time.Second, by.Sub(begin))
		require.NoError(t, a.Err())
		<-a.Done()
		require.Equal(t, time.Second, time.Since(begin))
		require.ErrorIs(t, a.Err(), context.DeadlineExceeded)
		<-child.Done()
		require.ErrorIs(t, child.Err(), context.DeadlineExceeded, "as package net makes one for each of several addresses")
		c.tick()
		require.ErrorIs(t, a.Err(), context.DeadlineExceeded, "the timer may come again before the attempt returns")
		c.tried(a)
		require.ErrorIs(t, a.Err(), context.DeadlineExceeded, "it does not change its mind")

		ctx, cancel := context.WithCancel(t.Context())
		a = c.tries(ctx)
		child, end := context.WithCancel(a)
		defer end()
		cancel()
		<-child.Done()
		require.ErrorIs(t, child.Err(), context.Canceled)
		<-a.Done()
		require.ErrorIs(t, a.Err(), context.Canceled)
		time.Sleep(2 * time.Second) //nolint:forbidigo // in a bubble
		require.ErrorIs(t, a.Err(), context.Canceled)
		c.tried(a)

		a = c.tries(t.Context())
		time.Sleep(time.Second / 2) //nolint:forbidigo // in a bubble
		c.tried(a)
		begin = time.Now()
		a = c.tries(t.Context()) // while the timer of the last one still runs
		<-a.Done()
		require.Equal(t, time.Second, time.Since(begin))
		c.tried(a)
	})
}
