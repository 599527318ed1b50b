package serpytest_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/serpytest"
)

// echoHandler replies to each message with itself.
func echoHandler(ctx context.Context, c *serpy.Connection) error {
	for m := range c.Messages(ctx) {
		if err := m.Reply(ctx, m); err != nil {
			return err
		}
	}
	return c.Err()
}

func TestServe(t *testing.T) {
	c, cut := serpytest.Serve(t, echoHandler, nil)
	for i := range 5 {
		cut()
		m, err := c.Request(t.Context(), serpy.TextMessage(fmt.Sprint("hi ", i)))
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint("hi ", i), m.String())
	}
}

// TestServeInABubble sees exact times: a request over a link of 50 ms takes
// two of them.
func TestServeInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := serpytest.Listen(serpytest.Link{Latency: 50 * time.Millisecond})
		c := serpytest.ServeOn(t, l, echoHandler, &serpy.Options{Name: "both"})
		require.NoError(t, c.WaitConnected(t.Context()))
		within(t, 100*time.Millisecond, func() {
			_, err := c.Request(t.Context(), serpy.TextMessage("hi"))
			require.NoError(t, err)
		})
		l.Refuse(true)
		l.CutAll()
		r, err := c.SendMessage(t.Context(), serpy.Message{Mode: serpy.Acked})
		require.NoError(t, err)
		time.AfterFunc(time.Minute, func() { l.Refuse(false) })
		start := time.Now()
		require.NoError(t, r.Wait(t.Context()))
		require.GreaterOrEqual(t, time.Since(start), time.Minute)
		require.Less(t, time.Since(start), 2*time.Minute)
	})
}

// TestServeHistory is the whole of the package at once: a stream over links
// that are cut at a byte each, and a History that finds nothing.
func TestServeHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 300
		var h serpytest.History
		done := make(chan struct{})
		l := serpytest.Listen(serpytest.Link{Latency: time.Millisecond})
		l.OnDial(func(n int, dialled, accepted *serpytest.Conn) {
			dialled.Out().CutAfter(int64(200 + 97*n))
			accepted.Out().CutAfter(int64(300 + 31*n))
		})
		c := serpytest.ServeOn(t, l, func(ctx context.Context, c *serpy.Connection) error {
			for m := range c.Messages(ctx) {
				h.ReceivedMessage(binary.LittleEndian.Uint64(m.Data), m)
				if m.ID == n {
					close(done)
				}
			}
			return c.Err()
		}, &serpy.Options{Reconnect: serpy.Reconnect{FirstDial: serpy.RetryUntilDone}})
		for key := range uint64(n) {
			m := serpy.Message{Data: binary.LittleEndian.AppendUint64(nil, key), Mode: serpy.Mode(key % 2)}
			s := h.Sending(key, m.Mode == serpy.Acked, m.Data)
			r, err := c.SendMessage(t.Context(), m)
			s.Returned(err)
			if m.Mode == serpy.Acked && key%10 == 1 {
				s.Resolved(r.Wait(t.Context()))
			}
		}
		require.NoError(t, c.Flush(t.Context()))
		<-done
		h.Verify(t)
		require.Greater(t, l.Dialled(), 3, "links were cut")
	})
}
