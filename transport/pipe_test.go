package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var pipes atomic.Int64

// pipe is the address of a pipe of the test's own, and what it takes to open it here.
func pipe(t *testing.T) (Address, Options) {
	t.Helper()
	a := address(t, fmt.Sprintf("npipe://./pipe/serpy-%d-%d", os.Getpid(), pipes.Add(1)))
	return a, Options{PipeFolder: folder(t)}
}

// servePipe listens for the length of the test.
func servePipe(t *testing.T, a Address, o Options) net.Listener {
	t.Helper()
	l, err := Listen(bounded(t), a, nil, o)
	require.NoError(t, err)
	closing(t, l)
	at, ok := ListenerAddress(l)
	require.True(t, ok)
	require.Equal(t, a, at)
	return l
}

// openedPipe dials for the length of the test.
func openedPipe(t *testing.T, a Address, o Options) net.Conn {
	t.Helper()
	c, err := Dial(bounded(t), a, nil, o)
	require.NoError(t, err)
	return closing(t, c)
}

// acceptedPipe accepts for the length of the test.
func acceptedPipe(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	c, err := l.Accept()
	require.NoError(t, err)
	return closing(t, c)
}

func TestPipesCarryBytes(t *testing.T) {
	for _, messages := range []bool{false, true} {
		t.Run(fmt.Sprintf("messages=%t", messages), func(t *testing.T) {
			a, o := pipe(t)
			o.PipeMessages = messages
			l := servePipe(t, a, o)
			dialled := openedPipe(t, a, o)
			accepted := acceptedPipe(t, l)
			require.NoError(t, Tune(accepted, o))
			for _, c := range []net.Conn{dialled, accepted} {
				assert.Equal(t, a.String(), c.RemoteAddr().String())
				assert.Equal(t, "npipe", c.LocalAddr().Network())
			}
			talk(t, dialled, accepted)
			_, plain := Plain(dialled)
			assert.False(t, plain)

			// A megabyte each way at once, read in odd pieces.
			want := bytes.Repeat([]byte("0123456789abcde"), 70_000)
			for _, c := range []net.Conn{dialled, accepted} {
				require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
				go func() {
					_, err := c.Write(want)
					assert.NoError(t, err)
				}()
			}
			for _, c := range []net.Conn{dialled, accepted} {
				got, err := io.ReadAll(io.LimitReader(&slowReader{c, 777}, int64(len(want))))
				require.NoError(t, err)
				require.True(t, bytes.Equal(want, got))
			}
			require.NoError(t, dialled.Close())
			_, err := accepted.Read(make([]byte, 1))
			require.ErrorIs(t, err, io.EOF)
			_, err = dialled.Read(make([]byte, 1))
			require.ErrorIs(t, err, net.ErrClosed)
			_, err = dialled.Write([]byte("x"))
			require.ErrorIs(t, err, net.ErrClosed)
			require.ErrorIs(t, dialled.Close(), net.ErrClosed)
		})
	}
}

// A slowReader reads few bytes at a time.
type slowReader struct {
	io.Reader
	most int
}

func (r *slowReader) Read(b []byte) (int, error) { return r.Reader.Read(b[:min(len(b), r.most)]) }

func TestPipesGiveWhatWasWrittenBeforeAClose(t *testing.T) {
	for _, byServer := range []bool{false, true} {
		a, o := pipe(t)
		o.PipeMessages = true
		l := servePipe(t, a, o)
		from := openedPipe(t, a, o)
		to := acceptedPipe(t, l)
		if byServer {
			from, to = to, from
		}
		_, err := from.Write([]byte("last words"))
		require.NoError(t, err)
		require.NoError(t, from.Close())
		got, err := io.ReadAll(to)
		require.NoError(t, err, "by the server: %t", byServer)
		assert.Equal(t, "last words", string(got))
	}
}

func TestDeadlinesOfPipes(t *testing.T) {
	a, o := pipe(t)
	l := servePipe(t, a, o)
	dialled := openedPipe(t, a, o)
	accepted := acceptedPipe(t, l)
	for _, c := range []net.Conn{dialled, accepted} {
		require.NoError(t, c.SetReadDeadline(time.Now().Add(10*time.Millisecond)))
		_, err := c.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		var timeout net.Error
		require.ErrorAs(t, err, &timeout)
		assert.True(t, timeout.Timeout())
	}
	for _, c := range []net.Conn{dialled, accepted} {
		require.NoError(t, c.SetWriteDeadline(time.Now().Add(10*time.Millisecond)))
		_, err := c.Write(make([]byte, 4<<20)) // nobody reads
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	}
	// Close ends a read that waits.
	ended := make(chan error)
	require.NoError(t, dialled.SetDeadline(time.Time{}))
	buf := make([]byte, 8<<20)
	go func() {
		for {
			if _, err := dialled.Read(buf); err != nil {
				ended <- err
				return
			}
		}
	}()
	require.NoError(t, dialled.Close())
	require.ErrorIs(t, <-ended, net.ErrClosed)
}

func TestAPipeThatIsNotThere(t *testing.T) {
	a, o := pipe(t)
	_, err := Dial(bounded(t), a, nil, o)
	require.ErrorIs(t, err, syscall.ENOENT)
	var op *net.OpError
	require.ErrorAs(t, err, &op)
	require.Contains(t, err.Error(), a.String())

	o.PipeAwait = true
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond) // of which Dial has to see the beginning
	defer cancel()
	_, err = Dial(ctx, a, nil, o)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, err, syscall.ENOENT)

	// It may come.
	dialled := make(chan error, 1)
	go func() {
		c, err := Dial(bounded(t), a, nil, o)
		if err == nil {
			err = c.Close()
		}
		dialled <- err
	}()
	l := servePipe(t, a, o)
	acceptedPipe(t, l)
	require.NoError(t, <-dialled)
}

