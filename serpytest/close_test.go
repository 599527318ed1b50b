package serpytest_test

import (
	"bytes"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/serpytest"
)

// full is as many bytes as fill a direction of a default link.
var full = bytes.Repeat([]byte("x"), serpytest.DefaultBuffer)

// TestResetWakesWaits holds a reset that is under way to wake those who wait
// when it arrives, and not before.
func TestResetWakesWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := serpytest.Pipe(serpytest.Link{Latency: time.Second})
		_, err := b.Write(full)
		require.NoError(t, err)
		pass(time.Second)
		require.NoError(t, a.Close()) // With unread bytes.
		within(t, time.Second, func() {
			_, err := b.Read(make([]byte, 1))
			isReset(t, err)
		})

		// Bytes that are under way behind the reset never arrive.
		a, b = serpytest.Pipe(serpytest.Link{Latency: time.Second, Bandwidth: 1})
		write(t, a, "slow")
		write(t, b, "unread")
		require.NoError(t, a.Close())
		within(t, time.Second, func() {
			_, err := b.Read(make([]byte, 1))
			isReset(t, err)
		})
	})
}

// TestStallHoldsResets does not hold a cut.
func TestStallHoldsResets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := serpytest.Pipe(serpytest.Link{})
		b.In().Stall()
		write(t, b, "unread")
		require.NoError(t, a.Close())
		time.AfterFunc(time.Minute, b.Resume)
		within(t, time.Minute, func() {
			_, err := b.Read(make([]byte, 1))
			isReset(t, err)
		})
		a, b = serpytest.Pipe(serpytest.Link{})
		b.Stall()
		time.AfterFunc(time.Minute, b.Cut)
		within(t, time.Minute, func() {
			_, err := a.Read(make([]byte, 1))
			isReset(t, err)
		})
	})
}

// TestWriterWaitsForReset has the writer wait for room while the connection
// ends.
func TestWriterWaitsForReset(t *testing.T) {
	for name, end := range map[string]func(a, b *serpytest.Conn){
		"cut":        func(a, _ *serpytest.Conn) { a.Cut() },
		"cut after":  func(_, b *serpytest.Conn) { b.Out().CutAfter(0) },
		"peer reset": func(_, b *serpytest.Conn) { _ = b.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := serpytest.Pipe(serpytest.Link{})
				_, err := a.Write(full)
				require.NoError(t, err)
				time.AfterFunc(time.Second, func() { end(a, b) })
				within(t, time.Second, func() {
					_, err := a.Write([]byte("x"))
					isReset(t, err)
				})
			})
		})
	}
}

// TestFaultClose is bounded, whatever the peer does, and waits for nothing
// that it need not wait for.
func TestFaultClose(t *testing.T) {
	open := func(link serpytest.Link) (f, peer *serpytest.Conn) {
		a, b := serpytest.Pipe(serpytest.Link{})
		return serpytest.Fault(a, link), b
	}
	t.Run("the peer reads later", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f, b := open(serpytest.Link{})
			write(t, f, "bye")
			within(t, 0, func() { require.NoError(t, f.Close()) })
			got, err := readAll(b)
			require.NoError(t, err)
			require.Equal(t, "bye", got)
			require.NoError(t, b.Close())
		})
	})
	t.Run("half-closed before", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f, b := open(serpytest.Link{})
			require.NoError(t, f.CloseWrite())
			read, err := readAll(b)
			require.NoError(t, err)
			require.Empty(t, read)
			within(t, 0, func() { require.NoError(t, f.Close()) })
			require.NoError(t, b.Close())
		})
	})
	t.Run("the peer does not read", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f, b := open(serpytest.Link{Latency: time.Second})
			for range 2 {
				_, err := f.Write(full)
				require.NoError(t, err)
				pass(time.Second)
			}
			within(t, 2*time.Second, func() { require.NoError(t, f.Close()) })
			_, err := io.Copy(io.Discard, b)
			isReset(t, err)
			require.NoError(t, b.Close())
		})
	})
	t.Run("stalled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f, b := open(serpytest.Link{})
			write(t, f, "held")
			f.Stall()
			write(t, f, " back")
			require.NoError(t, b.CloseWrite())
			within(t, time.Second, func() { require.NoError(t, f.Close()) })
			require.NoError(t, b.Close())
		})
	})
	t.Run("cut, and the peer does not close", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f, b := open(serpytest.Link{})
			f.Out().CutAfter(2)
			write(t, f, "bye")
			got, err := readAll(b)
			require.NoError(t, err)
			require.Equal(t, "by", got)
			_, err = f.Read(make([]byte, 1))
			isReset(t, err)
			pass(time.Second - 1)
			write(t, b, "nobody reads this")
			pass(time.Nanosecond)
			synctest.Wait()
			_, err = b.Write([]byte("x"))
			isReset(t, err)
			within(t, 0, func() { require.NoError(t, f.Close()) })
			require.NoError(t, b.Close())
		})
	})
}
