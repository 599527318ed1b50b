package serpy_test

import (
	"context"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/serpytest"
)

// Once the link is back, the next attempt comes within the present backoff, and messages
// flow two round trips later: one is the dial's own, one is Hello and its answer. What the
// dialler writes then arrives half a round trip later; what the listener has comes right
// behind its answer. The times are exact in a bubble.
func TestFirstMessageAfterTheLinkIsBack(t *testing.T) {
	bubble(t, "exact", func(t *testing.T) {
		const (
			trip   = 40 * time.Millisecond
			most   = 400 * time.Millisecond // of the backoff
			trials = 200
		)
		l := serpytest.Listen(serpytest.Link{Latency: trip / 2})
		s, err := serpy.NewServer(l, nil)
		require.NoError(t, err)
		t.Cleanup(func() { _ = s.Close() })
		dialled := make(chan time.Time, 1000)
		c, err := serpy.Dial(t.Context(), "tcp://memory:1", &serpy.Options{
			Dial: func(ctx context.Context, address string) (net.Conn, error) {
				dialled <- time.Now()
				return l.DialAddress(ctx, address)
			},
			Reconnect: serpy.Reconnect{Min: 50 * time.Millisecond, Max: most},
		})
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		a := accepted(t, s)
		r := rand.New(rand.NewPCG(7, 7))
		var worst time.Duration
		for range trials {
			l.Refuse(true)
			l.CutAll()
			bubbleSleep(time.Second + time.Duration(r.Int64N(int64(3*time.Second))))
			put(t, a, "to the dialler", serpy.Plain)
			put(t, c, "to the listener", serpy.Plain)
			for len(dialled) > 0 {
				<-dialled
			}
			back := time.Now()
			l.Refuse(false)
			require.Equal(t, "to the dialler", get(t, c).String())
			answered := time.Now()
			require.Equal(t, "to the listener", get(t, a).String())
			arrived := time.Now()
			first := <-dialled
			require.Empty(t, dialled, "the first attempt succeeds")
			require.LessOrEqual(t, first.Sub(back), most+trip, "and an attempt may be under way")
			require.Equal(t, 2*trip, answered.Sub(first))
			require.Equal(t, 2*trip+trip/2, arrived.Sub(first))
			worst = max(worst, answered.Sub(back))
		}
		t.Logf("round trip %v, backoff at most %v: worst of %d from the link back to the first message %v", trip, most, trials, worst)
	})
}
