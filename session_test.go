package serpy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
)

// A loss is a dialled connection whose server dies: of its messages 1 and 2 are
// confirmed, 3 to 5 written and not, 6 and 7 never written.
type loss struct {
	h        *host
	c        *serpy.Connection
	a        *serpy.Connection // at the server that comes after
	receipts map[int]serpy.Receipt
}

// lose makes a loss. The first server's application takes up to and with message
// taken, and, under OnProcessed, acknowledges 1 and 2.
func lose(t *testing.T, taken int, listening, dialling *serpy.Options) *loss {
	t.Helper()
	l := &loss{receipts: make(map[int]serpy.Receipt)}
	var a *serpy.Connection
	l.h, a, l.c = meet(t, listening, dialling)
	send := func(first, last int) {
		for i := first; i <= last; i++ {
			l.receipts[i] = put(t, l.c, fmt.Sprint("message ", i), serpy.Acked)
		}
	}
	send(1, 2)
	for range 2 {
		get(t, a).Ack()
	}
	require.NoError(t, l.receipts[2].Wait(within(t, time.Second)))
	link := l.h.net().Conns()[0]
	bubbleSleep(time.Second) // what the application took has been said
	link.In().Stall()
	send(3, 5)
	for range taken - 2 {
		get(t, a)
	}
	bubbleSleep(time.Second)
	require.Equal(t, uint64(5), a.Stats().Received)
	l.h.net().Refuse(true)
	link.Cut() // with the acks of 3 to 5 under way
	require.NoError(t, waitDown(t, l.c))
	send(6, 7)
	s := l.h.restart(t, listening)
	l.a = accepted(t, s)
	return l
}

// waitDown waits until the connection knows that it has no link.
func waitDown(t *testing.T, c *serpy.Connection) error {
	t.Helper()
	for range 1000 {
		if c.State() != serpy.Up {
			return nil
		}
		bubbleSleep(time.Millisecond) // in a bubble
	}
	return errors.New("the link is still up")
}

func TestSessionLostReport(t *testing.T) {
	bubble(t, "plain and acked", func(t *testing.T) {
		l := lose(t, 2, nil, nil)
		for i := 6; i <= 7; i++ {
			m := get(t, l.a)
			require.Equal(t, fmt.Sprint("message ", i), m.String())
			require.Equal(t, uint64(i), m.ID, "counts go on")
			require.False(t, m.Redelivered)
			if i == 6 {
				require.Equal(t, &serpy.Gap{First: 3, Last: 5, Count: 3, Reason: serpy.LostWithSession}, m.Gap)
			} else {
				require.Nil(t, m.Gap)
			}
			require.NoError(t, l.receipts[i].Wait(within(t, time.Second)))
		}
		for i := 1; i <= 5; i++ {
			resolved, err := l.receipts[i].Poll()
			require.True(t, resolved, i)
			if i <= 2 {
				require.NoError(t, err)
				continue
			}
			require.ErrorIs(t, err, serpy.ErrUnconfirmed, i)
			var lost *serpy.SessionLostError
			require.ErrorAs(t, err, &lost, i)
		}
		e := event[serpy.SessionLost](t, l.c)
		require.Equal(t, 3, e.Unconfirmed)
		require.Equal(t, 3, e.Undelivered)
		require.Equal(t, uint64(3), e.Total)
		gap := event[serpy.MessageGap](t, l.a)
		require.Equal(t, uint64(3), gap.Total)
		require.NoError(t, l.c.Err(), "a dialled connection outlives its sessions")
	})
}

func TestSessionLostResend(t *testing.T) {
	for name, taken := range map[string]int{"not taken": 2, "taken": 4} {
		bubble(t, name, func(t *testing.T) {
			l := lose(t, taken, nil, &serpy.Options{OnSessionLost: serpy.Resend})
			resent(t, l)
			e := event[serpy.SessionLost](t, l.c)
			require.Equal(t, 3, e.Unconfirmed)
			require.Equal(t, uint64(3), l.c.Stats().Redelivered)
		})
	}
}

// Under OnProcessed what was not processed is sent again, whatever the policy.
func TestSessionLostProcessed(t *testing.T) {
	bubble(t, "report", func(t *testing.T) {
		l := lose(t, 4, &serpy.Options{AckWhen: serpy.OnProcessed}, nil)
		resent(t, l)
	})
}

