package serpytest_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/serpytest"
)

// readAll reads to the end and returns the bytes and the error that is no
// io.EOF.
func readAll(c io.Reader) (string, error) {
	b, err := io.ReadAll(c)
	return string(b), err
}

// write writes s and fails the test otherwise.
func write(t *testing.T, w io.Writer, s string) {
	t.Helper()
	n, err := io.WriteString(w, s)
	require.NoError(t, err)
	require.Equal(t, len(s), n)
}

// read reads just s, and fails the test otherwise.
func read(t *testing.T, r io.Reader, s string) {
	t.Helper()
	b := make([]byte, len(s))
	_, err := io.ReadFull(r, b)
	require.NoError(t, err)
	require.Equal(t, s, string(b))
}

func TestBothWaysAndEnd(t *testing.T) {
	a, b := serpytest.Pipe(serpytest.Link{})
	write(t, a, "hello")
	write(t, b, "well met")
	read(t, b, "hello")
	read(t, a, "well met")

	require.NoError(t, a.CloseWrite())
	_, err := a.Write([]byte("x"))
	require.ErrorIs(t, err, syscall.EPIPE)
	_, err = b.Read(make([]byte, 1))
	require.Equal(t, io.EOF, err, "bare, as io.Reader demands")
	write(t, b, "still here")
	require.NoError(t, b.Close())
	got, err := readAll(a)
	require.NoError(t, err)
	require.Equal(t, "still here", got)
	require.NoError(t, a.Close())
	require.NoError(t, a.Close(), "closing twice is no error")
	require.NoError(t, b.Close())
	_, err = a.Read(make([]byte, 1))
	require.ErrorIs(t, err, net.ErrClosed)
	_, err = a.Write([]byte("x"))
	require.ErrorIs(t, err, net.ErrClosed)
	require.ErrorIs(t, a.CloseWrite(), net.ErrClosed)
}

func TestLargeTransferBothWays(t *testing.T) {
	for _, link := range []serpytest.Link{{}, {Buffer: 1}, {Buffer: 777}, {OneByte: true}, {Latency: time.Millisecond}, {Bandwidth: 1 << 20}} {
		synctest.Test(t, func(t *testing.T) {
			a, b := serpytest.Pipe(link)
			data := make([]byte, 200_000)
			r := rand.New(rand.NewPCG(3, 4))
			for i := range data {
				data[i] = byte(r.Uint32())
			}
			var wg sync.WaitGroup
			for _, end := range []*serpytest.Conn{a, b} {
				wg.Go(func() {
					for rest := data; len(rest) > 0; {
						n := min(len(rest), 1+rand.IntN(9000))
						if _, err := end.Write(rest[:n]); !assert.NoError(t, err) {
							return
						}
						rest = rest[n:]
					}
					assert.NoError(t, end.CloseWrite())
				})
				wg.Go(func() {
					got, err := io.ReadAll(end)
					if assert.NoError(t, err) {
						assert.True(t, bytes.Equal(data, got), "arrived as sent")
					}
				})
			}
			wg.Wait()
			require.NoError(t, a.Close())
			require.NoError(t, b.Close())
		})
	}
}

func TestBufferBoundsWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := serpytest.Pipe(serpytest.Link{})
		require.NoError(t, a.SetWriteDeadline(time.Now().Add(time.Second)))
		start := time.Now()
		n, err := a.Write(make([]byte, serpytest.DefaultBuffer+1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		var ne net.Error
		require.True(t, errors.As(err, &ne) && ne.Timeout())
		require.Equal(t, serpytest.DefaultBuffer, n)
		require.Equal(t, time.Second, time.Since(start))
		_, err = io.ReadFull(b, make([]byte, serpytest.DefaultBuffer))
		require.NoError(t, err)
		_, err = a.Write([]byte("x"))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded, "a passed deadline wins over room")
		require.NoError(t, a.SetDeadline(time.Time{}))
		write(t, a, "x")
		read(t, b, "x")
	})
}

// Who sees one half of a cut sees all of it.
func TestACutIsOneStep(t *testing.T) {
	for range 2000 {
		a, b := serpytest.Pipe(serpytest.Link{})
		go a.Cut()
		_, err := b.Read(make([]byte, 1))
		require.ErrorIs(t, err, syscall.ECONNRESET)
		for _, c := range []net.Conn{b, a} {
			_, err = c.Write([]byte("x"))
			require.ErrorIs(t, err, syscall.ECONNRESET)
		}
		_, err = a.Read(make([]byte, 1))
		require.ErrorIs(t, err, syscall.ECONNRESET)
	}
}
