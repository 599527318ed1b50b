package protocol_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
)

// runOf is a group of 64 KiB, of units with payloads of size bytes.
func runOf(size int) (run []byte, n int) {
	payload := make([]byte, size)
	for need := protocol.UnitLen(0, size); len(run)+need <= protocol.GroupSize; n++ {
		run = protocol.AppendUnit(run, protocol.UnitAcked, nil, payload)
	}
	return run, n
}

var benchSizes = []int{16, 128, 1024, 16 << 10}

// hot is what is done for each message or each group, by name; the number is how
// many units each call moves.
func hot(tb testing.TB, size int) map[string]struct {
	f     func()
	units int
	bytes int
} {
	tb.Helper()
	run, n := runOf(size)
	group := protocol.Frame{Kind: protocol.KindData, Count: n, First: 7, Received: 9, LimitUnits: 4096, LimitBytes: 1 << 24, Body: run}
	wire := sealed(&group, nil)
	dec := begun(tb)
	sealer := protocol.Native{}.NewEncoder().(protocol.Sealer)
	var head [protocol.HeadSize]byte
	sum := protocol.Sum(0, run)
	buf := make([]byte, 0, protocol.GroupSize)
	payload := make([]byte, size)
	meta := (&protocol.Meta{Tag: 7, Time: 1 << 60}).Append(nil)
	withMeta := protocol.AppendUnit(nil, 0, meta, payload)
	return map[string]struct {
		f     func()
		units int
		bytes int
	}{
		"Seal": {func() { sealer.Seal(&head, &group, len(run), sum) }, n, 0},
		"AppendUnit": {func() {
			buf = buf[:0]
			for range n {
				buf = protocol.AppendUnit(buf, protocol.UnitAcked, nil, payload)
			}
		}, n, len(run)},
		"NextUnit": {func() {
			for rest := run; len(rest) > 0; {
				var err error
				if _, rest, err = protocol.NextUnit(rest); err != nil {
					panic(err)
				}
			}
		}, n, len(run)},
		"Decode": {func() {
			if _, _, err := dec.Decode(wire); err != nil {
				panic(err)
			}
		}, n, len(run)},
		"NextUnit+DecodeMeta": {func() {
			u, _, err := protocol.NextUnit(withMeta)
			if err == nil {
				_, err = protocol.DecodeMeta(u.Meta)
			}
			if err != nil {
				panic(err)
			}
		}, 1, len(withMeta)},
	}
}

// TestNoAllocations holds what is done for each message and each group to make no
// garbage.
func TestNoAllocations(t *testing.T) {
	for _, size := range benchSizes {
		for name, h := range hot(t, size) {
			require.Zero(t, testing.AllocsPerRun(20, h.f), "%s of %d bytes", name, size)
		}
	}
}

func BenchmarkHot(b *testing.B) {
	for _, name := range []string{"Seal", "AppendUnit", "NextUnit", "NextUnit+DecodeMeta", "Decode"} {
		for _, size := range benchSizes {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				h := hot(b, size)[name]
				b.SetBytes(int64(h.bytes))
				b.ReportAllocs()
				for b.Loop() {
					h.f()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(h.units), "ns/unit")
			})
		}
	}
}
