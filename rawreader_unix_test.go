//go:build unix

package serpy

import (
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// pairOf gives both ends of a link of a kind of socket.
func pairOf(t *testing.T, network, address string) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen(network, address)
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	a, err = net.Dial(network, l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = a.Close() })
	b, err = l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = b.Close() })
	return a, b
}

// What waits for a socket has no memory, and what comes is read as by Read: bytes, the
// end, a deadline, a conn that was closed.
func TestRawReader(t *testing.T) {
	for network, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": t.TempDir() + "/s"} {
		t.Run(network, func(t *testing.T) {
			a, b := pairOf(t, network, address)
			r := newRawReader(b)
			require.NotNil(t, r)
			var in readBuffer
			r.in = &in
			require.NoError(t, r.raw.Control(func(fd uintptr) {
				require.False(t, r.tryRead(fd), "nothing is there")
			}))
			require.Nil(t, in.chunk.buf)

			go func() { _, _ = a.Write([]byte("hello")) }()
			n, err := r.read(&in, nil)
			require.NoError(t, err)
			in.filled += n
			require.Equal(t, "hello", string(in.waiting()))

			require.NoError(t, b.SetReadDeadline(time.Unix(1, 0)))
			_, err = r.read(&in, nil)
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.NoError(t, b.SetReadDeadline(time.Time{}))
			require.NoError(t, a.Close())
			n, err = r.read(&in, nil)
			require.Zero(t, n)
			require.ErrorIs(t, err, io.EOF)
			require.NoError(t, b.Close())
			_, err = r.read(&in, nil)
			require.ErrorIs(t, err, net.ErrClosed)
			var op *net.OpError
			require.ErrorAs(t, err, &op)
			require.Equal(t, "read", op.Op)
			in.close()
		})
	}
	a, b := net.Pipe()
	require.Nil(t, newRawReader(a), "no socket")
	_, _ = a.Close(), b.Close()
}
