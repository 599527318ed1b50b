package serpy

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
)

// Who waits for a message gets one that is there, although the one who was woken for it
// does not come back before.
func TestAMessageWakesTheNextWhoWaits(t *testing.T) {
	const receivers = 3
	c := newConnection(must(t), nil, "", Native)
	c.newSession(newID(), newID(), 0)
	got := make(chan Message, receivers)
	var all sync.WaitGroup
	for range receivers {
		all.Go(func() {
			m, err := c.Receive(t.Context())
			if err == nil {
				got <- m
			}
		})
	}
	require.Eventually(t, func() bool { return c.rq.sleepers.Load() == receivers }, time.Minute, time.Millisecond)
	k := newChunk(mediumChunk)
	run := k.buf[:0]
	for range 100 {
		run = protocol.AppendUnit(run, 0, nil, []byte("x"))
	}
	c.rq.put(time.Now(), []region{{run: run, first: 1, count: 100, chunk: k, era: c.era}}, false)
	c.rq.signal()
	all.Wait()
	require.Len(t, got, receivers)
}
