package crc32c

import (
	"hash/crc32"

	"golang.org/x/sys/cpu"
)

// wide says that the processor and the system have the wide instructions, short that
// they have that for the sum of a word.
var (
	short = cpu.X86.HasSSE42
	wide  = short && cpu.X86.HasAVX512F && cpu.X86.HasAVX512VPCLMULQDQ
)

const (
	block    = 64        // bytes in a wide register
	leastSum = 4 * block // below it, starting costs more than it brings
)

// updateFast sums what it can of b, and gives the rest.
func updateFast(sum uint32, b []byte) (uint32, []byte) {
	switch {
	case !short, !wide && len(b) >= leastSum:
		return sum, b
	case len(b) >= leastSum:
		n := len(b) &^ (block - 1)
		sum, b = ^fold(^sum, &b[0], n, &factors), b[n:]
	}
	if len(b) == 0 {
		return sum, nil
	}
	return ^words(^sum, &b[0], len(b)), nil
}

// words gives the state of the sum after n bytes at p, word by word. A state is a sum
// whose bits are turned around.
//
//go:noescape
func words(state uint32, p *byte, n int) uint32

// fold gives the state of the sum after n bytes at p: n is at least leastSum, and
// whole blocks.
//
// Bytes are a polynomial over one bit, and a sum is what is left of it when it is
// divided by that of Castagnoli. So a block may be replaced by anything that has the
// same remainder, and stands further behind: the block, times x to the power of the
// distance. Four blocks are moved side by side through the bytes so, are then folded
// into one, and that one into 16 bytes, whose sum is that of all.
//
//go:noescape
func fold(state uint32, p *byte, n int, f *[12]uint64) uint32

// factors are what the two halves of 16 bytes are multiplied with, to be moved by
// four blocks, by one, and by 3, 2 and 1 times 16 bytes; nothing for 0 times.
var factors = func() (f [12]uint64) {
	for i, distance := range [...]int{4 * 8 * block, 8 * block, 3 * 128, 2 * 128, 128} {
		f[2*i], f[2*i+1] = power(distance+32), power(distance-32)
	}
	return f
}()

// power is x to the n, modulo the polynomial, as the processor wants it: the highest
// power is in the lowest bit, and one place further, as products come out one lower.
func power(n int) uint64 {
	r := uint32(1) << 31 // x to the 0
	for range n {
		if carry := r & 1; carry != 0 {
			r = r>>1 ^ crc32.Castagnoli
		} else {
			r >>= 1
		}
	}
	return uint64(r) << 1
}
