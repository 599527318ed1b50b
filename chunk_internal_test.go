package serpy

import (
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// place is where memory begins, as a number that does not keep it alive.
func place(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

// inStock says whether the stock has the chunk that begins there.
func inStock(at uintptr) bool {
	chunkStock.mu.Lock()
	defer chunkStock.mu.Unlock()
	for _, b := range chunkStock.free {
		if place(b) == at {
			return true
		}
	}
	return false
}

// comesBack waits until the collector has brought a chunk back to the stock.
func comesBack(t *testing.T, at uintptr) {
	t.Helper()
	for !inStock(at) {
		require.NoError(t, t.Context().Err())
		runtime.GC()
	}
}

// A message that is kept keeps its chunk. When it is forgotten without a Release, the
// chunk serves again, and not only once.
func TestForgottenChunkServesAgain(t *testing.T) {
	chunkStock.mu.Lock()
	chunkStock.free = nil // the next one is new
	chunkStock.mu.Unlock()
	k := newChunk(largeChunk)
	at := place(k.buf)
	kept := k.buf[1000:1016:1016]
	for range 3 {
		runtime.GC()
		require.False(t, inStock(at), "a message is kept")
	}
	runtime.KeepAlive(kept)
	comesBack(t, at)
	k = newChunk(largeChunk) // last in, first out
	require.Equal(t, at, place(k.buf))
	comesBack(t, at)
}
