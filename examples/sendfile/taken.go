package main

import (
	"context"
	"fmt"
	"time"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/blob"
)

// ourName is what both sides call themselves.
const ourName = "sendfile"

// sendFile sends one file, and gives up when nobody at the other end takes it: a peer that
// speaks the wire need not want files. A receiver of this program always takes what is
// offered, and may first read for long what it has of it: with one there is no hurry.
func sendFile(ctx context.Context, c *serpy.Connection, cfg *config, path string, o *blob.Options) (blob.Result, error) {
	peer := c.Peer()
	if peer.Name == ourName {
		return c.SendFile(ctx, path, o)
	}
	ctx, giveUp := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if untaken(ctx, c, cfg.wait) {
			giveUp(&unreachableError{fmt.Errorf("what answers at %s (its name: %q) has taken nothing of the file within %v."+
				" Start sendfile receive there, say by -addr where one runs, or give it longer by -wait", cfg.address, peer.Name, cfg.wait)})
		}
	}()
	res, err := c.SendFile(ctx, path, o)
	giveUp(nil)
	<-ended
	if away, ok := context.Cause(ctx).(*unreachableError); ok && err != nil { //nolint:errorlint // as it was given
		err = away
	}
	return res, err
}

// untaken says that a link was up for so long, without a break, and none of what waits to be sent
// was asked for; that no link comes up is bounded elsewhere.
func untaken(ctx context.Context, c *serpy.Connection, wait time.Duration) bool {
	clock := time.NewTimer(wait)
	defer clock.Stop()
	for began := c.Stats(); ; {
		select {
		case <-clock.C:
		case <-ctx.Done():
			return false
		}
		switch now := c.Stats(); {
		case now.Blobs.SentBytes > began.Blobs.SentBytes:
			return false
		case now.Links == began.Links && c.State() == serpy.Up:
			return true
		default:
			began = now
			clock.Reset(wait)
		}
	}
}
