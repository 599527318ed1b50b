package crc32c

import (
	"hash/crc32"
	"testing"

	"github.com/stretchr/testify/require"
)

// A processor without the wide instructions, or without any, gets the same sums.
func TestUpdateOfOlderProcessors(t *testing.T) {
	hadShort, hadWide := short, wide
	t.Cleanup(func() { short, wide = hadShort, hadWide })
	b := make([]byte, 1000)
	for i := range b {
		b[i] = byte(i*i + i/7)
	}
	for _, has := range []bool{hadShort, false} {
		short, wide = has, false
		for from := range 9 {
			for to := from; to <= len(b); to++ {
				require.Equal(t, crc32.Update(7, table, b[from:to]), Update(7, b[from:to]))
			}
		}
	}
}
