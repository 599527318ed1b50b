package serpy

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
)

// filled is a queue of messages of these sizes, each of which stands alone, and all
// of which up to the unit written were given to a link.
func filled(t *testing.T, written int, sizes ...int) *sendQueue {
	t.Helper()
	q := newSendQueue(false)
	for _, size := range sizes {
		w := wireMessage{payload: make([]byte, size), owned: true}
		if size > protocol.FragmentSize {
			w.meta.Size = size
			w.fields = w.meta.Append(nil)
		}
		w.appendTo(&q)
		q.messages++
	}
	for range written {
		require.NotNil(t, q.pick(1, 10, 1<<30))
	}
	return &q
}

func TestAHalfWrittenMessageGoesWithItsSession(t *testing.T) {
	q := filled(t, 2, pinBytes, 3*protocol.FragmentSize, pinBytes)
	l, _ := q.restart(3, 0, false)
	assert.Equal(t, lost{messages: 2, undelivered: 2, first: 1, last: 2}, l)
	assert.Equal(t, 1, q.messages)
	require.Equal(t, 1, q.groups.len())
	assert.EqualValues(t, 3, q.groups.at(0).lastID)
	assert.EqualValues(t, 1, q.groups.at(0).first)
	assert.Equal(t, q.groups.at(0).bytes(), q.bytes)
}

func TestWhatThePeerTookWasDelivered(t *testing.T) {
	q := filled(t, 3, pinBytes, pinBytes, pinBytes)
	l, _ := q.restart(4, 2, false)
	assert.Equal(t, lost{messages: 3, undelivered: 1, first: 1, last: 3}, l)
	assert.Zero(t, q.messages)
}

func TestWhatIsSentAgainKeepsItsID(t *testing.T) {
	q := newSendQueue(true)
	for n := range 5 {
		(&wireMessage{payload: []byte{byte(n)}}).appendTo(&q)
		q.messages++
	}
	require.NotNil(t, q.pick(1, 5, 1<<20))
	require.EqualValues(t, 2, q.resolve(2, 0))
	l, redelivered := q.restart(6, 2, true)
	assert.Equal(t, lost{messages: 3, undelivered: 3, first: 3, last: 5}, l)
	assert.Equal(t, 3, redelivered)
	g := q.groups.at(0)
	assert.EqualValues(t, 3, g.firstID)
	assert.EqualValues(t, 1, g.first)
	assert.Equal(t, g.bytes(), q.bytes)
	assert.EqualValues(t, 3, q.resolve(1, 0), "the first that is sent again")
	assert.EqualValues(t, 5, q.resolve(3, 0))
	assert.Zero(t, q.messages)
}

func TestOnlyWhatWasNeverWrittenIsDroppedForItsSize(t *testing.T) {
	q := filled(t, 1, pinBytes+1, pinBytes, pinBytes+1, pinBytes+1, 2*protocol.FragmentSize)
	ids := q.dropLarger(2, pinBytes)
	assert.Equal(t, [][2]uint64{{3, 3}, {4, 4}, {5, 5}}, ids)
	assert.Equal(t, 2, q.messages)
	held, next := 0, uint64(1)
	for i := range q.groups.len() {
		g := q.groups.at(i)
		held += g.bytes()
		assert.Equal(t, next, g.first)
		next += uint64(g.count)
	}
	assert.Equal(t, held, q.bytes)
	assert.Equal(t, pinBytes+1, q.groups.at(0).size, "it was written: the peer may have it")
}

func TestMemoryServesAgainOnlyWhenAllInItIsConfirmed(t *testing.T) {
	q := newSendQueue(false)
	const size = 30 << 10
	added, unit := 0, uint64(0)
	for range 10 {
		for range 20 { // more than one slab holds
			payload := make([]byte, size)
			for i := range payload {
				payload[i] = byte(added)
			}
			(&wireMessage{payload: payload}).appendTo(&q)
			q.messages++
			added++
		}
		pickAll(&q, 1000)
		unit += 17
		q.resolve(unit, 0)
		for i := range q.groups.len() {
			g := q.groups.at(i)
			rest := g.slab.buf[g.start+protocol.HeadSize : g.end]
			for n := range g.count {
				u, after, err := protocol.NextUnit(rest)
				require.NoError(t, err)
				require.Len(t, u.Payload, size)
				want := byte(g.first + uint64(n) - 1)
				require.Equal(t, want, u.Payload[0])
				require.Equal(t, want, u.Payload[size-1])
				rest = after
			}
		}
	}
}
