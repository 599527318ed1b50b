package transport

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// stale leaves a socket file behind on which nobody answers.
func stale(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	l.SetUnlinkOnClose(false)
	require.NoError(t, l.Close())
	require.FileExists(t, path)
}

func TestAStaleSocketIsReplaced(t *testing.T) {
	path := socketPath(t)
	stale(t, path)
	l := listen(t, "unix://"+slashPath(path), nil, Options{})
	talk2(t, l)
	require.NoError(t, l.Close())
	require.NoFileExists(t, path)
	require.ErrorIs(t, l.Close(), net.ErrClosed)
}

// talk2 checks that a listener's connections carry bytes.
func talk2(t *testing.T, l net.Listener) {
	t.Helper()
	dialled, accepted := pair(t, l, plainDial(t, Options{}))
	talk(t, dialled, accepted)
}

func TestALiveSocketStays(t *testing.T) {
	path := socketPath(t)
	l := listen(t, "unix://"+slashPath(path), nil, Options{})
	for _, mode := range modes() {
		_, err := Listen(bounded(t), unixAddress(t, path), nil, Options{UnixMode: mode})
		require.ErrorIs(t, err, syscall.EADDRINUSE)
		require.ErrorContains(t, err, "somebody answers")
		probe, err := l.Accept()
		require.NoError(t, err)
		require.NoError(t, probe.Close())
	}
	talk2(t, l)
}

func TestAFileThatIsNoSocketStays(t *testing.T) {
	path := socketPath(t)
	require.NoError(t, os.WriteFile(path, []byte("data"), 0o600))
	_, err := Listen(bounded(t), unixAddress(t, path), nil, Options{})
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	kept, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "data", string(kept))

	// Not what a link points to either, be it a stale socket.
	other := path + "2"
	stale(t, other)
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Symlink(other, path))
	_, err = Listen(bounded(t), unixAddress(t, path), nil, Options{})
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.FileExists(t, other)
}

func TestCloseRemovesNoSuccessor(t *testing.T) {
	path := socketPath(t)
	first := listen(t, "unix://"+slashPath(path), nil, Options{})
	require.NoError(t, os.Remove(path)) // by somebody who tidies up
	second := listen(t, "unix://"+slashPath(path), nil, Options{})
	require.NoError(t, first.Close())
	require.FileExists(t, path)
	talk2(t, second)
}

// Of many who find a stale socket at once, one gets the path, and keeps it.
func TestOneOfManyGetsThePath(t *testing.T) {
	const many = 8
	path := socketPath(t)
	a := unixAddress(t, path)
	for range 20 {
		stale(t, path)
		type result struct {
			l   net.Listener
			err error
		}
		results := make(chan result, many)
		for range many {
			go func() {
				l, err := Listen(bounded(t), a, nil, Options{})
				results <- result{l, err}
			}()
		}
		var winner net.Listener
		for range many {
			r := <-results
			if r.err != nil {
				require.ErrorIs(t, r.err, syscall.EADDRINUSE)
				continue
			}
			closing(t, r.l)
			require.Nil(t, winner, "two have it")
			winner = r.l
		}
		require.NotNil(t, winner, "nobody has it")
		c, err := Dial(bounded(t), a, nil, Options{})
		require.NoError(t, err)
		require.NoError(t, c.Close())
		require.NoError(t, winner.Close())
	}
}

func TestNoDirectory(t *testing.T) {
	_, err := Listen(bounded(t), unixAddress(t, filepath.Join(socketPath(t), "none", "x")), nil, Options{})
	require.ErrorIs(t, err, os.ErrNotExist)
}

// Whoever holds the lock of the directory is waited for, as long as ctx says.
func TestTheLockEndsWithItsContext(t *testing.T) {
	path := socketPath(t)
	unlock, err := lock(t.Context(), filepath.Dir(path))
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 3*lockPoll)
	defer cancel()
	_, err = Listen(ctx, unixAddress(t, path), nil, Options{})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	unlock()
	talk2(t, listen(t, "unix://"+slashPath(path), nil, Options{}))
}
