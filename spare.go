package serpy

import (
	"math/bits"
	"slices"
	"sync"
)

// A spare keeps memory of many sizes for the large messages to come, last in, first out.
// Memory that is taken anew for each would be cleared and faulted in, page by page, and
// cost more than all else that is done with its bytes.
type spare struct {
	mu    sync.Mutex
	most  int // bytes
	bytes int // of all that is free
	low   int // the fewest bytes that were since the last shrink
	free  [][]byte
}

// messageSpare is that of the process, for what is sent and for what is received.
var messageSpare = spare{most: 32 << 20}

// minSpare is the least memory that is worth to be kept so, in bytes.
const minSpare = pinBytes

// spareTries is how much of what is free is looked at for the right size.
const spareTries = 64

// get gives memory for n bytes; up to two fifths more, so that messages of about one
// size take turns.
func (s *spare) get(n int) []byte {
	n = spareSize(n)
	s.mu.Lock()
	for i := len(s.free) - 1; i >= max(0, len(s.free)-spareTries); i-- {
		if b := s.free[i]; cap(b) >= n && cap(b) <= n+n/4 {
			s.free = slices.Delete(s.free, i, i+1)
			s.bytes -= cap(b)
			s.low = min(s.low, s.bytes)
			s.mu.Unlock()
			return b
		}
	}
	s.mu.Unlock()
	return make([]byte, 0, n)
}

// put takes memory back; what was not wanted for longest makes room for it.
func (s *spare) put(b []byte) {
	if cap(b) < minSpare || cap(b) > s.most {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(s.free, b[:0])
	s.bytes += cap(b)
	old := 0
	for ; s.bytes > s.most; old++ {
		s.bytes -= cap(s.free[old])
	}
	s.free = slices.Delete(s.free, 0, old)
	watch()
}

// spareSize rounds a size up, by an eighth of it at most.
func spareSize(n int) int {
	if n < minSpare {
		return minSpare
	}
	step := 1 << max(bits.Len(uint(n-1))-4, 0)
	return (n + step - 1) &^ (step - 1)
}

// copied copies data into memory of its own, which serves again when the groups are gone
// that refer to it.
func (s *spare) copied(data []byte) *slab {
	return &slab{buf: append(s.get(len(data)), data...), spare: s}
}

// letGo gives back what copied gave, once no group refers to it. The slab may be nil.
func (s *slab) letGo() {
	if s != nil {
		s.spare.put(s.buf)
	}
}
