package serpy

import (
	"context"
	"fmt"
	"testing"

	"github.com/serpy-go/serpy/protocol"
)

// BenchmarkReceive takes messages that are there, one at a time and in batches: what a
// message costs on its way out of the receive queue, with no link in between.
func BenchmarkReceive(b *testing.B) {
	for _, size := range []int{16, 128, 1024} {
		b.Run(fmt.Sprintf("release/%d", size), func(b *testing.B) {
			received(b, size, func(c *Connection, n int) int {
				for range n {
					m, err := c.Receive(context.Background())
					if err != nil {
						b.Fatal(err)
					}
					m.Release()
				}
				return n
			})
		})
		b.Run(fmt.Sprintf("batch/%d", size), func(b *testing.B) {
			into := make([]Message, 256)
			received(b, size, func(c *Connection, n int) int {
				k, err := c.ReceiveBatch(context.Background(), into[:min(n, len(into))])
				if err != nil {
					b.Fatal(err)
				}
				return k
			})
		})
	}
}

// received has take receive messages of a size, of which a group is there at a time.
func received(b *testing.B, size int, take func(c *Connection, n int) int) {
	b.Helper()
	o, err := (*Options)(nil).withDefaults()
	if err != nil {
		b.Fatal(err)
	}
	c := newConnection(o, nil, "", Native)
	c.newSession(newID(), newID(), 0)
	var run []byte
	count := 0
	for len(run)+size+3 <= protocol.GroupSize {
		run = protocol.AppendUnit(run, 0, nil, make([]byte, size))
		count++
	}
	k := newChunk(largeChunk)
	first := uint64(1)
	b.ReportAllocs()
	b.ResetTimer()
	for left := b.N; left > 0; {
		c.rq.put(beginning, []region{{run: run, first: first, count: count, chunk: k, era: c.era}}, false)
		first += uint64(count)
		for n := count; n > 0; {
			n -= take(c, n)
		}
		left -= count
	}
}
