package serpy

import (
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// place is where memory begins, as a number that does not keep it alive.
func place(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

// has says whether the stock has the memory that begins there.
func (s *stock) has(at uintptr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.free {
		if place(b) == at {
			return true
		}
	}
	return false
}

// collect runs the collector until a condition holds, or it has had every chance.
func collect(t *testing.T, until func() bool) {
	t.Helper()
	for range 1000 {
		if runtime.GC(); until() {
			return
		}
	}
	require.Fail(t, "the collector does not bring it back")
}

// A message that is kept keeps its chunk. When it is forgotten without a Release, the
// chunk serves again, and not only once.
func TestForgottenChunkServesAgain(t *testing.T) {
	s := &stock{size: largeChunk, most: 1} // nobody else's
	b, isNew := s.get()
	require.True(t, isNew)
	b = b[:largeChunk]
	reclaim(s, b)
	at := place(b)
	kept := b[1000:1016:1016]
	for range 3 {
		runtime.GC()
		require.False(t, s.has(at), "a message is kept")
	}
	runtime.KeepAlive(kept)
	collect(t, func() bool { return s.has(at) })
	b, isNew = s.get()
	require.False(t, isNew)
	require.Equal(t, at, place(b))
	collect(t, func() bool { return s.has(at) })
}
