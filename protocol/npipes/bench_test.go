package npipes_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/npipes"
)

// BenchmarkMessage is one message, written and read: all that a link carries.
func BenchmarkMessage(b *testing.B) {
	for _, size := range []int{16, 1 << 10, 60_000} {
		for _, crc := range []bool{false, true} {
			b.Run(fmt.Sprintf("crc=%v/%d", crc, size), func(b *testing.B) {
				w := npipes.Wire{CRC: crc}
				f := data(unit(protocol.Meta{}, bytes.Repeat([]byte("x"), size)))
				var dst []byte
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					var err error
					dst, err = w.NewEncoder().Append(dst[:0], f)
					require.NoError(b, err)
					_, n, err := w.NewDecoder(0).Decode(dst)
					require.NoError(b, err)
					require.Len(b, dst, n)
				}
			})
		}
	}
}
