package session

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
)

// Spans hold what a set of units holds, in as few runs as there can be.
func TestSpansAreASetOfUnits(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var s spans
		set := make(map[uint64]bool)
		for range 40 {
			first := r.Uint64N(60)
			last := first + r.Uint64N(3)
			fresh := true
			for u := first; u <= last; u++ {
				require.Equal(t, set[u], s.has(u))
				fresh = fresh && !set[u]
			}
			if !fresh {
				continue
			}
			s = s.add(first, last)
			for u := first; u <= last; u++ {
				set[u] = true
			}
			for i := range s {
				require.LessOrEqual(t, s[i][0], s[i][1])
				require.True(t, i == 0 || s[i-1][1]+1 < s[i][0], s)
			}
		}
		for u := range uint64(70) {
			require.Equal(t, set[u], s.has(u))
		}
	}
}

// Marks hold the ends of groups until they are passed.
func TestMarksAreTheEndsOfGroups(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		var m marks
		set := make(map[uint64]bool)
		next, passed := uint64(1), uint64(0)
		for range 200 {
			switch {
			case r.IntN(3) > 0:
				next += 1 + r.Uint64N(5)
				m.add(next)
				set[next] = true
				m.add(next) // it is written again
			case next > passed:
				passed += r.Uint64N(next - passed + 1)
				m.passed(passed)
			}
			u := passed + 1 + r.Uint64N(next-passed+2)
			require.Equal(t, set[u], m.has(u), u)
			require.False(t, m.has(passed))
		}
	}
}

// A peer whose units nobody has to acknowledge comes behind one that nobody
// acknowledges, for ever: what is kept of that does not grow.
func TestWhatIsProcessedOutOfOrderIsKeptInRuns(t *testing.T) {
	p := newPair(t, config(0), config(protocol.OnProcessed))
	p.send(1)
	for n := uint64(2); n < 20_000; n++ {
		p.send(1)
		p.b.Taken(n, 1, 10)
		require.True(t, p.b.Processed(n, n, 0, 0, nil))
		require.False(t, p.b.Processed(n, n, 0, 0, nil))
		p.ack()
	}
	require.Len(t, p.b.in.done, 1)
	require.LessOrEqual(t, cap(p.b.in.done), 8)
	require.True(t, p.b.Processed(1, 1, 1, 10, nil))
	require.Empty(t, p.b.in.done)
	require.Zero(t, p.b.Unprocessed())
}
