package main

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"
	"time"
)

// A source makes the payloads of one stream. One goroutine calls it.
type source interface {
	// next gives a payload that is valid until the next call, or io.EOF.
	next() ([]byte, error)
	close() error
}

// open gives the source that cfg names.
func open(cfg config) (source, error) {
	switch cfg.source {
	case "host":
		return newHostSource(), nil
	case "camera":
		return newCameraSource(), nil
	case "file":
		return newFileSource(cfg.file, cfg.size)
	}
	return nil, fmt.Errorf("no source %q", cfg.source)
}

// rate is how many messages a second live sources make; a command may change it
// while they run.
type rate struct{ hertz atomic.Uint64 } // The bits of a float64.

func (r *rate) set(hertz float64) { r.hertz.Store(math.Float64bits(hertz)) }
func (r *rate) get() float64      { return math.Float64frombits(r.hertz.Load()) }

// pacer lets one message go each time the rate allows it. A new rate counts from
// the message after next.
type pacer struct {
	rate *rate // Nil: at once, always.
	next time.Time
}

// wait returns nil when the next message is due, or ctx's error. Who comes late
// does not catch up: a camera has no frames of the past either.
func (p *pacer) wait(ctx context.Context) error {
	if p.rate == nil {
		return ctx.Err()
	}
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	due := time.NewTimer(p.next.Sub(now))
	defer due.Stop()
	p.next = p.next.Add(time.Duration(float64(time.Second) / p.rate.get()))
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-due.C:
		return ctx.Err()
	}
}
