package serpy

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
)

// aheadConnection is a connection without a link, whose receive queue a test fills. tell
// is how many units are freed before the peer is told.
func aheadConnection(t *testing.T, tell uint64) *Connection {
	t.Helper()
	c := newConnection(must(t), nil, "", Native)
	c.newSession(newID(), newID(), 3)
	c.rq.tellUnits = tell
	return c
}

// putUnits queues regions of units as a peer might send them: rows of plain and of acked
// ones, of all lengths of head, with others among them.
func putUnits(rnd *rand.Rand, c *Connection, first uint64, sizes []int) (next uint64, k *chunk) {
	k = newChunk(largeChunk)
	at := k.buf[:0]
	for _, count := range sizes {
		start := len(at)
		size, flags := rnd.IntN(40), protocol.UnitFlags(0)
		for n := range count {
			switch rnd.IntN(40) {
			case 0:
				size = rnd.IntN(300)
			case 1:
				flags ^= protocol.UnitAcked
			}
			data := make([]byte, size)
			for i := range data {
				data[i] = byte(first) + byte(n)
			}
			var meta []byte
			if rnd.IntN(200) == 0 {
				meta = (&protocol.Meta{Tag: 7}).Append(nil)
			}
			at = protocol.AppendUnit(at, flags, meta, data)
		}
		c.rq.put(time.Now(), []region{{run: at[start:len(at):len(at)], first: first, count: count, chunk: k, era: c.era}}, rnd.IntN(2) == 0)
		first += uint64(count)
	}
	return first, k
}

// limits is what the peer would be told now.
func (c *Connection) limits() (units, bytes uint64) {
	f := c.sess.Head(time.Now(), protocol.KindData, 0, 0)
	return f.LimitUnits, f.LimitBytes
}

// What is cut ahead comes out as if it was not, with all that is counted, whatever is
// called in between.
func TestAheadIsAsWithoutIt(t *testing.T) {
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		tell := uint64(rnd.IntN(600) + 1)
		c, plain := aheadConnection(t, tell), aheadConnection(t, tell)
		sizes := make([]int, rnd.IntN(6)+1)
		for i := range sizes {
			sizes[i] = rnd.IntN(500) + 1
		}
		total, k := putUnits(rand.New(rand.NewPCG(seed, 2)), c, 1, sizes)
		_, _ = putUnits(rand.New(rand.NewPCG(seed, 2)), plain, 1, sizes)
		k.release(1) // as the reader that goes on in another
		moved := false
		room, _ := c.limits()
		into := make([]Message, 50)
		for n := uint64(1); n < total; {
			var got []Message
			switch rnd.IntN(20) {
			case 0:
				m, ok := c.TryReceive()
				require.True(t, ok)
				got = []Message{m}
			case 1:
				k, err := c.ReceiveBatch(t.Context(), into[:rnd.IntN(len(into))+1])
				require.NoError(t, err)
				got = into[:k]
			case 2:
				c.rq.compact(k)
				moved = true
			default:
				m, err := c.Receive(t.Context())
				require.NoError(t, err)
				got = []Message{m}
			}
			for _, m := range got {
				var want Message
				plain.rq.mu.Lock()
				ok, err := plain.take(&want)
				require.NoError(t, err)
				require.True(t, ok)
				require.Same(t, c, m.origin)
				if m.chunk != nil {
					m.chunk.release(1)
				}
				m.origin, m.chunk, want.origin, want.chunk = nil, nil, nil, nil
				require.Equal(t, want, m)
				require.Equal(t, len(m.Data), cap(m.Data))
				n++
			}
			units, _ := c.limits()
			require.Less(t, n-1-(units-room), tell+uint64(len(into)), "of so many the peer is not told yet")
			if rnd.IntN(30) == 0 || n == total {
				require.Equal(t, plain.Stats(), c.Stats())
			}
		}
		wantUnits, wantBytes := plain.limits()
		units, bytes := c.limits()
		require.Equal(t, wantUnits, units)
		require.Equal(t, wantBytes, bytes)
		require.Nil(t, c.rq.ahead.Load())
		c.rq.mu.Lock()
		c.rq.giveBack()
		c.rq.mu.Unlock()
		if !moved {
			require.Zero(t, k.live.Load(), "nobody holds it")
		}
	}
}

// Each of several receivers gets messages in order, and all together get each once,
// while others count, compact and take batches.
func TestAheadOfSeveralReceivers(t *testing.T) {
	const receivers, regions, count = 4, 40, 400
	c := aheadConnection(t, 300)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var all sync.WaitGroup
	var mu sync.Mutex
	seen := make(map[uint64]bool)
	for i := range receivers {
		all.Go(func() {
			last := uint64(0)
			into := make([]Message, 5)
			for n := 0; ; n++ {
				into := into[:1]
				var err error
				if i == 0 && n%50 == 0 {
					into = into[:5]
					var k int
					k, err = c.ReceiveBatch(ctx, into)
					into = into[:k]
				} else {
					into[0], err = c.Receive(ctx)
				}
				if err != nil {
					return
				}
				mu.Lock()
				for _, m := range into {
					if m.ID <= last || seen[m.ID] || len(m.Data) != 8 || m.Data[0] != byte(m.ID) {
						t.Errorf("message %d with %v behind %d", m.ID, m.Data, last)
					}
					last, seen[m.ID] = m.ID, true
				}
				done := len(seen) == regions*count
				mu.Unlock()
				for _, m := range into {
					m.Release()
				}
				if done {
					cancel()
				}
			}
		})
	}
	var chunks []*chunk
	first := uint64(1)
	for range regions {
		k := newChunk(mediumChunk)
		run := k.buf[:0]
		for n := range uint64(count) {
			run = protocol.AppendUnit(run, 0, nil, []byte{byte(first + n), 1, 2, 3, 4, 5, 6, 7})
		}
		c.rq.put(time.Now(), []region{{run: run, first: first, count: count, chunk: k, era: c.era}}, false)
		first += count
		c.rq.signal()
		runtime.Gosched()
		c.rq.compact(k)
		chunks = append(chunks, k)
		s := c.Stats()
		require.LessOrEqual(t, s.Delivered, first-1)
		require.Equal(t, first-1, s.Received)
	}
	all.Wait()
	require.Len(t, seen, regions*count)
	require.Equal(t, uint64(regions*count), c.Stats().Delivered)
	c.rq.mu.Lock()
	c.rq.giveBack()
	c.rq.mu.Unlock()
	for _, k := range chunks {
		require.True(t, k.alone(), "only the reader holds it")
	}
}

// What is thrown away is not received, also where it was cut ahead, and its memory is
// free.
func TestAheadIsDiscarded(t *testing.T) {
	c := aheadConnection(t, 300)
	k := newChunk(mediumChunk)
	run := k.buf[:0]
	for range 100 {
		run = protocol.AppendUnit(run, 0, nil, []byte("x"))
	}
	c.rq.put(time.Now(), []region{{run: run, first: 1, count: 100, chunk: k, era: c.era}}, false)
	for range 2 { // the first of a session is taken the long way
		m, err := c.Receive(t.Context())
		require.NoError(t, err)
		m.Release()
	}
	require.NotNil(t, c.rq.ahead.Load())
	c.rq.discard()
	_, ok := c.TryReceive()
	require.False(t, ok)
	require.True(t, k.alone())
	require.Zero(t, c.Stats().ReceiveQueue)
}
