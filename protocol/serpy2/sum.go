package serpy2

import "encoding/binary"

// sum adds the bytes of b to s, modulo 2 to the 32: four lanes of 16 bits at a time,
// emptied before one can overflow.
func sum(s uint32, b []byte) uint32 {
	const (
		even  = 0x00ff00ff00ff00ff
		words = 128 // twice 255 a word and lane: 65,280
	)
	for len(b) >= 8 {
		block := b[:min(len(b)&^7, 8*words)]
		b = b[len(block):]
		lanes := uint64(0)
		for ; len(block) >= 8; block = block[8:] {
			v := binary.LittleEndian.Uint64(block)
			lanes += v&even + v>>8&even
		}
		s += uint32(lanes&0xffff) + uint32(lanes>>16&0xffff) + uint32(lanes>>32&0xffff) + uint32(lanes>>48)
	}
	for _, c := range b {
		s += uint32(c)
	}
	return s
}
