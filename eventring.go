package serpy

import (
	"context"
	"iter"
	"log/slog"
	"sync"
)

// How many events are kept for readers that come late.
const (
	keptEvents       = 64
	keptServerEvents = 1024
)

// A serverEvent is an event of one of a server's connections, or, without one, of
// the server itself.
type serverEvent struct {
	c *Connection
	e Event
}

// An eventRing keeps the last events. Nobody has to read them. Its mutex is taken
// under others, and takes none.
type eventRing[T any] struct {
	mu     sync.Mutex
	keep   int32
	closed bool
	ring   []T
	next   uint64        // number of the next event, from 0
	more   chan struct{} // closed when an event comes; nil: nobody waits
}

func (r *eventRing[T]) add(e T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	if len(r.ring) < int(r.keep) {
		r.ring = append(r.ring, e)
	} else {
		r.ring[r.next%uint64(r.keep)] = e //nolint:gosec // not negative
	}
	r.next++
	r.wake()
}

func (r *eventRing[T]) wake() {
	if r.more != nil {
		close(r.more)
		r.more = nil
	}
}

func (r *eventRing[T]) close() {
	r.mu.Lock()
	r.closed = true
	r.wake()
	r.mu.Unlock()
}

// get gives the event at n or the oldest after it that is kept, or a channel to
// wait on; neither is the end.
func (r *eventRing[T]) get(n uint64) (e T, at uint64, ok bool, wait <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	kept := uint64(len(r.ring))
	n = max(n, r.next-kept)
	switch {
	case n < r.next:
		return r.ring[n%uint64(r.keep)], n, true, nil //nolint:gosec // not negative
	case r.closed:
		return e, n, false, nil
	case r.more == nil:
		r.more = make(chan struct{})
	}
	return e, n, false, r.more
}

// all ranges over the events from the oldest kept until ctx or the ring ends.
func (r *eventRing[T]) all(ctx context.Context) iter.Seq[T] {
	return func(yield func(T) bool) {
		var n uint64
		for ctx.Err() == nil {
			e, at, ok, wait := r.get(n)
			switch {
			case ok:
				if n = at + 1; !yield(e) {
					return
				}
			case wait == nil:
				return
			default:
				select {
				case <-wait:
				case <-ctx.Done():
				}
			}
		}
	}
}

// Events ranges over what happens to the connection, from the oldest event kept (of
// 64) until ctx ends or, behind Closed, the connection. Each reader sees all of them
// unless it is more than 64 behind; nobody has to read.
func (c *Connection) Events(ctx context.Context) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		for e := range c.events.all(ctx) {
			if !yield(shown(e)) {
				return
			}
		}
	}
}

// say tells an event: to the ring, the server's ring, and the log.
func (c *Connection) say(e Event) {
	c.note(e)
	level := slog.LevelInfo
	if _, gap := e.(MessageGap); gap {
		level = slog.LevelWarn
	}
	if ctx := context.Background(); c.opt.Logger.Enabled(ctx, level) {
		if text, ok := e.(interface{ String() string }); ok {
			c.opt.Logger.Log(ctx, level, "serpy: "+text.String(), "peer", c.Peer().Address)
		}
	}
}

// note is say without the log; c.mu may be held.
func (c *Connection) note(e Event) {
	c.events.add(e)
	if c.server != nil {
		c.server.events.add(serverEvent{c, e})
	}
}
