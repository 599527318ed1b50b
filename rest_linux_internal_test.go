package serpy

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The first that comes behind a long silence has a link leave its chunk, also when it
// rests again at once: what the application keeps of it must not keep all.
func TestALinkThatRestsLeavesItsChunk(t *testing.T) {
	o := &Options{Heartbeat: -1}
	s, err := Listen("tcp://127.0.0.1:0", o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	from, err := Dial(t.Context(), s.Address(), o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = from.Close() })
	to, err := s.Accept(t.Context())
	require.NoError(t, err)
	require.NoError(t, to.WaitConnected(t.Context()))
	to.mu.Lock()
	l := to.link
	to.mu.Unlock()
	look := func() (holds bool) { // what it holds at rest, as its reader
		t.Helper()
		require.Eventually(t, func() bool { return l.turn.rests.CompareAndSwap(true, false) }, time.Minute, time.Millisecond)
		holds = l.in.chunk != nil && l.in.chunk.buf != nil
		go l.read()
		return holds
	}

	for range 100 {
		require.NoError(t, from.Send(t.Context(), make([]byte, 1000)))
	}
	var kept []Message
	for range 100 {
		m, err := to.Receive(t.Context())
		require.NoError(t, err)
		kept = append(kept, m)
	}
	require.True(t, look(), "the chunk of messages that are kept")
	<-time.After(restAfter + restAfter/10)
	require.NoError(t, from.Send(t.Context(), []byte("late")))
	require.Eventually(t, to.rq.filled, time.Minute, time.Millisecond) // from here on it has been woken
	require.False(t, look())
	m, err := to.Receive(t.Context())
	require.NoError(t, err)
	require.Equal(t, "late", m.String())
	require.Len(t, kept, 100)
}
