package serpy

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
)

// A few bytes of units a chunk, and acknowledgements for the rest: what waits must not
// hold the chunks.
func TestSparseChunksAreCompacted(t *testing.T) {
	var q receiveQueue
	q.init(1<<20, 4096, 1<<20)
	e := &era{epoch: 1}
	var b readBuffer
	b.chunk = newChunk(largeChunk)
	sparse := 0
	for n := range uint64(300) {
		k := b.chunk
		run := protocol.AppendUnit(k.buf[:0], 0, nil, []byte{byte(n)})
		q.put(time.Now(), []region{{run: run, first: n + 1, count: 1, chunk: k, era: e}}, false)
		b.useful += len(run)
		b.filled, b.parsed = largeChunk, largeChunk // the rest was acknowledgements
		b.space()
		if b.sparse != nil {
			sparse++
			q.compact(b.sparse)
			require.True(t, b.sparse.alone(), "nobody but the reader holds it")
			b.sparse.release(1)
			b.sparse = nil
		}
	}
	require.Equal(t, 300, sparse)
	var m Message
	for n := range 300 {
		ok, err := q.take(&m)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, []byte{byte(n)}, m.Data)
	}
}

func TestReleaseTwicePanics(t *testing.T) {
	k := newChunk(smallChunk)
	k.release(1)
	require.Panics(t, func() { k.release(1) })
}

// The receipt of a batch stands for all of it, and Flush for all before it.
func TestBatchReceiptTellsOfAnEarlierLoss(t *testing.T) {
	c := newConnection(must(t), nil, "", Native)
	c.newSession(newID(), newID(), 0)
	c.q.accepted = 10
	c.nackMemory().lose(2, 3, errEvicted)
	c.flawed.Store(true)
	c.resolveTo(10)
	_, err := Receipt{c: c, id: 10, mode: Acked}.Poll()
	require.NoError(t, err)
	_, err = Receipt{c: c, id: 10, mode: Acked, more: 7}.Poll()
	require.ErrorIs(t, err, ErrUnconfirmed)
	n, _ := c.nacks.lostIn(1, 2)
	require.Equal(t, 1, n)
}

func must(t *testing.T) *Options {
	t.Helper()
	o, err := (*Options)(nil).withDefaults()
	require.NoError(t, err)
	return o
}
