package serpy

import (
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// What was free all the time is given up, but for a little.
func TestStockShrinks(t *testing.T) {
	s := &stock{size: largeSlab, most: 64}
	held := make([][]byte, 10)
	for i := range held {
		held[i], _ = s.get()
	}
	for _, b := range held {
		s.put(b)
	}
	require.True(t, s.shrink(), "all were needed since")
	require.Len(t, s.free, 10)
	for range 3 { // a stream that needs two
		a, _ := s.get()
		b, _ := s.get()
		s.put(a)
		s.put(b)
	}
	require.True(t, s.shrink())
	require.Len(t, s.free, 2)
	require.True(t, s.has(place(held[9])), "the warm ones stay")
	require.False(t, s.shrink())
	require.Len(t, s.free, 1)
	require.False(t, s.shrink())
	require.Len(t, s.free, 1)
}

func TestSpareShrinks(t *testing.T) {
	s := &spare{most: 1 << 20}
	for range 4 {
		s.put(make([]byte, 0, 128<<10))
	}
	require.True(t, s.shrink())
	s.put(s.get(128 << 10))
	require.True(t, s.shrink())
	require.Equal(t, 128<<10, s.bytes)
	require.False(t, s.shrink())
	require.Empty(t, s.free)
	require.Zero(t, s.bytes)
}

// A chunk that is given up is the collector's, which brings it back otherwise.
func TestChunkThatIsGivenUpIsCollected(t *testing.T) {
	s := &stock{size: largeChunk, most: 8}
	var gone atomic.Bool
	for i := range 2 {
		b := make([]byte, largeChunk)
		reclaim(s, b)
		if i == 0 {
			runtime.AddCleanup(&b[0], func(int) { gone.Store(true) }, 0)
		}
		s.put(b)
	}
	s.shrink()
	s.shrink()
	collect(t, gone.Load)
	require.Len(t, s.free, 1)
}

// A process that came to rest soon holds little.
func TestMemoryThatNobodyNeedsIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		watching.Store(false) // a timer of another bubble may never come
		for range 10 {
			slabStock.put(make([]byte, 0, largeSlab))
			messageSpare.put(make([]byte, 0, 1<<20))
		}
		require.Greater(t, Stocked(), int64(14<<20))
		time.Sleep(4 * disuse) //nolint:forbidigo // in a bubble
		require.Less(t, Stocked(), int64(4<<20), "a piece of each size, or 256 KiB")
	})
}
