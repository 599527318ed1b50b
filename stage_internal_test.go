package serpy

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// In whatever order messages are dropped, the gaps hold each of them once, and the
// rest is counted.
func TestDroppedMessagesAreInOneGap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var s stage
		n := 8
		for id := range uint64(n) {
			s.push(id+1, wireMessage{payload: make([]byte, 10*(id+1))})
		}
		dropped := make(map[uint64]bool)
		for range r.IntN(n + 1) {
			var alive []int
			for i := range s.list.len() {
				if !s.list.at(i).dropped {
					alive = append(alive, i)
				}
			}
			i := alive[r.IntN(len(alive))]
			dropped[s.list.at(i).id] = true
			s.drop(i)
		}
		total := n
		if r.IntN(2) == 0 {
			total += 2
			for id := uint64(n + 1); id <= uint64(total); id++ {
				dropped[id] = true
				s.pushDropped(id)
			}
		}
		requireStaged(t, &s, dropped, total)
	}
}

// requireStaged holds a stage to what was dropped of it.
func requireStaged(t *testing.T, s *stage, dropped map[uint64]bool, total int) {
	t.Helper()
	messages, bytes, wasGap := 0, 0, false
	next := uint64(1)
	for i := range s.list.len() {
		e := s.list.at(i)
		require.Equal(t, next, e.id)
		last := e.id
		if e.dropped {
			require.False(t, wasGap, "two gaps side by side")
			last = e.last
			require.Equal(t, last-e.id+1, e.gap().Count)
		} else {
			messages++
			bytes += e.wire.size()
		}
		for ; next <= last; next++ {
			require.Equal(t, e.dropped, dropped[next], next)
		}
		wasGap = e.dropped
	}
	require.EqualValues(t, total, next-1, "each is a message or in a gap")
	require.Equal(t, messages, s.messages)
	require.Equal(t, bytes, s.bytes)
}
