package serpy

import "testing"

// NoStock has no memory kept to serve again, until the test ends.
func NoStock(t *testing.T) {
	t.Helper()
	for _, s := range stocks {
		most := s.most
		s.mu.Lock()
		s.most, s.free = 0, nil
		s.mu.Unlock()
		t.Cleanup(func() {
			s.mu.Lock()
			s.most = most
			s.mu.Unlock()
		})
	}
	s := &messageSpare
	most := s.most
	s.mu.Lock()
	s.most, s.bytes, s.free = 0, 0, nil
	s.mu.Unlock()
	t.Cleanup(func() {
		s.mu.Lock()
		s.most = most
		s.mu.Unlock()
	})
}

// Stocked is how many bytes the process keeps to serve again.
func Stocked() (n int64) {
	for _, s := range stocks {
		s.mu.Lock()
		n += int64(len(s.free) * s.size)
		s.mu.Unlock()
	}
	messageSpare.mu.Lock()
	defer messageSpare.mu.Unlock()
	return n + int64(messageSpare.bytes)
}
