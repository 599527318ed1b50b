package serpy

import (
	"runtime"
	"sync/atomic"
)

// Sizes of receive memory, in bytes: it grows as reads fill it.
const (
	smallChunk  = 4 << 10
	middleChunk = 64 << 10
	largeChunk  = 1 << 20
)

// A chunk is receive memory: the reader fills it from front to back, and messages
// are cut from it without a copy. It serves again when the reader has left it and
// everything cut from it was released, or when the collector finds that nobody has
// any of it: a large one is not given to the collector, see reclaim.
type chunk struct {
	buf  []byte
	live atomic.Int64 // units that were cut and not released, and one for the reader
}

func newChunk(size int) *chunk {
	k := &chunk{}
	if size == largeChunk {
		b, isNew := chunkStock.get()
		k.buf = b[:largeChunk]
		if isNew {
			reclaim(&chunkStock, k.buf)
		}
	} else {
		k.buf = make([]byte, size)
	}
	k.live.Store(1)
	return k
}

// reclaim has the collector bring a chunk's memory back to its stock once nothing
// refers to it. Applications that never call Release go round in the same few mebibytes
// so: without it each chunk would be new memory, to be cleared and faulted in (measured
// over loopback, median of 8: 128 B 13 % and 64 KiB 18 % faster, 1 KiB 9 %).
func reclaim(s *stock, b []byte) {
	runtime.SetFinalizer((*[largeChunk]byte)(b), func(a *[largeChunk]byte) {
		if s.put(a[:]) {
			reclaim(s, a[:])
		}
	})
}

// hold counts n units that were cut.
func (k *chunk) hold(n int) { k.live.Add(int64(n)) }

// release counts n holders out.
func (k *chunk) release(n int) {
	switch live := k.live.Add(-int64(n)); {
	case live == 0:
		chunkStock.put(k.buf)
	case live < 0:
		panic("serpy: Message.Release was called more often than once for a message")
	}
}

// alone reports whether nobody but the reader holds the chunk.
func (k *chunk) alone() bool { return k.live.Load() == 1 }

// A reader's buffer: bytes from parsed to filled wait to be understood.
type readBuffer struct {
	chunk          *chunk
	parsed, filled int
	useful         int    // bytes of units in chunk
	sparse         *chunk // left with few of them: what it holds has to move
}

// space makes room for a read and gives it. A chunk is left when less than a
// quarter of it is free, unless what waits is all that is in it.
func (b *readBuffer) space() []byte {
	if b.chunk == nil {
		b.chunk = newChunk(smallChunk)
	}
	if b.parsed == b.filled && b.chunk.alone() {
		b.grow()
		b.parsed, b.filled, b.useful = 0, 0, 0
	}
	if left := len(b.chunk.buf) - b.filled; left < min(len(b.chunk.buf)/4, minRead) {
		b.renew()
	}
	return b.chunk.buf[b.filled:]
}

// minRead is the least room for which a read is worth its system call.
const minRead = 32 << 10

// grow takes a larger chunk where the last one was filled and nobody holds it.
func (b *readBuffer) grow() {
	if size := len(b.chunk.buf); b.filled == size && size < largeChunk {
		b.chunk.release(1)
		b.chunk = newChunk(nextSize(size))
	}
}

// renew goes on in another chunk, with what waits moved to its front.
func (b *readBuffer) renew() {
	size := len(b.chunk.buf)
	waiting := b.filled - b.parsed
	if b.filled == size || waiting > size/2 { // the reads fill it: a stream
		size = nextSize(size)
	}
	k := newChunk(size)
	copy(k.buf, b.chunk.buf[b.parsed:b.filled])
	if b.useful < size/4 && !b.chunk.alone() {
		b.sparse = b.chunk
	} else {
		b.chunk.release(1)
	}
	b.chunk, b.parsed, b.filled, b.useful = k, 0, waiting, 0
}

// nextSize is larger by steps: the first bytes of somebody who is not known yet do
// not take much.
func nextSize(size int) int {
	switch {
	case size < middleChunk/4:
		return middleChunk / 4
	case size < middleChunk:
		return middleChunk
	}
	return largeChunk
}

// waiting is what has been read and not understood.
func (b *readBuffer) waiting() []byte { return b.chunk.buf[b.parsed:b.filled] }

// close gives the memory back.
func (b *readBuffer) close() {
	if b.chunk != nil {
		b.chunk.release(1)
		b.chunk = nil
	}
}
