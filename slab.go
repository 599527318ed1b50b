package serpy

import "sync"

// Sizes of slabs, in bytes: an idle or chatting connection has a small one, a
// stream takes large ones in turn. Those between are for the many connections that get
// a little each: with a large slab for each their memory would never be warm, and mostly
// empty.
const (
	smallSlab  = 4 << 10
	mediumSlab = 16 << 10
	middleSlab = 64 << 10
	largeSlab  = 512 << 10
)

// slabSize is that of the next slab of a queue that holds so many bytes.
func slabSize(held int) int {
	switch {
	case held == 0:
		return smallSlab
	case held < 2*mediumSlab:
		return mediumSlab
	case held < 4*middleSlab:
		return middleSlab
	}
	return largeSlab
}

// slabStockOf is where slabs with room for n bytes come from; nil: nowhere.
func slabStockOf(n int) *stock {
	switch {
	case n <= smallSlab:
		return &smallSlabStock
	case n <= mediumSlab:
		return &mediumSlabStock
	case n <= middleSlab:
		return &middleSlabStock
	case n <= largeSlab:
		return &slabStock
	}
	return nil
}

// A slab is send memory: groups stand in it one behind the other. It is guarded by
// the mutex of the queue that fills it.
type slab struct {
	buf    []byte
	groups int    // that stand in it, or refer to it
	spare  *spare // where its memory goes back; nil: a stock
}

// stock keeps memory of one size for the next user, last in, first out: the last
// one is warm. A sync.Pool would be emptied by each collection.
type stock struct {
	mu   sync.Mutex
	size int
	most int
	low  int // the fewest that were free since the last shrink
	free [][]byte
}

var (
	slabStock  = stock{size: largeSlab, most: 64}
	chunkStock = stock{size: largeChunk, most: 32}

	smallSlabStock  = stock{size: smallSlab, most: 4096}
	mediumSlabStock = stock{size: mediumSlab, most: 2048}
	middleSlabStock = stock{size: middleSlab, most: 512}

	smallStock  = stock{size: smallChunk, most: 2048}
	mediumStock = stock{size: mediumChunk, most: 1024}
	middleStock = stock{size: middleChunk, most: 256}
)

var stocks = [...]*stock{&slabStock, &chunkStock, &smallSlabStock, &mediumSlabStock, &middleSlabStock, &smallStock, &mediumStock, &middleStock}

// get gives memory, new if there is no other.
func (s *stock) get() (b []byte, isNew bool) {
	s.mu.Lock()
	if n := len(s.free); n > 0 {
		b = s.free[n-1]
		s.free[n-1] = nil
		s.free = s.free[:n-1]
		s.low = min(s.low, n-1)
		s.mu.Unlock()
		return b, false
	}
	s.mu.Unlock()
	return make([]byte, 0, s.size), true
}

// put takes memory back, and says whether it was kept.
func (s *stock) put(b []byte) bool {
	if cap(b) != s.size {
		return false
	}
	s.mu.Lock()
	n := len(s.free)
	kept := n < s.most
	if kept {
		s.free = append(s.free, b[:0])
	}
	s.mu.Unlock()
	if n >= s.least() {
		watch()
	}
	return kept
}
