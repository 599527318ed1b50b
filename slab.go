package serpy

import "sync"

// Sizes of slabs, in bytes: an idle or chatting connection has a small one, a
// stream takes large ones in turn.
const (
	smallSlab = 4 << 10
	largeSlab = 512 << 10
)

// A slab is send memory: groups stand in it one behind the other. It is guarded by
// the mutex of the queue that fills it.
type slab struct {
	buf    []byte
	groups int // that stand in it
}

// stock keeps memory of one size for the next user, last in, first out: the last
// one is warm. A sync.Pool would be emptied by each collection.
type stock struct {
	mu   sync.Mutex
	size int
	most int
	free [][]byte
}

var (
	slabStock  = stock{size: largeSlab, most: 64}
	chunkStock = stock{size: largeChunk, most: 32}
)

func (s *stock) get() []byte {
	s.mu.Lock()
	if n := len(s.free); n > 0 {
		b := s.free[n-1]
		s.free[n-1] = nil
		s.free = s.free[:n-1]
		s.mu.Unlock()
		return b
	}
	s.mu.Unlock()
	return make([]byte, 0, s.size)
}

func (s *stock) put(b []byte) {
	if cap(b) != s.size {
		return
	}
	s.mu.Lock()
	if len(s.free) < s.most {
		s.free = append(s.free, b[:0])
	}
	s.mu.Unlock()
}
