package serpytest_test

import (
	"context"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/serpytest"
)

func TestListenerDialTakesARoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := serpytest.Listen(serpytest.Link{Latency: 50 * time.Millisecond})
		seen := 0
		l.OnDial(func(n int, dialled, accepted *serpytest.Conn) {
			seen++
			assert.Equal(t, seen, n)
			dialled.Out().CutAfter(int64(n))
			accepted.Out().Corrupt(0, 1)
		})
		for n := 1; n <= 3; n++ {
			var a *serpytest.Conn
			within(t, 100*time.Millisecond, func() {
				var err error
				a, err = l.Dial(t.Context())
				require.NoError(t, err)
			})
			b, err := l.Accept()
			require.NoError(t, err)
			require.Equal(t, l.Addr(), b.LocalAddr())
			write(t, b, "a")
			read(t, a, "`")
			write(t, a, "abcdef")
			got, err := readAll(b)
			require.Equal(t, "abcdef"[:n], got)
			isReset(t, err)
		}
		require.Equal(t, 3, l.Dialled())
		require.Empty(t, l.Conns(), "all were cut")
		require.NoError(t, l.Close())
	})
}

func TestListenerTroubles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := serpytest.Listen(serpytest.Link{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()

		l.Refuse(true)
		_, err := l.DialAddress(ctx, "")
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		l.Refuse(false)

		l.Silence(true)
		within(t, time.Minute, func() {
			_, err = l.Dial(ctx)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			var ne net.Error
			require.ErrorAs(t, err, &ne)
			require.True(t, ne.Timeout())
		})
		l.Silence(false)
		_, err = l.Dial(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded, "a context that is done wins")

		l.SetLink(serpytest.Link{Latency: time.Second})
		a, err := l.Dial(t.Context())
		require.NoError(t, err)
		b, err := l.Accept()
		require.NoError(t, err)
		write(t, a, "x")
		within(t, time.Second, func() { read(t, b, "x") })
		require.Len(t, l.Conns(), 1)
		require.Equal(t, 1, l.CutAll())
		require.Zero(t, l.CutAll())
		_, err = b.Read(make([]byte, 1))
		isReset(t, err)

		unaccepted, err := l.Dial(t.Context())
		require.NoError(t, err)
		ended := make(chan error)
		go func() {
			// Takes what was dialled before, and waits for the next.
			_, err := l.Accept()
			assert.NoError(t, err)
			_, err = l.Accept()
			ended <- err
		}()
		synctest.Wait()
		require.NoError(t, unaccepted.Close())
		require.NoError(t, l.Close())
		require.ErrorIs(t, <-ended, net.ErrClosed)
		require.NoError(t, l.Close())
		_, err = l.Accept()
		require.ErrorIs(t, err, net.ErrClosed)
		_, err = l.Dial(t.Context())
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
	})
}

func TestListenerBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := serpytest.Listen(serpytest.Link{})
		var waiting []*serpytest.Conn
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		within(t, time.Second, func() {
			for {
				c, err := l.Dial(ctx)
				if err != nil {
					require.ErrorIs(t, err, context.DeadlineExceeded)
					return
				}
				waiting = append(waiting, c)
			}
		})
		require.Len(t, waiting, 128)
		require.NoError(t, l.Close())
		for _, c := range waiting {
			require.NoError(t, c.SetReadDeadline(time.Now()))
			_, err := c.Read(make([]byte, 1))
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.NoError(t, c.SetReadDeadline(time.Time{}))
			_, err = c.Read(make([]byte, 1))
			isReset(t, err)
		}
	})
}
