package serpytest_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/serpytest"
)

// within holds f to take exactly d of the bubble's time.
func within(t *testing.T, d time.Duration, f func()) {
	t.Helper()
	start := time.Now()
	f()
	require.Equal(t, d, time.Since(start))
}

// pass lets the bubble's time go on.
func pass(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // all callers are in a bubble.
}

// isReset holds err to what a socket says of a connection that was reset.
func isReset(t *testing.T, err error) {
	t.Helper()
	var ne net.Error
	assert.True(t, errors.Is(err, syscall.ECONNRESET) && errors.As(err, &ne) && !ne.Timeout(), "%v", err)
}

func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := serpytest.Pipe(serpytest.Link{Latency: 30 * time.Millisecond})
		within(t, 0, func() { write(t, a, "one") })
		pass(10 * time.Millisecond)
		write(t, a, "two")
		within(t, 20*time.Millisecond, func() { read(t, b, "one") })
		within(t, 10*time.Millisecond, func() { read(t, b, "two") })

		a.Out().SetLatency(time.Millisecond)
		write(t, b, "slow")
		write(t, a, "fast")
		within(t, time.Millisecond, func() { read(t, b, "fast") })
		within(t, 29*time.Millisecond, func() { read(t, a, "slow") })

		a.Out().SetLatency(time.Second)
		write(t, a, "first")
		a.Out().SetLatency(0)
		write(t, a, "second")
		within(t, time.Second, func() { read(t, b, "firstsecond") }) // Nothing overtakes.

		require.NoError(t, b.CloseWrite())
		within(t, 30*time.Millisecond, func() {
			_, err := a.Read(make([]byte, 1))
			require.Equal(t, io.EOF, err)
		})
	})
}

func TestBandwidth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := serpytest.Pipe(serpytest.Link{Bandwidth: 1000, Latency: time.Second})
		within(t, 0, func() { write(t, a, strings.Repeat("x", 2500)) })
		within(t, 2*time.Second, func() { read(t, b, strings.Repeat("x", 1000)) })
		within(t, 1500*time.Millisecond, func() { read(t, b, strings.Repeat("x", 1500)) })
		pass(time.Hour) // An idle line saves nothing up.
		write(t, a, strings.Repeat("y", 500))
		within(t, 1500*time.Millisecond, func() { read(t, b, strings.Repeat("y", 500)) })

		write(t, a, strings.Repeat("z", 100))
		a.Out().SetBandwidth(0)
		write(t, a, "!")
		within(t, 1100*time.Millisecond, func() { read(t, b, strings.Repeat("z", 100)+"!") })

		// A buffer of 64 KiB holds the writer to the line.
		a, b = serpytest.Pipe(serpytest.Link{Bandwidth: 1e6})
		read := make(chan struct{})
		go func() {
			defer close(read)
			_, _ = io.Copy(io.Discard, b)
		}()
		start := time.Now()
		n, err := a.Write(make([]byte, 3e6))
		require.NoError(t, err)
		require.Equal(t, int(3e6), n)
		line := 3e6 - serpytest.DefaultBuffer // bytes, at one a microsecond
		require.InDelta(t, line, time.Since(start).Microseconds(), 20_000)
		require.NoError(t, a.Close())
		<-read
		require.Equal(t, 3*time.Second, time.Since(start))
	})
}

func TestStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := serpytest.Pipe(serpytest.Link{Buffer: 10})
		write(t, a, "old")
		a.Stall()
		require.NoError(t, b.SetReadDeadline(time.Now().Add(time.Second)))
		within(t, time.Second, func() {
			_, err := b.Read(make([]byte, 10))
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		})
		require.NoError(t, b.SetReadDeadline(time.Time{}))
		write(t, a, "and new") // Takes the room that is left.
		require.NoError(t, a.SetWriteDeadline(time.Now().Add(time.Second)))
		within(t, time.Second, func() {
			_, err := a.Write([]byte("x"))
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		})
		require.NoError(t, a.CloseWrite())
		time.AfterFunc(time.Minute, b.Resume)
		within(t, time.Minute, func() {
			got, err := readAll(b)
			require.NoError(t, err)
			require.Equal(t, "oldand new", got)
		})
	})
}

func TestVanish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := serpytest.Pipe(serpytest.Link{Latency: time.Second})
		write(t, a, "arrived")
		pass(time.Second)
		write(t, a, "under way")
		b.Vanish()
		within(t, 0, func() {
			for range 10 {
				n, err := a.Write(make([]byte, serpytest.DefaultBuffer))
				require.NoError(t, err, "the writer never learns")
				require.Equal(t, serpytest.DefaultBuffer, n)
			}
		})
		require.NoError(t, a.Close())
		read(t, b, "arrived")
		require.NoError(t, b.SetReadDeadline(time.Now().Add(time.Hour)))
		within(t, time.Hour, func() {
			_, err := b.Read(make([]byte, 1))
			require.ErrorIs(t, err, os.ErrDeadlineExceeded, "no end of the stream")
		})
		write(t, b, "to nobody")
		pass(time.Hour)
		write(t, b, "nor a reset")
		b.Cut()
		require.NoError(t, b.SetReadDeadline(time.Time{}))
		_, err := b.Read(make([]byte, 1))
		isReset(t, err)
	})
}

