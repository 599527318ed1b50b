package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/serpy-go/serpy"
)

// patience is for how long whoever answers at -addr may leave the first question open: an
// instrument answers at once.
const patience = 2 * grace

// errSilent is who was asked and has said nothing.
var errSilent = errors.New("it has not answered " + commandStream)

// begin asks for the stream. Whoever speaks the wire can be at the address, and need not be
// an instrument.
func (w *workstation) begin(ctx context.Context, c *serpy.Connection) error {
	asking, giveUp := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		if silent(asking, c, patience) {
			giveUp(errSilent)
		}
	}()
	answer, err := c.Request(asking, serpy.TextMessage(commandStream))
	giveUp(nil)
	<-watched
	switch cause := context.Cause(ctx); {
	case cause != nil:
		return w.neverBegan(c, cause)
	case err != nil && errors.Is(context.Cause(asking), errSilent):
		return w.stranger(c, fmt.Errorf("%w within %v", errSilent, patience))
	case err != nil:
		return fmt.Errorf("asking for the stream: %w", err)
	}
	text := answer.String()
	if reason, isFailed := strings.CutPrefix(text, failed); isFailed {
		return fmt.Errorf("the instrument gives no stream: %s", reason)
	}
	if text != streamBegins {
		return w.stranger(c, fmt.Errorf("it answers %s by %.40q", commandStream, text))
	}
	return nil
}

// neverBegan says why there was no stream: a -duration that is over before it began is
// no wanted end, as Ctrl-C is while nobody answers at all.
func (w *workstation) neverBegan(c *serpy.Connection, cause error) error {
	isTime := errors.Is(cause, context.DeadlineExceeded)
	if !isTime && (c.State() != serpy.Up || !errors.Is(cause, context.Canceled)) {
		return unlessWanted(cause)
	}
	err := fmt.Errorf("no stream from %s", w.cfg.address)
	if isTime {
		err = fmt.Errorf("%w within %v", err, w.cfg.duration)
	}
	if c.State() == serpy.Up {
		return fmt.Errorf("%w: %w. Is what answers there (its name: %q) an instrument?", err, errSilent, c.Peer().Name)
	}
	if why := w.trouble.Load(); why != nil {
		err = fmt.Errorf("%w: %w", err, *why)
	}
	return err
}

// stranger says that what answers is no instrument, and why that is thought.
func (w *workstation) stranger(c *serpy.Connection, why error) error {
	return fmt.Errorf("what answers at %s (its name: %q) is no instrument: %w."+
		" Start one there by -role instrument, or say by -addr where one runs", w.cfg.address, c.Peer().Name, why)
}

// silent says that a link was up for so long, without a break, before ctx ended.
func silent(ctx context.Context, c *serpy.Connection, long time.Duration) bool {
	clock := time.NewTimer(long)
	defer clock.Stop()
	for links := c.Stats().Links; ; {
		select {
		case <-clock.C:
		case <-ctx.Done():
			return false
		}
		now := c.Stats().Links
		if now == links && c.State() == serpy.Up {
			return true
		}
		links = now
		clock.Reset(long)
	}
}
