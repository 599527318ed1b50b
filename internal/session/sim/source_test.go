package sim

// A source gives the bytes of a schedule: those it was made of, or random ones.
type source struct {
	given  []byte
	at     int
	state  uint64 // of the random ones; 0: given ones only
	word   uint64
	left   int
	record bool // keep what was drawn in given
	look   func(format string, args ...any)
}

func (s *source) next() byte {
	if s.at < len(s.given) {
		s.at++
		return s.given[s.at-1]
	}
	if s.state == 0 {
		return 0
	}
	if s.left == 0 {
		s.state ^= s.state << 13
		s.state ^= s.state >> 7
		s.state ^= s.state << 17
		s.word, s.left = s.state*0x2545f4914f6cdd1d, 8
	}
	b := byte(s.word)
	s.word >>= 8
	s.left--
	if s.record {
		s.given = append(s.given, b)
		s.at = len(s.given)
	}
	return b
}

func (s *source) more() bool { return s.state != 0 || s.at < len(s.given) }

// seed makes the state of the n-th run.
func seed(base, n uint64) uint64 {
	z := base*0x9e3779b97f4a7c15 + n*0xbf58476d1ce4e5b9 + 1
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31 | 1
}
