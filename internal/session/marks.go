package session

// marks are the last units of the groups that were written and are not received, in
// order: a peer takes a group whole or not at all, so it can acknowledge no other unit
// (SPEC.md 3.5).
type marks struct {
	ring []uint64 // of a length that is a power of two
	head int
	n    int
}

// add takes down the last unit of a group, unless it was written before.
func (m *marks) add(unit uint64) {
	if m.n > 0 && m.at(m.n-1) >= unit {
		return
	}
	if m.n == len(m.ring) {
		grown := make([]uint64, max(4, 2*m.n))
		for i := range m.n {
			grown[i] = m.at(i)
		}
		m.ring, m.head = grown, 0
	}
	m.n++
	m.ring[(m.head+m.n-1)&(len(m.ring)-1)] = unit
}

func (m *marks) at(i int) uint64 { return m.ring[(m.head+i)&(len(m.ring)-1)] }

// passed forgets the groups that end at or below unit.
func (m *marks) passed(unit uint64) {
	for m.n > 0 && m.at(0) <= unit {
		m.head = (m.head + 1) & (len(m.ring) - 1)
		m.n--
	}
}

// has says whether a group ends with unit.
func (m *marks) has(unit uint64) bool {
	lo, hi := 0, m.n
	for lo < hi {
		if mid := (lo + hi) / 2; m.at(mid) < unit {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo < m.n && m.at(lo) == unit
}
