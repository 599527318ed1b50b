package peer

import (
	"os"
	"time"
)

// A pattern is the kinds of sockets that a peer in the manner of ZeroMQ uses: what
// listens and what dials.
type pattern struct{ listens, dials string }

// The kinds of sockets.
const (
	pushKind = "push"
	pullKind = "pull"
	pairKind = "pair"
	pubKind  = "pub"
	subKind  = "sub"
)

// patternOf is what suits a kind of work.
func patternOf(k Kind) pattern {
	switch k {
	case OneWay, Idle:
		return pattern{pullKind, pushKind}
	case FanOut:
		return pattern{pubKind, subKind}
	default:
		return pattern{pairKind, pairKind}
	}
}

// subscribing is how long a publisher needs to learn of its subscribers.
const subscribing = 200 * time.Millisecond

// subscribed gives that time to a side that has just subscribed. It may lose messages,
// also the first ones, as nobody says when that time is over.
func subscribed(s Spec, side Side, err error) (Side, error) {
	if s.Kind == FanOut && err == nil {
		time.Sleep(subscribing)
		if d, ok := side.(*duplex); ok {
			d.count.lossy = true
		}
	}
	return side, err
}

// files is how many files this process has open.
func files() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}