// resent holds a loss to its messages 3 to 5 coming again, marked.
func resent(t *testing.T, l *loss) {
	t.Helper()
	for i := 3; i <= 7; i++ {
		m := get(t, l.a)
		require.Equal(t, fmt.Sprint("message ", i), m.String())
		require.Equal(t, uint64(i), m.ID)
		require.Equal(t, i <= 5, m.Redelivered, i)
		require.Nil(t, m.Gap)
		m.Ack()
	}
	for i, r := range l.receipts {
		require.NoError(t, r.Wait(within(t, time.Second)), i)
	}
}

// From the listener to the dialler there is no next session: what was written is
// reported, and the dialler's stream says that something may be missing.
func TestSessionLostToTheDialler(t *testing.T) {
	bubble(t, "timeout", func(t *testing.T) {
		h, a, c := meet(t, &serpy.Options{SessionTimeout: time.Minute}, nil)
		put(t, a, "in the old session", serpy.Plain)
		bubbleSleep(time.Second)
		h.net().Conns()[0].Vanish()
		lost := put(t, a, "lost", serpy.Acked)
		put(t, a, "lost", serpy.Plain)
		bubbleSleep(time.Second)
		h.net().Refuse(true)
		h.net().CutAll()
		bubbleSleep(2 * time.Minute)
		require.ErrorIs(t, lost.Wait(within(t, time.Second)), serpy.ErrUnconfirmed)
		require.Equal(t, 2, event[serpy.SessionLost](t, a).Unconfirmed)
		var end *serpy.SessionLostError
		require.ErrorAs(t, a.Err(), &end)
		require.Equal(t, 2, end.Unconfirmed)
		require.ErrorIs(t, a.Err(), net.ErrClosed)
		require.ErrorIs(t, a.Send(t.Context(), nil), net.ErrClosed)
		require.Zero(t, h.s.Len())

		h.net().Refuse(false)
		next := accepted(t, h.s)
		require.NotSame(t, a, next)
		put(t, next, "in the new session", serpy.Plain)
		m := get(t, c)
		require.Equal(t, "in the old session", m.String())
		require.Nil(t, m.Gap)
		m = get(t, c)
		require.Equal(t, "in the new session", m.String())
		require.Equal(t, &serpy.Gap{Reason: serpy.LostWithSession}, m.Gap)
		require.Equal(t, 0, event[serpy.SessionLost](t, c).Unconfirmed, "it had sent nothing")
		put(t, c, "goes on", serpy.Plain)
		require.Equal(t, "goes on", get(t, next).String())
	})
}

// A session that comes back in time is the same, to the last moment.
func TestSessionTimeoutIsKept(t *testing.T) {
	bubble(t, "just in time", func(t *testing.T) {
		h, a, c := meet(t, &serpy.Options{SessionTimeout: time.Minute}, nil)
		h.net().Refuse(true)
		h.net().CutAll()
		put(t, a, "to the dialler", serpy.Plain)
		put(t, c, "to the listener", serpy.Plain)
		bubbleSleep(59*time.Second + 900*time.Millisecond)
		require.Equal(t, 1, h.s.Stats().Parked)
		h.net().Refuse(false)
		require.Equal(t, "to the listener", get(t, a).String())
		require.Equal(t, "to the dialler", get(t, c).String())
		require.Equal(t, uint64(1), h.s.Stats().Accepted)
	})
}

func TestParkedSessionsAreEvicted(t *testing.T) {
	bubble(t, "the one with nothing pending", func(t *testing.T) {
		h := &host{}
		s := h.start(t, &serpy.Options{MaxParked: 2})
		var there, here []*serpy.Connection
		for range 3 {
			here = append(here, h.dial(t, nil))
			there = append(there, accepted(t, s))
		}
		put(t, here[0], "undelivered", serpy.Plain)
		require.NoError(t, here[0].Flush(within(t, time.Second)))
		h.net().Conns()[2].Vanish()
		put(t, there[2], "unconfirmed", serpy.Plain)
		bubbleSleep(time.Second)
		h.net().Refuse(true)
		h.net().CutAll()
		bubbleSleep(time.Second)
		require.Equal(t, 2, s.Len())
		var end *serpy.SessionLostError
		require.ErrorAs(t, there[1].Err(), &end)
		require.NoError(t, there[0].Err())
		require.NoError(t, there[2].Err())
		event[serpy.SessionLost](t, there[1])

		h.net().Refuse(false)
		next := accepted(t, s)
		put(t, here[1], "anew", serpy.Plain)
		require.Equal(t, "anew", get(t, next).String())
		event[serpy.SessionLost](t, here[1])
		require.Equal(t, "undelivered", get(t, there[0]).String())
		require.Equal(t, "unconfirmed", get(t, here[2]).String())
	})
}