func TestAPipeThatIsServed(t *testing.T) {
	for _, instances := range []int{0, 1, 3} {
		a, o := pipe(t)
		o.PipeInstances = instances
		l := servePipe(t, a, o)
		if instances == 1 || !wine() { // which lets everybody make one more
			_, err := Listen(bounded(t), a, nil, o)
			require.ErrorIs(t, err, syscall.EADDRINUSE)
		}
		ended := make(chan error)
		go func() {
			_, err := l.Accept()
			ended <- err
		}()
		require.NoError(t, l.Close())
		require.ErrorIs(t, <-ended, net.ErrClosed)
		require.ErrorIs(t, l.Close(), net.ErrClosed)
		_, err := l.Accept()
		require.ErrorIs(t, err, net.ErrClosed)
		require.NoError(t, servePipe(t, a, o).Close(), "it is free again")
	}
}

// One instance serves one client after another; none is lost that comes meanwhile.
func TestOnePipeInstanceAtATime(t *testing.T) {
	const many = 20
	a, o := pipe(t)
	o.PipeMessages, o.PipeInstances, o.PipeAwait = true, 1, true
	l := servePipe(t, a, o)
	for i := range many {
		go func() {
			c, err := Dial(bounded(t), a, nil, o)
			if assert.NoError(t, err) {
				_, err = fmt.Fprintf(c, "message %d", i)
				assert.NoError(t, err)
				assert.NoError(t, c.Close())
			}
		}()
	}
	seen := make(map[string]bool)
	for range many {
		c := acceptedPipe(t, l)
		second := make(chan net.Conn, 1)
		got, err := io.ReadAll(c)
		require.NoError(t, err)
		require.False(t, seen[string(got)], "%s", got)
		seen[string(got)] = true
		require.Empty(t, second)
		require.NoError(t, c.Close())
	}
	require.Len(t, seen, many)
}

func TestManyPipeInstances(t *testing.T) {
	a, o := pipe(t)
	o.PipeInstances = 3
	l := servePipe(t, a, o)
	var ends []net.Conn
	for range 3 {
		ends = append(ends, openedPipe(t, a, o), acceptedPipe(t, l))
	}
	for i := 0; i < len(ends); i += 2 {
		talk(t, ends[i], ends[i+1])
	}
	// The fourth has to wait until one is closed.
	fourth := make(chan net.Conn, 1)
	go func() {
		c, err := l.Accept()
		assert.NoError(t, err)
		fourth <- c
	}()
	dialled := make(chan net.Conn, 1)
	go func() {
		c, err := Dial(bounded(t), a, nil, o)
		assert.NoError(t, err)
		dialled <- c
	}()
	require.Empty(t, fourth)
	require.NoError(t, ends[1].Close())
	x, y := <-fourth, <-dialled
	closing(t, x)
	talk(t, closing(t, y), x)
}

// Whoever comes first, two that meet have a connection.
func TestMeetAtAPipe(t *testing.T) {
	a, o := pipe(t)
	o.PipeMessages = true
	const rounds = 30
	for i := range rounds {
		type end struct {
			c    net.Conn
			made bool
			err  error
		}
		ends := make(chan end, 2)
		for range 2 {
			go func() {
				c, made, err := Meet(bounded(t), a, o)
				ends <- end{c, made, err}
			}()
		}
		x, y := <-ends, <-ends
		require.NoError(t, x.err)
		require.NoError(t, y.err)
		require.NotEqual(t, x.made, y.made, "round %d", i)
		if !x.made {
			x, y = y, x
		}
		if i == 0 {
			_, err := Listen(bounded(t), a, nil, o)
			require.ErrorIs(t, err, syscall.EADDRINUSE, "it is in use as long as it is open")
		}
		_, err := x.c.Write([]byte("hello"))
		require.NoError(t, err)
		require.NoError(t, x.c.Close())
		got, err := io.ReadAll(y.c)
		require.NoError(t, err)
		require.Equal(t, "hello", string(got))
		require.NoError(t, y.c.Close())
	}
}

// A sender that meets a receiver again and again, each as fast as it can: a second
// connection to a pipe that has its one would be heard by nobody.
func TestMeetAtAPipeLosesNothing(t *testing.T) {
	a, o := pipe(t)
	o.PipeMessages = true
	const many = 100
	ctx := bounded(t)
	go func() {
		for i := range many {
			c, _, err := Meet(ctx, a, o)
			if !assert.NoError(t, err) {
				return
			}
			_, err = fmt.Fprint(c, "message ", i)
			assert.NoError(t, err)
			assert.NoError(t, c.Close())
		}
	}()
	for i := range many {
		c, _, err := Meet(ctx, a, o)
		require.NoError(t, err)
		got, err := io.ReadAll(c)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint("message ", i), string(got))
		require.NoError(t, c.Close())
	}
}

// The original waits for ever.
func TestN14MeetAtAPipeEndsWithItsContext(t *testing.T) {
	a, o := pipe(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, _, err := Meet(ctx, a, o)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, servePipe(t, a, o).Close(), "nothing is left of it")
	_, _, err = Meet(t.Context(), address(t, "127.0.0.1:1"), o)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	_, _, err = Meet(t.Context(), a, Options{PipeInstances: 255})
	var option *OptionError
	require.ErrorAs(t, err, &option)
}
