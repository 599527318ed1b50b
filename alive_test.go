package serpy_test

import (
	"context"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/serpytest"
)

// nextEvent waits for an event of a type.
func nextEvent[E serpy.Event](t *testing.T, c *serpy.Connection) (e E) {
	t.Helper()
	for have := range c.Events(t.Context()) {
		if e, ok := have.(E); ok {
			return e
		}
	}
	require.Fail(t, "no such event")
	return e
}

// A half-open link is noticed within three heartbeats, by both sides, and the
// dialler goes on with another one.
func TestHalfOpen(t *testing.T) {
	for _, heartbeat := range []time.Duration{0, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			l := serpytest.Listen(serpytest.Link{})
			servers := make(chan *serpy.Connection, 1)
			c := serpytest.ServeOn(t, l, func(ctx context.Context, c *serpy.Connection) error {
				servers <- c
				return deaf(ctx, c)
			}, &serpy.Options{Heartbeat: heartbeat})
			server := <-servers
			if heartbeat == 0 {
				heartbeat = 5 * time.Second
			}
			time.Sleep(10*heartbeat + heartbeat/3) //nolint:forbidigo // in a bubble
			synctest.Wait()
			require.Equal(t, 1, c.Stats().Links, "an idle link stays")
			l.Conns()[0].Vanish()
			begin := time.Now()
			for _, c := range []*serpy.Connection{c, server} {
				down := nextEvent[serpy.Disconnected](t, c)
				var link *serpy.LinkError
				require.ErrorAs(t, down.Err, &link)
				require.True(t, link.Timeout())
				require.LessOrEqual(t, down.At.Sub(begin), 3*heartbeat+100*time.Millisecond)
				require.GreaterOrEqual(t, down.At.Sub(begin), 2*heartbeat-100*time.Millisecond)
			}
			require.NoError(t, c.WaitConnected(t.Context()))
			require.NoError(t, c.SendAcked(t.Context(), []byte("here again")))
		})
	}
}

// Without a heartbeat of its own a side still hears those of the other.
func TestHeartbeatOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := serpytest.Serve(t, deaf, &serpy.Options{Heartbeat: -1})
		time.Sleep(100 * time.Hour) //nolint:forbidigo // in a bubble
		require.Equal(t, 1, c.Stats().Links)
		require.NoError(t, c.SendAcked(t.Context(), nil))
	})
}

// While bytes flow, however slowly, nothing is cut: a large message needs a minute,
// and no whole frame comes for longer than the idle timeout.
func TestNotCutWhileBytesFlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := serpytest.Listen(serpytest.Link{Bandwidth: 4000, Buffer: 4000})
		v := newValve()
		close(v.open)
		c := serpytest.ServeOn(t, l, v.serve, &serpy.Options{Heartbeat: time.Second})
		begin := time.Now()
		require.NoError(t, c.Send(t.Context(), make([]byte, 240_000)))
		require.NoError(t, c.Flush(t.Context()))
		require.Greater(t, time.Since(begin), time.Minute)
		require.Equal(t, 1, c.Stats().Links)
	})
}

// An application that does not read stops the messages, and not the link.
func TestStoppedReaderDoesNotCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newValve()
		servers := make(chan *serpy.Connection, 1)
		c, _ := serpytest.Serve(t, func(ctx context.Context, c *serpy.Connection) error {
			servers <- c
			return v.serve(ctx, c)
		}, &serpy.Options{ReceiveQueue: serpy.Queue{Messages: 10}, SendQueue: serpy.Queue{Messages: 10}, Heartbeat: time.Second})
		sent := make(chan error, 1)
		go func() {
			for range 100 {
				if err := c.Send(t.Context(), make([]byte, 1000)); err != nil {
					sent <- err
					return
				}
			}
			sent <- nil
		}()
		server := <-servers
		time.Sleep(time.Hour) //nolint:forbidigo // in a bubble
		require.Equal(t, 1, c.Stats().Links)
		slow := nextEvent[serpy.SlowReader](t, server)
		require.Equal(t, 10, slow.Waiting)
		require.Equal(t, 10, nextEvent[serpy.SlowPeer](t, c).Queue.Messages)
		require.NoError(t, server.SendAcked(t.Context(), []byte("the other way is free")))
		close(v.open)
		require.NoError(t, <-sent)
		require.NoError(t, c.Close())
		require.Len(t, <-v.all, 100)
	})
}

