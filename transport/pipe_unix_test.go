//go:build unix

package transport

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// folder is a folder for the sockets that stand for pipes.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "p") //nolint:usetesting // t.TempDir is too long for sun_path on macOS
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}

// wine is no question here.
func wine() bool { return false }

func TestPipesNeedAFolder(t *testing.T) {
	a, o := pipe(t)
	for _, test := range []struct {
		a Address
		o Options
	}{
		{a, Options{}},
		{address(t, "npipe://elsewhere/pipe/x"), o},
		{a, Options{PipeFolder: o.PipeFolder, PipeSecurity: "D:P(A;;GA;;;AU)"}},
	} {
		_, err := Dial(t.Context(), test.a, nil, test.o)
		require.ErrorIs(t, err, errors.ErrUnsupported)
		_, err = Listen(t.Context(), test.a, nil, test.o)
		require.ErrorIs(t, err, errors.ErrUnsupported)
		_, _, err = Meet(t.Context(), test.a, test.o)
		require.ErrorIs(t, err, errors.ErrUnsupported)
	}
	_, err := Dial(t.Context(), address(t, "npipe://./pipe/a/b"), nil, o)
	require.ErrorContains(t, err, "slash")
}

// A socket of a process that was killed is in nobody's way, and one of a program that
// knows no lock is met like a pipe.
func TestSocketsOfOthersStandForPipesToo(t *testing.T) {
	a, o := pipe(t)
	o.PipeMessages = true
	path := filepath.Join(o.PipeFolder, a.Path())
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: path, Net: "unixpacket"})
	require.NoError(t, err)
	l.SetUnlinkOnClose(false)
	c, made, err := Meet(bounded(t), a, o)
	require.NoError(t, err)
	require.False(t, made)
	closing(t, c)
	for {
		other, err := l.Accept()
		require.NoError(t, err)
		closing(t, other)
		if _, err := other.Write([]byte("hello")); err == nil { // the first was asked whether it is there
			break
		}
	}
	got := make([]byte, 10)
	n, err := c.Read(got)
	require.NoError(t, err)
	require.Equal(t, "hello", string(got[:n]))
	require.NoError(t, l.Close())
	require.NoError(t, servePipe(t, a, o).Close())
}

// original opens sockets in a folder as npipes opens pipes.
type original struct{ at *net.UnixAddr }

func newOriginal(t *testing.T, a Address, o Options) original {
	t.Helper()
	return original{&net.UnixAddr{Name: filepath.Join(o.PipeFolder, a.Path()), Net: "unixpacket"}}
}

// make makes the socket and waits for a client. busy says that somebody else has.
func (o original) make(waiting chan<- struct{}) (end net.Conn, busy bool, err error) {
	l, err := net.ListenUnix("unixpacket", o.at)
	if err != nil {
		return nil, errors.Is(err, syscall.EADDRINUSE), err
	}
	close(waiting)
	end, err = l.Accept()
	return end, false, errors.Join(err, l.Close())
}

// open opens the socket that somebody else has made.
func (o original) open() (net.Conn, error) { return net.DialUnix("unixpacket", nil, o.at) }
