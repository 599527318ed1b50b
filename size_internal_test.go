package serpy

import (
	"math"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// What each connection has fits the sizes of Go's allocator, which takes 8 bytes for
// itself: one field more than that costs 128 bytes a connection.
func TestAConnectionFitsItsSize(t *testing.T) {
	require.LessOrEqual(t, unsafe.Sizeof(Connection{}), uintptr(1152-8))
	require.LessOrEqual(t, unsafe.Sizeof(link{}), uintptr(768-8))
}

// Whoever comes first makes it, and all have the same one.
func TestALateChannelIsOne(t *testing.T) {
	for range 100 {
		var l lateChannel
		got := make(chan chan struct{})
		for range 4 {
			go func() { got <- l.get() }()
		}
		first := <-got
		for range 3 {
			require.Equal(t, first, <-got)
		}
		poke(l.get())
		require.Len(t, first, 1)
	}
}

// Where each message has a link of its own there may be billions.
func TestTheCountOfLinksStays(t *testing.T) {
	s := counters{links: math.MaxInt32 - 1}
	for range 3 {
		s.linked()
	}
	require.EqualValues(t, math.MaxInt32, s.links)
}
