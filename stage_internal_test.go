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
	require.EqualValues(t, messages, s.messages)
	require.Equal(t, bytes, s.bytes)
}

func TestThePolicyChoosesWhatIsDropped(t *testing.T) {
	var s stage
	for i, mode := range []Mode{Acked, Plain, Plain, Plain, Acked} {
		w := wireMessage{}
		w.meta.Mode, w.meta.Tag = mode, uint32(i%3)
		s.push(uint64(i+1), w)
	}
	for tag, want := range []int{3, 1, 2, 1} {
		require.Equal(t, want, s.victim(KeepLatest, uint32(tag)), "of its tag, or the oldest")
		require.Equal(t, 1, s.victim(DropOldest, uint32(tag)))
	}
	s.drop(1)
	s.drop(2)
	require.Equal(t, 2, s.victim(DropOldest, 0))
}

// What the link cannot take yet may still be dropped for something newer.
func TestOnlyWhatTheLinkTakesLeavesTheStage(t *testing.T) {
	var c Connection
	c.q = newSendQueue(false)
	c.bounds = Queue{Messages: 10, Bytes: 1 << 20, Policy: KeepLatest}
	for i := range 5 {
		w := wireMessage{payload: []byte{byte(i)}}
		w.meta.Tag = uint32(i)
		_, dropped, ok := c.offer(&w)
		require.True(t, ok)
		require.Zero(t, dropped)
	}
	for left := range 5 {
		c.unstage()
		require.EqualValues(t, 4-left, c.stage.messages)
		c.unstage()
		require.EqualValues(t, 4-left, c.stage.messages, "nothing was written since")
		require.NotNil(t, c.q.pick(1, 1, 100))
	}
}