// A receipt that is older than the memory of refusals says that nobody knows, and
// never that it was confirmed.
func TestRefusalsAreRemembered(t *testing.T) {
	if raceEnabled {
		t.Log("with the race detector it counts, but takes no less")
	}
	bubble(t, "64 Ki and more", func(t *testing.T) {
		const kept, more = 64 << 10, 100
		_, a, c := meet(t, &serpy.Options{AckWhen: serpy.OnProcessed}, nil)
		go func() {
			for m := range a.Messages(t.Context()) {
				m.Nack("no")
			}
		}()
		receipts := make([]serpy.Receipt, 0, kept+more)
		for range kept + more {
			r, err := c.SendMessage(t.Context(), serpy.Message{Data: []byte("x"), Mode: serpy.Acked})
			require.NoError(t, err)
			receipts = append(receipts, r)
		}
		require.NoError(t, c.Flush(within(t, time.Minute)))
		for i, r := range receipts {
			resolved, err := r.Poll()
			require.True(t, resolved)
			if i < more {
				require.ErrorIs(t, err, serpy.ErrUnconfirmed)
				continue
			}
			var nack *serpy.NackError
			require.ErrorAs(t, err, &nack, i)
		}
		require.NoError(t, c.Close())
	})
}

// A graceful restart: what was queued gets through, and the dialler comes again.
func TestShutdownSaysGoingAway(t *testing.T) {
	bubble(t, "with handlers", func(t *testing.T) {
		h := &host{}
		s := h.start(t, nil)
		got := make(chan string, 10)
		served := make(chan error, 1)
		handled := make(chan error, 1)
		go func() {
			served <- s.Serve(t.Context(), func(ctx context.Context, c *serpy.Connection) error {
				err := c.Handle(ctx, func(_ context.Context, m serpy.Message) error {
					got <- m.String()
					return nil
				})
				handled <- err
				return c.Send(ctx, []byte("the last word"))
			})
		}()
		c := h.dial(t, nil)
		for i := range 3 {
			put(t, c, fmt.Sprint(i), serpy.Plain)
		}
		bubbleSleep(time.Second)
		require.NoError(t, s.Shutdown(within(t, time.Minute)))
		require.NoError(t, <-served)
		require.ErrorIs(t, <-handled, serpy.ErrServerClosed)
		for i := range 3 {
			require.Equal(t, fmt.Sprint(i), <-got)
		}
		put(t, c, "to the next", serpy.Plain)
		require.Equal(t, "the last word", get(t, c).String())
		next := accepted(t, h.start(t, nil))
		m := get(t, next)
		require.Equal(t, "to the next", m.String())
		require.Equal(t, uint64(4), m.ID)
		require.Nil(t, m.Gap, "nothing was lost")
		require.Equal(t, 0, event[serpy.SessionLost](t, c).Unconfirmed)
		put(t, next, "hello", serpy.Plain)
		require.Equal(t, "hello", get(t, c).String())
		require.NoError(t, c.Err())
	})
	bubble(t, "the grace ends", func(t *testing.T) {
		h := &host{}
		s := h.start(t, nil)
		served := make(chan error, 1)
		go func() {
			served <- s.Serve(t.Context(), func(ctx context.Context, _ *serpy.Connection) error {
				<-ctx.Done()
				return ctx.Err()
			})
		}()
		h.dial(t, nil)
		bubbleSleep(time.Second) // the handler runs
		began := time.Now()
		require.ErrorIs(t, s.Shutdown(within(t, 7*time.Second)), context.DeadlineExceeded)
		require.NoError(t, <-served)
		require.InDelta(t, 7, time.Since(began).Seconds(), 1)
	})
	bubble(t, "a session that has no link may still resume", func(t *testing.T) {
		h, a, c := meet(t, nil, nil)
		h.net().Refuse(true)
		h.net().CutAll()
		put(t, c, "on its way", serpy.Acked)
		require.NoError(t, h.s.StopAccepting())
		h.net().Refuse(false)
		require.Equal(t, "on its way", get(t, a).String())
		_, err := serpy.Dial(t.Context(), "tcp://host:1", &serpy.Options{Dial: h.net().DialAddress})
		var refused *serpy.RefusedError
		require.ErrorAs(t, err, &refused)
		require.False(t, refused.Final)
	})
}