// A peer that takes no bytes at all for WriteStall is given up.
func TestWriteStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := serpytest.Listen(serpytest.Link{})
		c := serpytest.ServeOn(t, l, deaf, &serpy.Options{WriteStall: 4 * time.Second, Heartbeat: time.Second, IdleTimeout: time.Hour})
		l.Conns()[0].Out().Stall()
		begin := time.Now()
		require.NoError(t, c.Send(t.Context(), make([]byte, 1<<20)))
		down := nextEvent[serpy.Disconnected](t, c)
		var link *serpy.LinkError
		require.ErrorAs(t, down.Err, &link)
		require.Equal(t, "write", link.Op)
		require.True(t, link.Timeout())
		require.InDelta(t, 4.5, down.At.Sub(begin).Seconds(), 1)
		require.NoError(t, c.Flush(t.Context()), "over another link")
	})
}

func TestFirstDial(t *testing.T) {
	refusing := func() *serpytest.Listener {
		l := serpytest.Listen(serpytest.Link{})
		l.Refuse(true)
		return l
	}
	t.Run("FailFast", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := refusing()
			begin := time.Now()
			_, err := serpy.Dial(t.Context(), "tcp://x:1", &serpy.Options{Dial: l.DialAddress})
			require.ErrorIs(t, err, syscall.ECONNREFUSED)
			require.Zero(t, time.Since(begin))
		})
	})
	t.Run("RetryUntilDone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := refusing()
			s, err := serpy.NewServer(l, nil)
			require.NoError(t, err)
			defer s.Close()
			o := &serpy.Options{Dial: l.DialAddress, Reconnect: serpy.Reconnect{FirstDial: serpy.RetryUntilDone, Max: time.Second}}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			begin := time.Now()
			_, err = serpy.Dial(ctx, "tcp://x:1", o)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, time.Minute, time.Since(begin))
			time.AfterFunc(time.Hour, func() { l.Refuse(false) })
			c, err := serpy.Dial(t.Context(), "tcp://x:1", o)
			require.NoError(t, err)
			require.GreaterOrEqual(t, time.Since(begin), time.Hour)
			require.LessOrEqual(t, time.Since(begin), time.Hour+2*time.Minute)
			require.NoError(t, c.Close())
		})
	})
	t.Run("InBackground", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := refusing()
			s, err := serpy.NewServer(l, nil)
			require.NoError(t, err)
			defer s.Close()
			c, err := serpy.Dial(t.Context(), "tcp://x:1", &serpy.Options{Dial: l.DialAddress, Reconnect: serpy.Reconnect{FirstDial: serpy.InBackground}})
			require.NoError(t, err)
			require.Equal(t, serpy.Connecting, c.State())
			r, err := c.SendMessage(t.Context(), serpy.Message{Mode: serpy.Acked})
			require.NoError(t, err, "it queues")
			time.AfterFunc(time.Hour, func() { l.Refuse(false) })
			require.NoError(t, r.Wait(t.Context()))
			require.Equal(t, serpy.Up, c.State())
			require.NoError(t, c.Close())

			l.Refuse(true)
			c, err = serpy.Dial(t.Context(), "tcp://x:1", &serpy.Options{Dial: l.DialAddress, Reconnect: serpy.Reconnect{FirstDial: serpy.InBackground}})
			require.NoError(t, err)
			require.NoError(t, c.Send(t.Context(), nil))
			begin := time.Now()
			var unconfirmed *serpy.UnconfirmedError
			require.ErrorAs(t, c.Close(), &unconfirmed, "there never was a link")
			require.Equal(t, 1, unconfirmed.Count)
			require.LessOrEqual(t, time.Since(begin), 4*time.Second)
		})
	})
}

