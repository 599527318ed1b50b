package serpy

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
)

// A message that was refused is not sent again in the next session: a record stands in
// its place, so that all others keep their IDs and their bytes.
func TestARefusedMessageIsCutOut(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		q := newSendQueue(true)
		count := 1 + r.IntN(12)
		for n := range count {
			size := []int{1, 100, pinBytes, 2 * protocol.FragmentSize}[r.IntN(4)]
			w := wireMessage{payload: make([]byte, size), owned: true}
			if size > protocol.FragmentSize {
				w.meta.Size = size
				w.fields = w.meta.Append(nil)
			}
			w.payload[0] = byte(n + 1)
			w.appendTo(&q)
			q.messages++
			if r.IntN(4) == 0 {
				q.closeLast()
			}
		}
		written, picks := uint64(1), r.IntN(q.groups.len()+1)
		for range picks {
			g := q.pick(written, 1000, 1<<30)
			written = g.first + uint64(g.count)
		}
		refused := make(map[uint64]bool)
		for id := range written {
			refused[id] = r.IntN(3) == 0
		}
		messages := q.messages
		q.cutRefused(written, func(id uint64) bool { return refused[id] })
		_, redelivered := q.restart(written, 0, true)
		require.LessOrEqual(t, redelivered, int(written)+2)

		seen, bytes, id, next := 0, 0, uint64(0), uint64(1)
		for i := range q.groups.len() {
			g := q.groups.at(i)
			require.Equal(t, next, g.first)
			next += uint64(g.count)
			bytes += g.bytes()
			body := append([]byte(nil), g.slab.buf[g.start+protocol.HeadSize:g.end]...)
			body = append(body, g.ref...)
			n, err := protocol.CountUnits(body)
			require.NoError(t, err)
			require.Equal(t, g.count, n)
			for len(body) > 0 {
				var u protocol.Unit
				u, body, _ = protocol.NextUnit(body)
				switch {
				case u.Flags&protocol.UnitGap != 0:
					gap, err := protocol.DecodeGap(u.Payload)
					require.NoError(t, err)
					id++
					require.Equal(t, protocol.Gap{First: id, Last: id, Count: 1, Reason: uint8(LostWithSession)}, gap)
					require.True(t, refused[id])
					require.Equal(t, []uint64{id, id}, []uint64{g.firstID, g.lastID})
				case u.Flags&protocol.UnitContinued == 0:
					id++
					seen++
					require.Equal(t, byte(id), u.Payload[0])
				}
			}
			require.Equal(t, id, max(g.lastID, id), "of a part it is less")
		}
		require.EqualValues(t, count, id)
		require.Equal(t, bytes, q.bytes)
		require.Equal(t, seen, q.messages)
		require.LessOrEqual(t, q.messages, messages)
		q.resolve(next, 0)
	}
}