// Of a session that was closed while the link was down the dialler learns by its tombstone.
func TestATombstoneAnswers(t *testing.T) {
	bubble(t, "received and not acked", func(t *testing.T) {
		h, a, c := meet(t, nil, nil)
		link := h.net().Conns()[0]
		link.In().Stall()
		received := put(t, c, "received", serpy.Acked)
		bubbleSleep(time.Second)
		link.Out().Stall()
		never := put(t, c, "never", serpy.Acked)
		bubbleSleep(time.Second)
		h.net().Refuse(true)
		link.Cut()
		bubbleSleep(time.Second)
		require.Equal(t, serpy.Down, a.State())
		began := time.Now()
		require.NoError(t, a.Close())
		require.Zero(t, time.Since(began), "it never waits for a reconnection")
		require.Equal(t, "received", get(t, a).String())
		_, err := a.Receive(t.Context())
		require.ErrorIs(t, err, serpy.ErrClosed)

		h.net().Refuse(false)
		require.NoError(t, received.Wait(within(t, time.Minute)))
		require.ErrorIs(t, never.Wait(within(t, time.Minute)), serpy.ErrUnconfirmed)
		_, err = c.Receive(within(t, time.Minute))
		require.ErrorIs(t, err, io.EOF)
		require.NoError(t, c.Err())
		<-c.Done()
	})
	bubble(t, "too late", func(t *testing.T) {
		h, a, c := meet(t, &serpy.Options{SessionTimeout: time.Minute}, nil)
		h.net().Refuse(true)
		h.net().CutAll()
		bubbleSleep(time.Second)
		require.NoError(t, a.Close())
		bubbleSleep(2 * time.Minute)
		h.net().Refuse(false)
		event[serpy.SessionLost](t, c)
		put(t, c, "anew", serpy.Plain)
		require.Equal(t, "anew", get(t, accepted(t, h.s)).String())
	})
}

func TestCloseWithTheLinkDown(t *testing.T) {
	bubble(t, "the server can be reached", func(t *testing.T) {
		h, a, c := meet(t, nil, &serpy.Options{Reconnect: serpy.Reconnect{Min: time.Hour, Max: time.Hour}})
		h.net().CutAll()
		require.NoError(t, waitDown(t, c))
		put(t, c, "last", serpy.Plain)
		require.NoError(t, c.Close())
		require.Equal(t, "last", get(t, a).String())
		_, err := a.Receive(within(t, time.Second))
		require.ErrorIs(t, err, io.EOF)
		<-a.Done()
		require.Zero(t, h.s.Len())
	})
	bubble(t, "the server cannot", func(t *testing.T) {
		h, _, c := meet(t, nil, nil)
		h.net().Refuse(true)
		h.net().CutAll()
		require.NoError(t, waitDown(t, c))
		r := put(t, c, "last", serpy.Acked)
		put(t, c, "and least", serpy.Plain)
		began := time.Now()
		err := c.Close()
		var un *serpy.UnconfirmedError
		require.ErrorAs(t, err, &un)
		require.Equal(t, 2, un.Count)
		require.Less(t, time.Since(began), 4*time.Second)
		require.ErrorIs(t, r.Wait(t.Context()), serpy.ErrUnconfirmed)
		require.NoError(t, c.Err())
	})
	bubble(t, "the server is silent", func(t *testing.T) {
		h, _, c := meet(t, nil, nil)
		h.net().Silence(true)
		h.net().CutAll()
		require.NoError(t, waitDown(t, c))
		began := time.Now()
		require.NoError(t, c.Close(), "nothing is unconfirmed")
		require.Less(t, time.Since(began), 4*time.Second)
	})
}

// Close is bounded, whatever the peer does.
func TestCloseTimeoutBounds(t *testing.T) {
	for name, trouble := range map[string]func(h *host){
		"the peer does not read": func(*host) {},
		"the link is silent":     func(h *host) { h.net().Conns()[0].Vanish() },
		"the link is stalled":    func(h *host) { h.net().Conns()[0].Stall() },
	} {
		bubble(t, name, func(t *testing.T) {
			h, _, c := meet(t, &serpy.Options{ReceiveQueue: serpy.Queue{Messages: 4}}, &serpy.Options{CloseTimeout: 2 * time.Second})
			trouble(h)
			var receipts []serpy.Receipt
			for i := range 20 {
				receipts = append(receipts, put(t, c, fmt.Sprint(i), serpy.Acked))
			}
			bubbleSleep(time.Second)
			began := time.Now()
			err := c.Close()
			require.Less(t, time.Since(began), 3*time.Second)
			var un *serpy.UnconfirmedError
			require.ErrorAs(t, err, &un)
			confirmed := 0
			for _, r := range receipts {
				resolved, err := r.Poll()
				require.True(t, resolved)
				if err == nil {
					confirmed++
					continue
				}
				require.ErrorIs(t, err, serpy.ErrUnconfirmed)
			}
			require.Equal(t, 20-confirmed, un.Count)
			if name == "the peer does not read" {
				require.Equal(t, 4, confirmed)
			} else {
				require.Zero(t, confirmed)
			}
			again := c.Close()
			require.ErrorAs(t, again, &un, "the same again")
			require.Equal(t, 20-confirmed, un.Count)
		})
	}
}

