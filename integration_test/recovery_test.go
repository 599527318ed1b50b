//go:build linux

package integration

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/serpytest"
)

// After the link is back, the first message flows within two round trips and what is
// left of the present backoff. The proxy answers a dial at once, so that of TCP's own
// handshake nothing is in the figure: Hello, its answer, and the message are one and
// a half round trips.
func TestRecoveryTime(t *testing.T) {
	const (
		latency = 20 * time.Millisecond
		trip    = 2 * latency
		trials  = 20
		slack   = 10 * time.Second // for a machine that has other things to do; the quickest must do without
	)
	arrived := make(chan time.Time, 1)
	server, err := serpy.Listen("tcp://127.0.0.1:0", nil)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- server.Serve(ctx, func(ctx context.Context, c *serpy.Connection) error {
			for range c.Messages(ctx) {
				arrived <- time.Now()
			}
			return c.Err()
		})
	}()
	t.Cleanup(func() { stop(); require.NoError(t, <-served) })
	proxy, err := serpytest.NewProxy("tcp", server.Address()[len("tcp://"):], &serpytest.ProxyOptions{Link: serpytest.Link{Latency: latency}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = proxy.Close() })
	c, err := serpy.Dial(t.Context(), proxy.Addr(), &serpy.Options{Reconnect: serpy.Reconnect{Min: 50 * time.Millisecond, Max: 400 * time.Millisecond}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	attempts := make(chan attempt, 1000)
	go attemptsOf(c, attempts)
	r := rand.New(rand.NewPCG(7, 7))
	var whole, beyond []time.Duration
	for range trials {
		proxy.Refuse(true)
		proxy.Cut()
		elapse(t, 100*time.Millisecond+time.Duration(r.Int64N(int64(500*time.Millisecond))))
		require.NoError(t, c.Send(t.Context(), []byte("first")))
		back := time.Now()
		proxy.Refuse(false)
		at := <-arrived
		last, all := lastOf(attempts)
		whole = append(whole, at.Sub(back))
		beyond = append(beyond, at.Sub(last.due))
		if at.Sub(last.due) > 2*trip {
			t.Logf("late: link back %s, message received %s; attempts due at %q", back.Format("05.000"), at.Format("05.000"), all)
		}
	}
	slices.Sort(whole)
	slices.Sort(beyond)
	t.Logf("round trip %v; link back to first message received: median %v, worst %v", trip, whole[trials/2], whole[trials-1])
	t.Logf("attempt that succeeds to first message received: median %v, worst %v", beyond[trials/2], beyond[trials-1])
	require.LessOrEqual(t, beyond[0], 2*trip)
	require.LessOrEqual(t, beyond[trials-1], 2*trip+slack)
	require.LessOrEqual(t, whole[trials-1], 400*time.Millisecond+2*trip+slack, "the backoff is at most 400 ms")
}

// an attempt is one that a Reconnecting announced, and when it is due.
type attempt struct {
	due  time.Time
	text string
}

// attemptsOf says when each attempt to dial is due.
func attemptsOf(c *serpy.Connection, attempts chan<- attempt) {
	for e := range c.Events(context.Background()) {
		if r, ok := e.(serpy.Reconnecting); ok {
			attempts <- attempt{time.Now().Add(r.Delay), r.String()}
		}
	}
}

func lastOf(attempts <-chan attempt) (last attempt, all []string) {
	for {
		select {
		case last = <-attempts:
			all = append(all, last.due.Format("05.000 ")+last.text)
		default:
			return last, all
		}
	}
}
