package serpytest_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/serpytest"
)

// TestFacts holds what serpy says to the facts that the History makes of it.
func TestFacts(t *testing.T) {
	var h serpytest.History
	h.WhenProcessed = true
	send := func(key uint64, returned error) *serpytest.Sent {
		s := h.Sending(key, true, payload(key))
		s.Returned(returned)
		return s
	}
	one := send(1, nil)
	send(9, serpy.ErrQueueFull)
	send(2, fmt.Errorf("%w: %w", serpy.ErrUnconfirmed, context.Canceled)) // May arrive.
	three := send(3, nil)
	send(4, nil).Resolved(context.DeadlineExceeded) // No fact.

	h.ReceivedMessage(1, serpy.Message{Data: payload(1), ID: 1})
	h.WasNacked(1)
	one.Resolved(&serpy.NackError{Reason: "no"})
	h.Happened(serpy.Connected{}) // No fact.
	h.Happened(serpy.SessionLost{Unconfirmed: 1})
	three.Resolved(serpy.ErrUnconfirmed)
	h.ReceivedMessage(4, serpy.Message{
		Data: payload(4), ID: 4, Redelivered: true,
		Gap: &serpy.Gap{First: 2, Last: 3, Count: 2, Reason: serpy.LostWithSession},
	})
	h.Verify(t)

	send(5, nil).Resolved(nil)
	h.ReceivedMessage(9, serpy.Message{
		Data: payload(9), ID: 8,
		Gap: &serpy.Gap{First: 5, Last: 7, Count: 2, Reason: serpy.DroppedBySender},
	})
	found := h.Check()
	for _, kind := range []serpytest.Kind{serpytest.FalseReceipt, serpytest.Phantom, serpytest.LyingGap} {
		assert.True(t, len(found) > 0 && containsKind(found, kind), "%v in %v", kind, found)
	}
}

func containsKind(found []serpytest.Violation, kind serpytest.Kind) bool {
	for _, v := range found {
		if v.Kind == kind {
			return true
		}
	}
	return false
}

// TestDropsStandInTheHistory has a receiver that is too slow for a queue that
// drops the oldest: each message came, or stands in a Gap at its place.
func TestDropsStandInTheHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 500
		var h serpytest.History
		last := make(chan struct{})
		var came atomic.Int64
		c := serpytest.ServeOn(t, serpytest.Listen(serpytest.Link{Bandwidth: 20_000}), func(ctx context.Context, c *serpy.Connection) error {
			for m := range c.Messages(ctx) {
				h.ReceivedMessage(binary.LittleEndian.Uint64(m.Data), m)
				came.Add(1)
				if m.ID == n {
					close(last)
				}
				pass(time.Millisecond)
			}
			return c.Err()
		}, &serpy.Options{
			MaxMessage: 1 << 10,
			SendQueue:  serpy.Queue{Messages: 16, Bytes: 1 << 20, Policy: serpy.DropOldest},
		})
		for key := range uint64(n) {
			data := make([]byte, 100)
			binary.LittleEndian.PutUint64(data, key)
			s := h.Sending(key, false, data)
			err := c.Send(t.Context(), data)
			s.Returned(err)
			require.NoError(t, err)
			pass(time.Millisecond)
		}
		require.NoError(t, c.Flush(t.Context()))
		select {
		case <-last:
		case <-time.After(time.Minute):
			require.Fail(t, "the newest message never came")
		}
		h.Verify(t)
		require.Less(t, came.Load(), int64(n), "some were dropped")
		require.NoError(t, c.Close())
	})
}