// A context that is done wins over all that is at hand.
func TestContextsBoundTheCall(t *testing.T) {
	bubble(t, "at entry", func(t *testing.T) {
		_, a, c := meet(t, nil, nil)
		put(t, a, "at hand", serpy.Plain)
		bubbleSleep(time.Second)
		done, cancel := context.WithCancel(t.Context())
		cancel()
		for name, call := range map[string]func() error{
			"Send":          func() error { return c.Send(done, nil) },
			"Send large":    func() error { return c.Send(done, make([]byte, 100_000)) },
			"SendAcked":     func() error { return c.SendAcked(done, nil) },
			"SendMessage":   func() error { _, err := c.SendMessage(done, serpy.Message{}); return err },
			"SendBatch":     func() error { _, err := c.SendBatch(done, make([]serpy.Message, 3)); return err },
			"Request":       func() error { _, err := c.Request(done, serpy.Message{}); return err },
			"Receive":       func() error { _, err := c.Receive(done); return err },
			"ReceiveBatch":  func() error { _, err := c.ReceiveBatch(done, make([]serpy.Message, 3)); return err },
			"Flush":         func() error { return c.Flush(done) },
			"WaitConnected": func() error { return c.WaitConnected(done) },
			"Handle": func() error {
				return c.Handle(done, func(context.Context, serpy.Message) error { return nil })
			},
			"Dial": func() error { _, err := serpy.Dial(done, "tcp://host:1", nil); return err },
		} {
			err := call()
			require.ErrorIs(t, err, context.Canceled, name)
			if name != "Flush" {
				require.NotErrorIs(t, err, serpy.ErrUnconfirmed, name)
			}
		}
		for range c.Messages(done) {
			require.Fail(t, "Messages gave one")
		}
		require.Zero(t, c.Stats().Sent, "none was accepted")
		require.Equal(t, "at hand", get(t, c).String())
	})
	bubble(t, "while it waits for room", func(t *testing.T) {
		h, a, c := meet(t, nil, &serpy.Options{SendQueue: serpy.Queue{Messages: 2}})
		h.net().Refuse(true)
		h.net().CutAll()
		require.NoError(t, waitDown(t, c))
		put(t, c, "1", serpy.Plain)
		put(t, c, "2", serpy.Plain)
		err := c.Send(within(t, time.Second), []byte("never"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		err = c.SendAcked(within(t, time.Second), []byte("never"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, serpy.ErrUnconfirmed)
		require.Equal(t, uint64(2), c.Stats().Sent)
		third := make(chan error, 1)
		go func() { third <- c.Send(within(t, time.Minute), []byte("3")) }()
		bubbleSleep(time.Second)
		h.net().Refuse(false)
		for i := 1; i <= 3; i++ {
			m := get(t, a)
			require.Equal(t, fmt.Sprint(i), m.String())
			require.Equal(t, uint64(i), m.ID)
		}
		require.NoError(t, <-third)
	})
	bubble(t, "after it was accepted", func(t *testing.T) {
		h, a, c := meet(t, nil, nil)
		h.net().Refuse(true)
		h.net().CutAll()
		require.NoError(t, waitDown(t, c))
		err := c.SendAcked(within(t, time.Second), []byte("accepted"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, serpy.ErrUnconfirmed)
		h.net().Refuse(false)
		require.Equal(t, "accepted", get(t, a).String(), "it stays queued")
		r := put(t, c, "x", serpy.Acked)
		waited := r.Wait(within(t, time.Nanosecond))
		if waited != nil {
			assert.ErrorIs(t, waited, context.DeadlineExceeded)
		}
		require.NoError(t, r.Wait(within(t, time.Second)), "it resolves all the same")
	})
}
