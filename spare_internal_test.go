package serpy

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
)

func TestSpareSizes(t *testing.T) {
	for n := 1; n < 1<<30; n += 1 + n/7 {
		size := spareSize(n)
		require.GreaterOrEqual(t, size, n)
		require.LessOrEqual(t, size, max(n+n/8, minSpare), "of %d", n)
		require.Equal(t, size, spareSize(size))
	}
	require.Equal(t, 1<<20, spareSize(1<<20))
}

// The last memory that fits serves first, and what was not wanted for longest goes.
func TestSpare(t *testing.T) {
	s := &spare{most: 1 << 20}
	a, b := s.get(100_000), s.get(100_000)
	s.put(a[:100])
	s.put(b)
	c := s.get(90_000)
	require.Equal(t, place(b), place(c), "the last one")
	require.Empty(t, c)
	require.NotEqual(t, place(a), place(s.get(200_000)), "too small")
	require.NotEqual(t, place(a), place(s.get(20_000)), "much too large")
	require.Equal(t, place(a), place(s.get(100_000)))
	require.Zero(t, s.bytes)

	s.put(make([]byte, minSpare-1))
	s.put(make([]byte, s.most+1))
	require.Empty(t, s.free, "too small or too large to be kept")
	kept := make([][]byte, 5)
	for i := range kept {
		kept[i] = make([]byte, 0, s.most/4)
		s.put(kept[i])
	}
	require.Len(t, s.free, 4)
	require.Equal(t, s.most, s.bytes)
	for i := 4; i > 0; i-- {
		require.Equal(t, place(kept[i]), place(s.get(s.most/4)))
	}
}

// What is copied for a large message serves again when all of its fragments are
// confirmed, and not before.
func TestSentMemoryServesAgain(t *testing.T) {
	s := &spare{most: 1 << 20}
	q := newSendQueue(false)
	own := s.copied(make([]byte, 3*protocol.FragmentSize))
	w := wireMessage{payload: own.buf, owned: true, own: own}
	w.meta.Size = len(w.payload)
	w.appendTo(&q)
	for range 3 {
		q.pick(1, 10, 1<<20)
	}
	for unit := range uint64(4) {
		require.Empty(t, s.free)
		q.pinned = true
		q.resolve(unit, 0)
		require.Empty(t, s.free, "a write may be using it")
		q.pinned = false
		q.release()
		q.resolve(unit, 0)
		if unit == 3 {
			require.Len(t, s.free, 1)
			require.Equal(t, place(own.buf), place(s.free[0]))
			return
		}
	}
}

// A received message of several fragments gives its memory back by Release.
func TestReceivedLargeMemoryServesAgain(t *testing.T) {
	s := &spare{most: 1 << 20}
	k := &chunk{buf: s.get(300_000), spare: s}
	k.live.Store(1)
	m := Message{Data: k.buf[:300_000:300_000], chunk: k}
	m.Clone().Release()
	require.Empty(t, s.free)
	m.Release()
	require.Len(t, s.free, 1)
	require.Panics(t, m.Release)
}

// The memory of a message in the making is at most twice what has come, or 256 KiB.
func TestMakingGrowsWithWhatCame(t *testing.T) {
	w := making{meta: protocol.Meta{Size: 100 << 20}}
	for came := 0; came < 4<<20; came += protocol.FragmentSize {
		w.append(make([]byte, protocol.FragmentSize), 0)
		require.LessOrEqual(t, cap(w.data), max(2*len(w.data), 256<<10)*5/4)
	}
	w = making{meta: protocol.Meta{Size: 3 << 20}}
	w.append(make([]byte, protocol.FragmentSize), 2<<20)
	require.GreaterOrEqual(t, cap(w.data), 3<<20, "what waits has come, too")
}
