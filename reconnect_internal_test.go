package serpy

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The bound of the delays goes on growing while links are made and lost at once, and
// starts over after one that was of use.
func TestDelaysStartOverOnlyAfterAUsefulLink(t *testing.T) {
	o := Reconnect{Min: 2 * time.Millisecond, Max: time.Hour, StableAfter: time.Minute, MaxAttempts: 1 << 30, GiveUpAfter: off}
	longest := func(lived time.Duration, progress bool) (most time.Duration) {
		r := newRedialler(&o)
		for range 50 {
			delay, ok := r.next()
			require.True(t, ok)
			most = max(most, delay)
			r.linked(lived, progress)
		}
		return most
	}
	require.Greater(t, longest(time.Minute-1, false), time.Second)
	require.LessOrEqual(t, longest(time.Minute, false), o.Min)
	require.LessOrEqual(t, longest(0, true), o.Min)
}

func TestARefusalEndsOnlyIfItIsFinal(t *testing.T) {
	c := offline(t, 1)
	c.stats.links = 1
	require.False(t, c.mustEnd(&RefusedError{Reason: "busy"}))
	require.True(t, c.mustEnd(&RefusedError{Reason: "no", Final: true}))
}

// What was written before has its room: it is written again at once.
func TestAReplayNeedsNoCredit(t *testing.T) {
	c := offline(t, 2)
	for range 3 {
		_, err := c.TrySend(Message{Data: []byte("x")})
		require.NoError(t, err)
	}
	require.Equal(t, 2, writeAll(c))
	require.False(t, c.hasWork(new(link)), "the third waits for room")
	c.sess.LinkDown(false)
	meetPeer(t, c, 2)
	require.Equal(t, 2, c.q.rewind(0, c.sess.Next()))
	require.True(t, c.hasWork(new(link)))
}