func TestReconnectOptions(t *testing.T) {
	end := func(t *testing.T, o serpy.Reconnect) (took time.Duration, events []serpy.Event, err error) {
		l := serpytest.Listen(serpytest.Link{})
		c := serpytest.ServeOn(t, l, deaf, &serpy.Options{Reconnect: o})
		l.Refuse(true)
		begin := time.Now()
		l.CutAll()
		<-c.Done()
		took = time.Since(begin)
		require.ErrorIs(t, c.Err(), net.ErrClosed)
		for e := range c.Events(t.Context()) {
			events = append(events, e)
		}
		closed, ok := events[len(events)-1].(serpy.Closed)
		require.True(t, ok, "the last event")
		require.Equal(t, c.Err(), closed.Err)
		return took, events, c.Err()
	}
	attempts := func(events []serpy.Event) (n int, longest time.Duration) {
		for _, e := range events {
			if e, ok := e.(serpy.Reconnecting); ok {
				n++
				longest = max(longest, e.Delay)
			}
		}
		return n, longest
	}
	t.Run("Off", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			took, events, err := end(t, serpy.Reconnect{Off: true})
			require.Zero(t, took)
			require.ErrorAs(t, err, new(*serpy.LinkError))
			n, _ := attempts(events)
			require.Zero(t, n)
		})
	})
	t.Run("MaxAttempts", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, events, err := end(t, serpy.Reconnect{MaxAttempts: 5})
			require.ErrorIs(t, err, syscall.ECONNREFUSED)
			n, _ := attempts(events)
			require.Equal(t, 5, n)
		})
	})
	t.Run("GiveUpAfter", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			took, events, _ := end(t, serpy.Reconnect{GiveUpAfter: time.Minute, Max: time.Second})
			require.LessOrEqual(t, took, time.Minute)
			require.Greater(t, took, 58*time.Second)
			_, longest := attempts(events)
			require.LessOrEqual(t, longest, time.Second)
		})
	})
	t.Run("SetReconnect and Reconnect", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := serpytest.Listen(serpytest.Link{})
			c := serpytest.ServeOn(t, l, deaf, &serpy.Options{Reconnect: serpy.Reconnect{Min: time.Hour, Max: time.Hour}})
			id := c.ID()
			require.NoError(t, c.Reconnect(), "drops a live link")
			require.NoError(t, c.Reconnect(), "and skips the wait")
			synctest.Wait()
			begin := time.Now()
			require.NoError(t, c.Reconnect())
			synctest.Wait() // for the old link to go
			require.NoError(t, c.WaitConnected(t.Context()))
			require.Zero(t, time.Since(begin))
			require.Equal(t, id, c.ID(), "it is the same session")
			c.SetReconnect(false)
			l.CutAll()
			<-c.Done()
			require.ErrorIs(t, c.Err(), net.ErrClosed)
			require.ErrorIs(t, c.WaitConnected(t.Context()), net.ErrClosed)
		})
	})
}

// Each reader of events sees all that are kept, and the sums are in the last.
func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := serpytest.Listen(serpytest.Link{})
		c := serpytest.ServeOn(t, l, deaf, nil)
		for range 50 {
			require.NoError(t, c.WaitConnected(t.Context()))
			require.NoError(t, c.SendAcked(t.Context(), nil)) // the backoff begins anew
			l.CutAll()
			synctest.Wait()
		}
		require.NoError(t, c.Close())
		for range 2 {
			var all []serpy.Event
			for e := range c.Events(t.Context()) {
				all = append(all, e)
			}
			require.Len(t, all, 64, "the oldest kept and those after it")
			require.Equal(t, serpy.Closed{}, all[63])
		}
		for e := range c.Events(ended(t)) {
			require.Fail(t, "an event", "%v", e)
		}
		require.Equal(t, 51, c.Stats().Links)
	})
}
