package serpy

import "time"

// Bounds of a spinner. It looks for longer than a peer that answers at once takes, and
// shorter than what waking a sleeper costs on some machines.
const (
	spinFor    = 20 * time.Microsecond
	spinMisses = 3    // in a row, before it pauses
	minPause   = 64   // waits without spinning
	maxPause   = 8192 // the pause doubles up to so many
)

// A spinner says whether to look for a while before sleeping: see Options.Spin. Where
// looking is in vain, as when the peer runs on the same processor, it soon stops. One
// goroutine at a time.
type spinner struct {
	misses int // in a row
	pause  int // how long the last one was
	skip   int // waits that are left of it
}

// wanted says whether to spin in this wait.
func (s *spinner) wanted() bool {
	if s.skip > 0 {
		s.skip--
		return false
	}
	return true
}

// ended says how spinning went.
func (s *spinner) ended(hit bool) {
	if hit {
		*s = spinner{}
		return
	}
	if s.misses++; s.misses >= spinMisses { // and at once after each pause, until it hits
		s.pause = min(max(2*s.pause, minPause), maxPause)
		s.skip = s.pause
	}
}
