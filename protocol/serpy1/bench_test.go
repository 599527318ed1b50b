package serpy1_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/serpy1"
)

// BenchmarkDecode reads a MiB of messages, in reads of 64 KiB.
func BenchmarkDecode(b *testing.B) {
	for _, size := range []int{16, 100, 1 << 10, 512 << 10} {
		for _, of := range []func(string) message{plain, acked, text85} {
			m := of(strings.Repeat("0123456789abcdef", 1+size/16)[:size])
			var all []message
			for range max(1, 1<<20/size) {
				all = append(all, m)
			}
			stream := []byte(encode(b, all...))
			b.Run(fmt.Sprintf("%v/%d", m.Mode, size), func(b *testing.B) {
				b.SetBytes(int64(len(stream)))
				b.ReportAllocs()
				for b.Loop() {
					dec := serpy1.Wire{}.NewDecoder(1 << 20)
					got := 0
					for from, to := 0, 0; to < len(stream); {
						to = min(from+64<<10, len(stream))
						for {
							f, n, err := dec.Decode(stream[from:to])
							if from += n; errors.Is(err, protocol.ErrShort) {
								break
							}
							got += f.Count
						}
					}
					if got != len(all) {
						b.Fatal(got)
					}
				}
				b.ReportMetric(float64(len(all)*b.N)/b.Elapsed().Seconds(), "messages/s")
			})
		}
	}
}

// BenchmarkEncode writes a MiB of messages.
func BenchmarkEncode(b *testing.B) {
	for _, size := range []int{16, 100, 1 << 10, 512 << 10} {
		var run []byte
		count := max(1, 1<<20/size)
		for range count {
			run = plain(strings.Repeat("0123456789abcdef", 1+size/16)[:size]).AppendUnit(run)
		}
		b.Run(fmt.Sprintf("plain/%d", size), func(b *testing.B) {
			b.SetBytes(int64(len(run)))
			b.ReportAllocs()
			enc := serpy1.Wire{}.NewEncoder()
			var dst []byte
			for b.Loop() {
				var err error
				if dst, err = enc.Append(dst[:0], &protocol.Frame{Kind: protocol.KindData, Count: count, Body: run}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(count*b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}
