package serpy

import (
	"runtime"
	"slices"
	"sync/atomic"
	"time"
)

// keptUnused is how much memory of each size stays, however long nobody needs it, in
// bytes; at least one piece does.
const keptUnused = 64 << 10

// disuse is how long memory that serves again is not needed until it is given back.
const disuse = time.Second

// watching says that the stocks are looked at when disuse has passed.
var watching atomic.Bool

// watch has the stocks looked at. A process that came to rest is soon left alone.
func watch() {
	if !watching.Load() && watching.CompareAndSwap(false, true) {
		time.AfterFunc(disuse, giveBack)
	}
}

// giveBack gives the collector what nobody needed lately: what a burst took is not held
// for ever.
func giveBack() {
	watching.Store(false)
	more := messageSpare.shrink()
	for _, s := range stocks {
		more = s.shrink() || more
	}
	if more {
		watch()
	}
}

// shrink gives up what was free all the time since the last call, the coldest first, and
// says whether there may be more.
func (s *stock) shrink() (more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := max(0, min(s.low, len(s.free)-s.least()))
	if s.size == largeChunk {
		for _, b := range s.free[:n] {
			runtime.SetFinalizer((*[largeChunk]byte)(b[:largeChunk]), nil) // it would bring it back
		}
	}
	s.free = slices.Delete(s.free, 0, n)
	s.low = len(s.free)
	return s.low > s.least()
}

// least is how many stay.
func (s *stock) least() int { return max(1, keptUnused/s.size) }

// shrink is that of a stock, by bytes.
func (s *spare) shrink() (more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for given := 0; n < len(s.free) && given+cap(s.free[n]) <= s.low; n++ {
		given += cap(s.free[n])
		s.bytes -= cap(s.free[n])
	}
	s.free = slices.Delete(s.free, 0, n)
	s.low = s.bytes
	return s.low > 0
}
