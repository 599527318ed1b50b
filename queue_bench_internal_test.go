package serpy

import (
	"fmt"
	"testing"

	"github.com/serpy-go/serpy/protocol"
)

// BenchmarkQueue is what the queue of what is sent does for a message: it is appended,
// picked up for a link, and forgotten when it is confirmed. So many wait for that
// meanwhile.
func BenchmarkQueue(b *testing.B) {
	for _, size := range []int{16, 128, 1024, 64 << 10} {
		for _, depth := range []int{1, 1000, 100_000} {
			if size*depth > 256<<20 {
				continue
			}
			b.Run(fmt.Sprintf("%d/%d", size, depth), func(b *testing.B) { queued(b, size, depth) })
		}
	}
}

func queued(b *testing.B, size, depth int) {
	b.Helper()
	q := newSendQueue(false)
	w := wireMessage{payload: make([]byte, size)}
	w.fields = w.meta.Append(nil)
	var resolved uint64
	take := func() {
		w.appendTo(&q)
		q.accepted++
		q.messages++
		if q.groups.at(q.groups.len()-1).bytes() >= protocol.GroupSize/2 || depth == 1 {
			pickAll(&q, 1<<20)
		}
		if q.messages > depth {
			resolved = q.resolve(q.next-1-uint64(depth), resolved)
		}
	}
	for range depth {
		take()
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		take()
	}
	if q.messages != depth {
		b.Fatal(q.messages)
	}
}

// BenchmarkStage is a message that waits for room in the queue, and then gets it.
func BenchmarkStage(b *testing.B) {
	var s stage
	w := wireMessage{payload: make([]byte, 128)}
	id := uint64(0)
	for range 1000 {
		id++
		s.push(id, w)
	}
	b.ReportAllocs()
	for b.Loop() {
		id++
		s.push(id, w)
		if _, ok := s.next(); !ok {
			b.Fatal("nothing is staged")
		}
	}
}
