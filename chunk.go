package serpy

import (
	"runtime"
	"sync/atomic"
)

// Sizes of receive memory, in bytes: it grows as reads fill it.
const (
	smallChunk  = 4 << 10
	mediumChunk = 16 << 10
	middleChunk = 64 << 10
	largeChunk  = 1 << 20
)

// A chunk is receive memory: the reader fills it from front to back, and messages
// are cut from it without a copy. It serves again when the reader has left it and
// everything cut from it was released, or when the collector finds that nobody has
// any of it: a large one is not given to the collector, see reclaim.
type chunk struct {
	buf   []byte
	live  atomic.Int64 // units that were cut and not released, and one for the reader
	spare *spare       // where buf goes back; nil: a stock
}

func newChunk(size int) *chunk {
	k := &chunk{}
	k.fit(size)
	k.live.Store(1)
	return k
}

// fit gives a chunk without memory some.
func (k *chunk) fit(size int) {
	s := stockOf(size)
	if s == nil {
		k.buf = make([]byte, size)
		return
	}
	b, isNew := s.get()
	k.buf = b[:size]
	if isNew && size == largeChunk {
		reclaim(s, k.buf)
	}
}

// stockOf is where chunks of a size are kept; nil: nowhere.
func stockOf(size int) *stock {
	switch size {
	case smallChunk:
		return &smallStock
	case mediumChunk:
		return &mediumStock
	case middleChunk:
		return &middleStock
	case largeChunk:
		return &chunkStock
	}
	return nil
}

// empty gives the memory of a chunk back that nobody but the reader holds.
func (k *chunk) empty() {
	if k.spare != nil {
		k.spare.put(k.buf)
	} else if s := stockOf(cap(k.buf)); s != nil {
		s.put(k.buf)
	}
	k.buf = nil
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
	if live := k.live.Add(-int64(n)); live <= 0 {
		k.released(live)
	}
}

// released is the end of release for the last holder.
func (k *chunk) released(live int64) {
	if live < 0 {
		panic("serpy: Message.Release was called more often than once for a message")
	}
	k.empty()
}

// alone reports whether nobody but the reader holds the chunk.
func (k *chunk) alone() bool { return k.live.Load() == 1 }

// A reader's buffer: bytes from parsed to filled wait to be understood. It holds
// memory while there are some, or messages that were cut from it.
type readBuffer struct {
	chunk          *chunk // its memory is nil while the link is at rest
	parsed, filled int
	room           int    // bytes of the last space
	useful         int    // bytes of units in chunk
	sparse         *chunk // left with few of them: what it holds has to move
	size           int    // of the next chunk
	small          uint8  // how often in a row a chunk was much too large
	cold           bool   // the link was at rest for long: its chunk is left
}

// space makes room for a read and gives it. A chunk is left when less than a
// quarter of it is free, unless what waits is all that is in it.
func (b *readBuffer) space() []byte {
	b.thaw()
	switch {
	case b.chunk == nil:
		b.chunk = newChunk(max(b.size, smallChunk))
	case b.chunk.buf == nil:
		b.chunk.fit(max(b.size, smallChunk))
	}
	if b.parsed == b.filled && b.chunk.alone() {
		b.grow()
		b.parsed, b.filled, b.useful = 0, 0, 0
	}
	if left := len(b.chunk.buf) - b.filled; left < min(len(b.chunk.buf)/4, minRead) {
		b.renew()
	}
	space := b.chunk.buf[b.filled:]
	b.room = len(space)
	return space
}

// rest gives the memory back for as long as the link is silent, if nothing in it is
// needed. What was much too large again and again is smaller the next time.
func (b *readBuffer) rest() {
	if b.chunk == nil || b.chunk.buf == nil || b.parsed < b.filled || !b.chunk.alone() {
		return
	}
	size := len(b.chunk.buf)
	if b.size = size; b.filled > size/16 {
		b.small = 0
	} else if b.small++; b.small >= maxSmall {
		b.size, b.small = lastSize(size), 0
	}
	b.chunk.empty()
	b.parsed, b.filled, b.useful = 0, 0, 0
}

// forget leaves the chunk whose memory rest gave back: a link that waits for long holds
// nothing of it.
func (b *readBuffer) forget() {
	if b.chunk != nil && b.chunk.buf == nil {
		b.chunk = nil
	}
}

// maxSmall is how often in a row a chunk may be much too large.
const maxSmall = 64

// thaw leaves the chunk of a link that was at rest for long, once all that was read is
// understood.
func (b *readBuffer) thaw() {
	if b.cold && b.parsed == b.filled {
		b.leave()
	}
}

// leave begins anew with a small chunk: the application may keep messages of the last
// one for as long as it likes, and would keep all of it.
func (b *readBuffer) leave() {
	b.cold, b.size, b.small = false, smallChunk, 0
	if b.chunk != nil {
		b.part()
		b.chunk, b.parsed, b.filled, b.useful = nil, 0, 0, 0
	}
}

// part lets go of the chunk, whose messages move if they are a small part of it.
func (b *readBuffer) part() {
	if size := len(b.chunk.buf); b.useful < size/4 && !b.chunk.alone() {
		b.sparse = b.chunk
	} else {
		b.chunk.release(1)
	}
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
	b.part()
	b.chunk, b.parsed, b.filled, b.useful = k, 0, waiting, 0
}

// nextSize is larger by steps: the first bytes of somebody who is not known yet do
// not take much.
func nextSize(size int) int {
	switch {
	case size < mediumChunk:
		return mediumChunk
	case size < middleChunk:
		return middleChunk
	}
	return largeChunk
}

// lastSize is smaller by one of these steps.
func lastSize(size int) int {
	switch {
	case size > middleChunk:
		return middleChunk
	case size > mediumChunk:
		return mediumChunk
	}
	return smallChunk
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