// TestCutAfterEveryByte cuts a talk at each byte, with writes of several
// sizes: all before arrives, nothing after, and both ends learn of it.
func TestCutAfterEveryByte(t *testing.T) {
	const data = "0123456789abcdefghij"
	for size := 1; size <= len(data); size += 3 {
		for at := range len(data) + 1 {
			synctest.Test(t, func(t *testing.T) {
				a, b := serpytest.Pipe(serpytest.Link{Latency: time.Second})
				write(t, b, "other way")
				a.Out().CutAfter(int64(at))
				written := 0
				for written < len(data) {
					n, err := a.Write([]byte(data)[written:min(written+size, len(data))])
					written += n
					if err != nil {
						isReset(t, err)
						require.Zero(t, n)
						break
					}
				}
				got, err := readAll(b)
				require.Equal(t, data[:at], got)
				isReset(t, err)
				_, err = a.Read(make([]byte, 1))
				isReset(t, err)
				for _, c := range []*serpytest.Conn{a, b} {
					_, err = c.Write([]byte("x"))
					isReset(t, err)
				}
				require.Equal(t, int64(at), a.Out().Bytes())
			})
		}
	}
}

func TestCutAfterAtOnce(t *testing.T) {
	a, b := serpytest.Pipe(serpytest.Link{})
	write(t, a, "all of it")
	a.Out().CutAfter(4) // More has passed already.
	got, err := readAll(b)
	require.Equal(t, "all of it", got)
	isReset(t, err)
	_, err = a.Write([]byte("x"))
	isReset(t, err)

	a, b = serpytest.Pipe(serpytest.Link{})
	a.Out().CutAfter(3)
	a.Out().CutAfter(-1)
	write(t, a, "uncut")
	read(t, b, "uncut")
}

func TestCutLosesWhatIsUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := serpytest.Pipe(serpytest.Link{Latency: time.Second})
		waits := make(chan error)
		go func() {
			_, err := a.Read(make([]byte, 1))
			waits <- err
		}()
		write(t, a, "lost")
		pass(2 * time.Second)
		within(t, 0, func() {
			a.Cut()
			isReset(t, <-waits)
			got, err := readAll(b)
			require.Empty(t, got)
			isReset(t, err)
			_, err = b.Write([]byte("x"))
			isReset(t, err)
		})
		require.NoError(t, b.Close())
		_, err := b.Read(make([]byte, 1))
		require.ErrorIs(t, err, net.ErrClosed, "its own Close comes first")
	})
}

func TestCorruptAndOneByte(t *testing.T) {
	a, b := serpytest.Pipe(serpytest.Link{Buffer: 7, OneByte: true})
	a.Out().Corrupt(3, 0x20)
	a.Out().Corrupt(9, 0)
	write(t, a, "abc")
	one := make([]byte, 10)
	n, err := b.Read(one)
	require.NoError(t, err)
	require.Equal(t, "a", string(one[:n]))
	go func() { _, _ = io.WriteString(a, "defghij") }()
	read(t, b, "bcDefghi\x95")
	a.Out().SetOneByte(false)
	write(t, a, "whole")
	n, err = b.Read(one)
	require.NoError(t, err)
	require.Equal(t, "whole", string(one[:n]))
}

// TestCloseWithUnreadResets and the next hold the pipe to TCP at its
// strictest, which programs have to be written for.
func TestCloseWithUnreadResets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := serpytest.Pipe(serpytest.Link{Latency: time.Second})
		write(t, a, "last words")
		write(t, b, "unread")
		pass(time.Second)
		require.NoError(t, a.Close())
		write(t, b, "b cannot know yet")
		within(t, 0, func() { read(t, b, "last") })
		pass(time.Second)
		within(t, 0, func() {
			got, err := readAll(b)
			require.Empty(t, got)
			isReset(t, err)
			_, err = b.Write([]byte("x"))
			isReset(t, err)
		})
	})
}

func TestWriteToClosedResets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := serpytest.Pipe(serpytest.Link{Latency: time.Second})
		write(t, a, "last words")
		require.NoError(t, a.Close())
		pass(time.Second)
		write(t, b, "into the void")
		pass(2*time.Second - 1)
		write(t, b, "a reset is under way")
		read(t, b, "last")
		pass(time.Nanosecond)
		_, err := b.Write([]byte("x"))
		require.ErrorIs(t, err, syscall.EPIPE)
		_, err = b.Read(make([]byte, 1))
		isReset(t, err)
	})
}

