package peer

import (
	"context"
	"fmt"
	"time"
)

// What sides have in common whose messages go through a broker.

// connections makes those of the dialling side. In a fan-out each subscribes.
func connections[C any](s Spec, connect func() (C, error), subscribe func(C) error) (all []C, err error) {
	for range max(s.Conns, 1) {
		c, err := connect()
		if err != nil {
			return nil, err
		}
		all = append(all, c)
		if s.Kind == FanOut {
			if err := subscribe(c); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// awaitClients waits until a side has n clients, or files, which it asks for every so
// often.
func awaitClients(ctx context.Context, n int, often time.Duration, clients func() int) error {
	for {
		has := clients()
		if has >= n {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%d of %d clients: %w", has, n, ctx.Err())
		}
		time.Sleep(often)
	}
}

// confirmations sends n messages, of which up to size wait to be confirmed: these are in a
// ring, and each is waited for before its place is taken again.
func confirmations[C any](n, size int, send func() (C, error), wait func(C) error) error {
	ring := make([]C, size)
	for i := range n + size {
		at := &ring[i%size]
		if i >= size && i-size < n {
			if err := wait(*at); err != nil {
				return err
			}
		}
		if i >= n {
			continue
		}
		var err error
		if *at, err = send(); err != nil {
			return err
		}
	}
	return nil
}
