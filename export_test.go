package serpy

import "testing"

// NoStock has no memory kept to serve again, until the test ends.
func NoStock(t *testing.T) {
	t.Helper()
	for _, s := range []*stock{&chunkStock, &slabStock, &smallSlabStock, &smallStock, &mediumStock, &middleStock} {
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
}