// TestFaultOverTCP runs the faults before a real socket.
func TestFaultOverTCP(t *testing.T) {
	open := func(t *testing.T, link serpytest.Link) (*serpytest.Conn, net.Conn) {
		t.Helper()
		a, b := tcpPair(t)
		f := serpytest.Fault(a, link)
		t.Cleanup(func() { require.NoError(t, f.Close()) })
		require.NoError(t, b.SetDeadline(time.Now().Add(time.Minute)))
		require.NoError(t, f.SetDeadline(time.Now().Add(time.Minute)))
		return f, b
	}
	// over says that c's stream has ended, by a reset or a plain end.
	over := func(t *testing.T, c net.Conn) {
		t.Helper()
		_, err := io.Copy(io.Discard, c)
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	}
	t.Run("cut", func(t *testing.T) {
		f, b := open(t, serpytest.Link{})
		write(t, f, "hello")
		read(t, b, "hello")
		f.Cut()
		_, err := b.Read(make([]byte, 1))
		isReset(t, err)
	})
	for at := range 12 {
		t.Run(fmt.Sprint("cut out after ", at), func(t *testing.T) {
			f, b := open(t, serpytest.Link{})
			_, err := io.WriteString(b, "unread words")
			require.NoError(t, err)
			f.Out().CutAfter(int64(at))
			for i := range 12 {
				if _, err := f.Write([]byte{byte('a' + i)}); err != nil {
					isReset(t, err)
				}
			}
			got, _ := readAll(b)
			require.Equal(t, "abcdefghijkl"[:at], got)
			require.NoError(t, b.Close())
			over(t, f)
		})
		t.Run(fmt.Sprint("cut in after ", at), func(t *testing.T) {
			f, b := open(t, serpytest.Link{})
			f.In().CutAfter(int64(at))
			_, _ = io.WriteString(b, "abcdefghijkl") // May see the reset already.
			got, err := readAll(f)
			require.Equal(t, "abcdefghijkl"[:at], got)
			isReset(t, err)
			over(t, b)
		})
	}
	t.Run("stall", func(t *testing.T) {
		f, b := open(t, serpytest.Link{})
		f.Stall()
		write(t, f, "late")
		write(t, b, "late too")
		require.NoError(t, f.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
		_, err := f.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.NoError(t, b.SetReadDeadline(time.Now().Add(time.Millisecond)))
		_, err = b.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		f.Resume()
		require.NoError(t, f.SetReadDeadline(time.Time{}))
		require.NoError(t, b.SetReadDeadline(time.Time{}))
		read(t, f, "late too")
		read(t, b, "late")
	})
	t.Run("vanish", func(t *testing.T) {
		f, b := open(t, serpytest.Link{})
		f.Vanish()
		write(t, f, "to nobody")
		write(t, b, "to nobody")
		require.NoError(t, f.Close())
		require.NoError(t, b.SetReadDeadline(time.Now().Add(30*time.Millisecond)))
		_, err := b.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded, "the peer hears nothing of the Close")
		f.Cut()
		require.NoError(t, b.SetReadDeadline(time.Time{}))
		_, err = b.Read(make([]byte, 1))
		isReset(t, err)
	})
	t.Run("corrupt and one byte", func(t *testing.T) {
		f, b := open(t, serpytest.Link{OneByte: true})
		f.Out().Corrupt(1, 1)
		f.In().Corrupt(2, 1)
		write(t, f, "aaa")
		read(t, b, "a`a")
		write(t, b, "aaa")
		n, err := f.Read(make([]byte, 3))
		require.NoError(t, err)
		require.Equal(t, 1, n)
		read(t, f, "a`")
	})
	t.Run("latency", func(t *testing.T) {
		f, b := open(t, serpytest.Link{Latency: 20 * time.Millisecond})
		start := time.Now()
		write(t, f, "there")
		read(t, b, "there")
		write(t, b, "back")
		read(t, f, "back")
		require.GreaterOrEqual(t, time.Since(start), 40*time.Millisecond)
		write(t, f, "bye")
		require.NoError(t, f.Close(), "delivers what was written")
		got, err := readAll(b)
		require.NoError(t, err)
		require.Equal(t, "bye", got)
	})
	t.Run("the peer resets", func(t *testing.T) {
		f, b := open(t, serpytest.Link{})
		require.NoError(t, b.(*net.TCPConn).SetLinger(0))
		require.NoError(t, b.Close())
		_, err := f.Read(make([]byte, 1))
		isReset(t, err)
	})
}
