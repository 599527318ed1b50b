package serpy_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
)

// An application that stops reading stalls only the messages that come to it: what
// it sends is confirmed, and what it gets is.
func TestAcksGoOnWhenTheApplicationStopsReading(t *testing.T) {
	for _, scheme := range []string{"tcp", "unix"} {
		t.Run(scheme, func(t *testing.T) {
			c, peer := pairOver(t, scheme)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for range 20 { // so that the peer reads itself
				got := make(chan error, 1)
				go func() {
					_, err := peer.Receive(ctx)
					got <- err
				}()
				require.NoError(t, c.SendAcked(ctx, []byte("x")))
				require.NoError(t, <-got)
			}
			for range 5 { // the peer receives no more
				require.NoError(t, c.SendAcked(ctx, []byte("y")))
				require.NoError(t, peer.SendAcked(ctx, []byte("z")))
			}
			for range 5 {
				m, err := peer.Receive(ctx)
				require.NoError(t, err)
				require.Equal(t, "y", m.String())
			}
		})
	}
}

// Many wait for different things of one link, and one of them reads it at a time.
func TestAllWhoWaitAreServed(t *testing.T) {
	for name, o := range map[string]*serpy.Options{"": nil, "spinning": {Spin: true}} {
		t.Run(name, func(t *testing.T) { serveAll(t, o) })
	}
}

func serveAll(t *testing.T, o *serpy.Options) {
	t.Helper()
	c, peer := pairWith(t, "tcp", o)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	const each = 200
	errs := make(chan error)
	run := func(f func() error) {
		go func() {
			var err error
			for i := 0; i < each && err == nil; i++ {
				err = f()
			}
			errs <- err
		}()
	}
	for _, side := range []*serpy.Connection{c, peer} {
		for range 2 {
			run(func() error { return side.SendAcked(ctx, []byte("acked")) })
			run(func() error { return side.Send(ctx, []byte("plain")) })
			run(func() error { return side.Flush(ctx) })
		}
	}
	for _, side := range []*serpy.Connection{c, peer} {
		for range 4 {
			run(func() error {
				short, cancel := context.WithTimeout(ctx, time.Millisecond)
				defer cancel()
				if _, err := side.Receive(short); err == nil || short.Err() == nil {
					return err
				}
				_, err := side.Receive(ctx)
				return err
			})
		}
	}
	for range 2 * (6 + 4) {
		require.NoError(t, <-errs)
	}
}

func pairOver(t *testing.T, scheme string) (c, peer *serpy.Connection) {
	t.Helper()
	return pairWith(t, scheme, nil)
}

func pairWith(t *testing.T, scheme string, o *serpy.Options) (c, peer *serpy.Connection) {
	t.Helper()
	address := "tcp://127.0.0.1:0"
	if scheme == "unix" {
		dir, err := os.MkdirTemp("", "s") //nolint:usetesting // t.TempDir may be too long for a socket
		require.NoError(t, err)
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		address = "unix://" + filepath.ToSlash(dir) + "/s"
	}
	s, err := serpy.Listen(address, o)
	require.NoError(t, err)
	c, err = serpy.Dial(t.Context(), s.Address(), o)
	require.NoError(t, err)
	peer, err = s.Accept(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = c.Close()
		_ = s.Close()
	})
	return c, peer
}
