package serpy

import (
	"context"
	"sync/atomic"
	"time"
)

// An attempt is the context of one attempt to connect, which DialTimeout bounds. It ends
// by the connection's own timer: that of a context would stay in the heap of the runtime
// when it is stopped, with all that it refers to, until its time has come. Of ten thousand
// that have dialled, a third did.
type attempt struct {
	context.Context // without a deadline
	outer           context.Context
	by              time.Time
	late            atomic.Bool
	end             context.CancelFunc
}

// Deadline is that of the attempt: a socket needs nothing else to keep it.
func (a *attempt) Deadline() (time.Time, bool) { return a.by, true }

func (a *attempt) Err() error {
	err := a.Context.Err()
	if err != nil && a.late.Load() {
		return context.DeadlineExceeded
	}
	return err
}

// Value and AfterFunc have contexts that are made of this one end by it, and say what Err
// says: package net makes some, and those of package context would ask our inner one.
func (a *attempt) Value(key any) any { return a.outer.Value(key) }

// AfterFunc is what context.AfterFunc calls.
func (a *attempt) AfterFunc(f func()) (stop func() bool) { return context.AfterFunc(a.Context, f) }

// tries begins an attempt.
func (c *Connection) tries(ctx context.Context) *attempt {
	now := time.Now()
	a := &attempt{outer: ctx, by: now.Add(c.opt.DialTimeout)}
	a.Context, a.end = context.WithCancel(ctx)
	c.mu.Lock()
	c.attempt = a
	c.wakeAt(a.by, now)
	c.mu.Unlock()
	return a
}

// tried ends it.
func (c *Connection) tried(a *attempt) {
	c.mu.Lock()
	c.attempt = nil
	c.mu.Unlock()
	a.end()
}

// attempted looks after an attempt that is under way. c.mu is held, and is not any more
// when it returns.
func (c *Connection) attempted(a *attempt, now time.Time) {
	over := !now.Before(a.by)
	if !over {
		c.wakeAt(a.by, now)
	}
	c.mu.Unlock()
	if over && a.Context.Err() == nil { // else it has ended, and keeps to what it said
		a.late.Store(true)
		a.end()
	}
}
