package peer

import (
	"context"
	"errors"
	"sync"
)

// An idleSide makes many connections, on each of which a goroutine waits for a message
// that does not come, as the program of a user would.
type idleSide struct {
	spec    Spec
	dial    func() (link, error)
	mu      sync.Mutex
	links   []link
	waiting sync.WaitGroup
}

// newIdle makes the dialling side.
func newIdle(s Spec, dial func() (link, error)) *idleSide {
	return &idleSide{spec: s, dial: dial}
}

func (s *idleSide) Run(_ context.Context, n int) (Outcome, error) {
	const dialers = 8
	return Outcome{}, each(dialers, func(i int) error {
		for range share(n, dialers, i) {
			l, err := s.dial()
			if err != nil {
				return err
			}
			s.mu.Lock()
			s.links = append(s.links, l)
			s.mu.Unlock()
			s.waiting.Go(func() { _, _ = l.receive() })
		}
		return nil
	})
}

func (s *idleSide) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.links {
		_ = l.close()
	}
	return nil
}

// each calls f for 0 to n-1, each in a goroutine of its own, and waits for all.
func each(n int, f func(i int) error) error {
	if n == 1 {
		return f(0)
	}
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { errs[i] = f(i) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// share is the i-th of parts shares of n.
func share(n, parts, i int) int {
	k := n / parts
	if i < n%parts {
		k++
	}
	return k
}

// Burst is how many messages a connection gets before the next one has its turn.
const Burst = 64

// spread has n messages sent over so many connections in turn, to each its share.
func spread(conns, n int, send func(i, k int) error) error {
	left := make([]int, conns)
	for i := range left {
		left[i] = share(n, conns, i)
	}
	for n > 0 {
		for i := range left {
			k := min(left[i], Burst)
			if err := send(i, k); err != nil {
				return err
			}
			left[i] -= k
			n -= k
		}
	}
	return nil
}
