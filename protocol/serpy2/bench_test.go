package serpy2_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/serpy2"
)

// benchSizes are the payloads of the benchmarks, in bytes.
var benchSizes = []int{16, 100, 1 << 10, 64 << 10}

// BenchmarkDecode reads a MiB of messages.
func BenchmarkDecode(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			count := max(1, 1<<20/size)
			stream := []byte(encode(b, slices.Repeat([]message{bytesOf(strings.Repeat("x", size))}, count)...))
			dec := serpy2.Wire{}.NewDecoder(1 << 20)
			b.SetBytes(int64(len(stream)))
			b.ReportAllocs()
			for b.Loop() {
				got := 0
				for rest := stream; len(rest) > 0; {
					f, n, err := dec.Decode(rest)
					if err != nil {
						b.Fatal(err)
					}
					got += f.Count
					rest = rest[n:]
				}
				if got != count {
					b.Fatal(got)
				}
			}
			b.ReportMetric(float64(count*b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}

// BenchmarkEncode writes a MiB of messages.
func BenchmarkEncode(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			count := max(1, 1<<20/size)
			meta := (&protocol.Meta{Type: protocol.Bytes}).Append(nil)
			var run []byte
			for range count {
				run = protocol.AppendUnit(run, 0, meta, make([]byte, size))
			}
			enc := serpy2.Wire{}.NewEncoder()
			var dst []byte
			b.SetBytes(int64(len(run)))
			b.ReportAllocs()
			for b.Loop() {
				var err error
				dst, err = enc.Append(dst[:0], &protocol.Frame{Kind: protocol.KindData, Count: count, Body: run})
				require.NoError(b, err)
			}
			b.ReportMetric(float64(count*b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}
