package transport

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds what a test waits for, and is reached only when it fails.
const patience = time.Minute

// bounded is the test's context with a deadline.
func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// address parses what the test knows to be one.
func address(t *testing.T, s string) Address {
	t.Helper()
	a, err := Parse(s)
	require.NoError(t, err)
	return a
}

// socketPath is a path for a unix socket, short enough for every system.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "s") //nolint:usetesting // t.TempDir is too long for sun_path on macOS
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return filepath.Join(dir, "sock")
}

// unixAddress is the address of a socket file.
func unixAddress(t *testing.T, path string) Address {
	t.Helper()
	return address(t, "unix://"+slashPath(path))
}

// closing closes c when the test ends, unless the test did.
func closing[C interface{ Close() error }](t *testing.T, c C) C {
	t.Helper()
	t.Cleanup(func() {
		if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			require.NoError(t, err)
		}
	})
	return c
}

// pair dials l and gives both ends.
func pair(t *testing.T, l net.Listener, dial func(a Address) (net.Conn, error)) (dialled, accepted net.Conn) {
	t.Helper()
	a, ok := ListenerAddress(l)
	require.True(t, ok)
	dialled, err := dial(a)
	require.NoError(t, err)
	closing(t, dialled)
	accepted, err = l.Accept()
	require.NoError(t, err)
	return dialled, closing(t, accepted)
}

// talk checks that bytes get through both ways.
func talk(t *testing.T, a, b net.Conn) {
	t.Helper()
	for range 2 {
		require.NoError(t, a.SetDeadline(time.Now().Add(patience)))
		_, err := a.Write([]byte("ping"))
		require.NoError(t, err)
		require.NoError(t, b.SetDeadline(time.Now().Add(patience)))
		got := make([]byte, 16)
		n, err := b.Read(got)
		require.NoError(t, err)
		require.Equal(t, "ping", string(got[:n]))
		a, b = b, a
	}
}
