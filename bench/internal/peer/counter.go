package peer

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// stalled is how long nothing comes from a peer that may lose messages before the rest
// counts as lost.
const stalled = 500 * time.Millisecond

// A counter counts messages that come by callbacks. All methods but wait may be called
// from any goroutine.
type counter struct {
	lossy    bool         // the peer may lose some
	got      atomic.Int64 // since the beginning
	want     atomic.Int64
	once     sync.Once
	reached  chan struct{}
	expected int64 // before this run
}

func (c *counter) wake() chan struct{} {
	c.once.Do(func() { c.reached = make(chan struct{}, 1) })
	return c.reached
}

// add counts one.
func (c *counter) add() {
	if c.got.Add(1) == c.want.Load() {
		select {
		case c.wake() <- struct{}{}:
		default:
		}
	}
}

// wait waits until n more have come than were waited for before, or, of a lossy peer,
// none came for a while.
func (c *counter) wait(ctx context.Context, n int) (Outcome, error) {
	target := c.expected + int64(n)
	c.want.Store(target)
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	seen, last := int64(-1), time.Now()
	for {
		got := c.got.Load()
		if got >= target {
			c.expected = target
			return Outcome{}, nil
		}
		if got != seen {
			seen, last = got, time.Now()
		} else if c.lossy && time.Since(last) > stalled {
			c.expected = got
			return Outcome{Lost: int(target - got), Last: last}, nil
		}
		select {
		case <-c.wake():
		case <-ticker.C:
		case <-ctx.Done():
			return Outcome{}, ctx.Err()
		}
	}
}

// atLeast waits until so many have come since the beginning.
func (c *counter) atLeast(ctx context.Context, total int64) error {
	for c.got.Load() < total {
		c.want.Store(total)
		if c.got.Load() >= total {
			return nil
		}
		select {
		case <-c.wake():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
