package protocol

// A sumShift is what zero bytes behind some bytes do to their CRC-32C: a matrix of bits,
// each row of which is what one bit of the sum becomes.
type sumShift [32]uint32

// sumShifts are those of 1, 2, 4, 8 … zero bytes, up to the largest body.
var sumShifts = func() (all [18]sumShift) {
	const reflected = 0x82f63b78
	var bit sumShift // of one zero bit
	bit[0] = reflected
	for i := 1; i < len(bit); i++ {
		bit[i] = 1 << (i - 1)
	}
	one := bit.twice()
	one = one.twice()
	all[0] = one.twice()
	for i := 1; i < len(all); i++ {
		all[i] = all[i-1].twice()
	}
	return all
}()

func (m *sumShift) of(sum uint32) (s uint32) {
	for i := 0; sum != 0; i, sum = i+1, sum>>1 {
		s ^= m[i] & -(sum & 1)
	}
	return s
}

func (m *sumShift) twice() (t sumShift) {
	for i, row := range m {
		t[i] = m.of(row)
	}
	return t
}

// JoinSums gives the Sum of two parts, one behind the other, from their sums and the
// length of the second, at most MaxBody. Since it is its own inverse, it also gives the
// sum of the second part from those of the first and of both.
func JoinSums(first, second uint32, n int) uint32 {
	for i := 0; n != 0; i, n = i+1, n>>1 {
		if n&1 != 0 {
			first = sumShifts[i].of(first)
		}
	}
	return first ^ second
}
