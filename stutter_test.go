package serpy_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
)

// TestErrorsDoNotStutter makes errors that pass several layers, each of which knows what
// was tried and where: the text says it once, and errors.Is finds what is below.
func TestErrorsDoNotStutter(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	gone := "tcp://" + l.Addr().String()
	require.NoError(t, l.Close())
	nowhere := "unix://" + filepath.Join(t.TempDir(), "no", "s")
	long := "unix:///" + strings.Repeat("x", 200)
	dialErr := func(address string) error {
		c, err := serpy.Dial(t.Context(), address, nil)
		if err == nil {
			_ = c.Close()
		}
		return err
	}
	listenErr := func(address string) error {
		s, err := serpy.Listen(address, nil)
		if err == nil {
			_ = s.Close()
		}
		return err
	}
	for _, c := range []struct {
		op, address string
		err         error
		is          error
	}{
		{"dial", gone, dialErr(gone), syscall.ECONNREFUSED},
		{"dial", nowhere, dialErr(nowhere), syscall.ENOENT},
		{"dial", long, dialErr(long), nil},
		{"dial", "tcp://127.0.0.1:0", dialErr("tcp://127.0.0.1:0"), nil},
		{"dial", "npipe://./pipe/a/b", dialErr("npipe://./pipe/a/b"), nil},
		{"listen", nowhere, listenErr(nowhere), syscall.ENOENT},
		{"listen", "tcp://192.0.2.1:1", listenErr("tcp://192.0.2.1:1"), syscall.EADDRNOTAVAIL},
		{"listen", long, listenErr(long), nil},
	} {
		require.Error(t, c.err, c.address)
		said := c.err.Error()
		_, place, _ := strings.Cut(c.address, "://")
		assert.Equal(t, 1, strings.Count(said, c.op+" "), said)
		assert.Equal(t, 1, strings.Count(said, place), said)
		assert.Regexp(t, "^serpy: "+c.op+" ", said)
		if c.is != nil {
			assert.ErrorIs(t, c.err, c.is, said)
		}
		t.Log(said)
	}
}

// TestLinkErrorsDoNotStutter is the same of what ends a link.
func TestLinkErrorsDoNotStutter(t *testing.T) {
	reset := &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	err := &serpy.LinkError{Op: "read", Addr: "127.0.0.1:7", Err: reset}
	require.EqualError(t, err, "read 127.0.0.1:7: "+syscall.ECONNRESET.Error())
	err.Op = "handshake"
	require.EqualError(t, err, "handshake 127.0.0.1:7: "+reset.Error())
	require.ErrorIs(t, err, syscall.ECONNRESET)
}

// TestDialSaysWhyItTriedForSoLong ends the wait for a server that is not there: that time
// ran out says nothing of what to do.
func TestDialSaysWhyItTriedForSoLong(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	attempts := 0
	_, err := serpy.Dial(ctx, "lab1:7000", &serpy.Options{
		Dial: func(ctx context.Context, _ string) (net.Conn, error) {
			if attempts++; attempts == 2 {
				cancel()
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.EHOSTUNREACH}
		},
		Reconnect: serpy.Reconnect{FirstDial: serpy.RetryUntilDone, Min: time.Millisecond, Max: time.Millisecond},
	})
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, syscall.EHOSTUNREACH)
	require.EqualError(t, err, "serpy: dial: context canceled: dial lab1:7000: "+syscall.EHOSTUNREACH.Error())
}
