package session

import "slices"

// spans are runs of units, each a first and a last one, in order; none touches the
// next. So there are no more of them than holes between them, and each hole is a unit
// that needs its room still.
type spans [][2]uint64

// after is the index of the first span that ends at or behind unit.
func (s spans) after(unit uint64) int {
	i, _ := slices.BinarySearchFunc(s, unit, func(run [2]uint64, unit uint64) int {
		if run[1] < unit {
			return -1
		}
		return 1
	})
	return i
}

// has says whether unit is in a span.
func (s spans) has(unit uint64) bool {
	i := s.after(unit)
	return i < len(s) && s[i][0] <= unit
}

// add takes in a run none of whose units is in a span, and joins what it touches.
func (s spans) add(first, last uint64) spans {
	i := s.after(first)
	before, behind := i > 0 && s[i-1][1]+1 == first, i < len(s) && last+1 == s[i][0]
	switch {
	case before && behind:
		s[i-1][1] = s[i][1]
		return slices.Delete(s, i, i+1)
	case before:
		s[i-1][1] = last
		return s
	case behind:
		s[i][0] = first
		return s
	}
	return slices.Insert(s, i, [2]uint64{first, last})
}
