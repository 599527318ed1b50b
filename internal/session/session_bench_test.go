package session

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
)

// BenchmarkGroup is what a session does for a group of units, from the one that writes
// it to the confirmation that comes back for it, of both sides.
func BenchmarkGroup(b *testing.B) {
	for _, units := range []int{1, 64, 1024} {
		for name, when := range map[string]protocol.AckWhen{"receipt": protocol.OnReceipt, "processed": protocol.OnProcessed} {
			b.Run(fmt.Sprintf("%s/%d", name, units), func(b *testing.B) { groups(b, when, units) })
		}
	}
}

func groups(b *testing.B, when protocol.AckWhen, units int) {
	b.Helper()
	const size = 16
	cfg := Config{Units: 4096, Bytes: 1 << 20, AckWhen: when, Heartbeat: heartbeat}
	x, y := New(protocol.Native{}.Caps(), cfg), New(protocol.Native{}.Caps(), cfg)
	hx, hy := hello(x), hello(y)
	require.NoError(b, x.LinkUp(start, hy))
	require.NoError(b, y.LinkUp(start, hx))
	body := make([]byte, units*size)
	b.ReportAllocs()
	for b.Loop() {
		if u, n := x.Credit(); u < uint64(units) || n < uint64(len(body)) {
			b.Fatal("no credit")
		}
		first := x.Next()
		x.Written(units, len(body))
		f := x.Head(start, protocol.KindData, first, units)
		f.Body = body
		cut(&f)
		if _, err := y.HandleFrame(start, &f); err != nil {
			b.Fatal(err)
		}
		last := y.Received()
		y.Taken(last, uint64(units), uint64(len(body)))
		if when == protocol.OnProcessed {
			y.Processed(first, last, uint64(units), uint64(len(body)), nil)
		}
		back := y.Head(start, protocol.KindData, 0, 0)
		cut(&back)
		if _, err := x.HandleFrame(start, &back); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(units), "ns/unit")
}

// cut leaves of the numbers what a head on the wire has of them.
func cut(f *protocol.Frame) { *f = *wire(f) }

// BenchmarkRegistry is a client that comes back and loses its link again, beside so many
// sessions without one; and one session more than may be without, so that one has to go.
func BenchmarkRegistry(b *testing.B) {
	for _, others := range []int{10, 1000, 100_000} {
		b.Run(fmt.Sprintf("resume/%d", others), func(b *testing.B) {
			r := crowd(others, others)
			link := uint64(1)
			b.ReportAllocs()
			for b.Loop() {
				link++
				if r.Open(start, caller(0, link), id(1), "", "a").Outcome != Resumed {
					b.Fatal("not resumed")
				}
				r.Park(start, caller(0, 0).Session, link, Load{Bytes: 1})
			}
		})
		b.Run(fmt.Sprintf("evict/%d", others), func(b *testing.B) {
			r := crowd(others, others)
			n := others
			b.ReportAllocs()
			for b.Loop() {
				n++
				h := caller(n, 1)
				r.Open(start, h, id(1), "", "a")
				if len(r.Park(start, h.Session, 1, Load{Bytes: 1})) != 1 {
					b.Fatal("none went")
				}
			}
		})
	}
}

// crowd is a registry with n sessions that have no link, of at most so many.
func crowd(n, most int) *Registry {
	r := NewRegistry(Bounds{Sessions: most + 2, Parked: most, ParkedMem: 1 << 40, Tombstones: 10, Keep: keep})
	for i := range n {
		h := caller(i, 1)
		r.Open(start, h, id(1), "", "a")
		r.Park(start, h.Session, 1, Load{Bytes: 1})
	}
	return r
}

// caller is a Hello of the n-th of many sessions.
func caller(n int, link uint64) *protocol.Hello {
	var s protocol.ID
	binary.BigEndian.PutUint32(s[:], uint32(n+1))
	return &protocol.Hello{MinVersion: 1, MaxVersion: 1, Session: s, Secret: id(1), Link: link}
}
