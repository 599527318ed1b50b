package serpy

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// A link that waits holds memory only for what it has and cannot understand yet, and
// for messages that were cut from it.
func TestAReaderAtRestHoldsNothing(t *testing.T) {
	var b readBuffer
	require.Len(t, b.space(), smallChunk)
	b.rest()
	require.Nil(t, b.chunk.buf)

	b.space()
	b.filled = 100
	b.rest()
	require.NotNil(t, b.chunk.buf, "half a frame")
	b.parsed = 100
	b.chunk.hold(1)
	b.rest()
	require.NotNil(t, b.chunk.buf, "a message")
	b.chunk.release(1)
	b.rest()
	require.Nil(t, b.chunk.buf)
	require.Len(t, b.space(), smallChunk)
	b.close()
}

// Reads that fill a chunk make the next one larger, also after a rest; a link that has
// become quiet goes back by steps.
func TestAReaderFindsItsSize(t *testing.T) {
	var b readBuffer
	read := func(n int) int {
		room := len(b.space())
		b.filled += min(n, room)
		b.parsed = b.filled
		b.rest()
		return room
	}
	for _, want := range []int{smallChunk, mediumChunk, middleChunk, largeChunk, largeChunk} {
		b.space()
		require.Len(t, b.chunk.buf, want)
		b.filled = len(b.chunk.buf)
		b.parsed = b.filled
	}
	read(largeChunk)
	require.Equal(t, largeChunk, read(1), "once is not always")
	for _, want := range []int{largeChunk, middleChunk, mediumChunk, smallChunk, smallChunk} {
		for range maxSmall {
			require.GreaterOrEqual(t, want, read(1))
		}
	}
	require.Equal(t, smallChunk, read(1))
}

// After a long rest the chunk is left, with the messages that the application keeps,
// and those few that wait in it move.
func TestAReaderLeavesItsChunk(t *testing.T) {
	var b readBuffer
	b.size = largeChunk
	b.space()
	old := b.chunk
	old.hold(1)
	b.useful, b.filled, b.parsed = 10, 20, 20
	b.cold = true
	require.Len(t, b.space(), smallChunk)
	require.NotSame(t, old, b.chunk)
	require.Same(t, old, b.sparse)
	old.release(1)
	require.True(t, old.alone(), "it waits for its messages to be moved")
	old.release(1)
	require.Nil(t, old.buf)

	b.sparse = nil
	b.filled, b.cold = 5, true
	copy(b.chunk.buf, "rest,")
	b.space()
	require.True(t, bytes.HasPrefix(b.waiting(), []byte("rest,")), "half a frame stays")
	b.parsed = b.filled
	b.space()
	require.False(t, b.cold)
	b.close()
}
