package serpy_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/serpytest"
)

// valve is a handler that begins to read when it is opened, and gives what it read
// at the end of the stream.
type valve struct {
	open chan struct{}
	all  chan []serpy.Message
}

func newValve() *valve {
	return &valve{open: make(chan struct{}), all: make(chan []serpy.Message, 16)}
}

func (v *valve) serve(ctx context.Context, c *serpy.Connection) error {
	select {
	case <-v.open:
	case <-ctx.Done():
	}
	var got []serpy.Message
	for m := range c.Messages(ctx) {
		got = append(got, m.Clone())
	}
	v.all <- got
	return c.Err()
}

// small is a peer that has room for few messages, and tells of each that is taken.
func small() *serpy.Options { return &serpy.Options{ReceiveQueue: serpy.Queue{Messages: 8}} }

// account checks a stream of n messages, whose payload is their number from 1: what
// came and what the Gaps say are together all of them, each at its place.
func account(t *testing.T, n int, got []serpy.Message) (dropped int) {
	t.Helper()
	next := uint64(1)
	for _, m := range got {
		if g := m.Gap; g != nil {
			require.Equal(t, serpy.DroppedBySender, g.Reason)
			require.Equal(t, next, g.First, "a Gap stands at its place")
			require.Equal(t, g.Count, g.Last-g.First+1)
			next = g.Last + 1
			dropped += int(g.Count)
		}
		require.Equal(t, next, m.ID)
		require.Equal(t, fmt.Sprint(next), m.String()[:len(fmt.Sprint(next))])
		next++
	}
	require.EqualValues(t, n, next-1, "the last message is there, or its Gap stands before what follows")
	return dropped
}

func TestDroppingPoliciesAccountForAll(t *testing.T) {
	const n = 500
	for _, test := range []struct {
		policy serpy.Policy
		first  uint64 // the first message of the last few that must have come, at least
	}{{serpy.DropOldest, n - 3}, {serpy.DropNewest, 0}, {serpy.KeepLatest, n - 3}} {
		t.Run(test.policy.String(), func(t *testing.T) {
			v := newValve()
			c := dial(t, serve(t, small(), v.serve), &serpy.Options{SendQueue: serpy.Queue{Messages: 4, Policy: test.policy}})
			most := 0
			for i := range n {
				require.NoError(t, c.Send(t.Context(), fmt.Append(nil, i+1)), "it never waits")
				most = max(most, c.Stats().SendQueue.Messages)
			}
			assert.LessOrEqual(t, most, 8, "the bound holds for what is written and for what is not")
			if test.policy == serpy.KeepLatest {
				_, err := c.TrySend(serpy.Message{Data: []byte("x"), Tag: 1})
				require.NoError(t, err)
			}
			close(v.open)
			stats := c.Stats()
			sent := int(stats.Sent)
			// The end is an acked message, which nothing drops.
			require.NoError(t, c.SendAcked(t.Context(), fmt.Append(nil, sent+1)))
			require.NoError(t, c.Close())
			got := <-v.all
			if test.policy == serpy.KeepLatest {
				for i := range got { // the tagged one counts as any other
					if got[i].Tag == 1 {
						got[i].Data = fmt.Append(nil, n+1)
					}
				}
			}
			dropped := account(t, sent+1, got)
			require.Equal(t, sent+1, len(got)+dropped, "received + dropped = sent")
			require.EqualValues(t, dropped, c.Stats().Dropped, "our count of them")
			require.Greater(t, dropped, n/2)
			if test.policy == serpy.DropNewest {
				for i, m := range got[:4] {
					require.EqualValues(t, i+1, m.ID, "the old ones stay")
				}
				return
			}
			last := got[len(got)-2].ID
			require.GreaterOrEqual(t, last, test.first, "the newest come through")
		})
	}
}

// Nobody drops a message that somebody waits for.
func TestAckedIsNeverDropped(t *testing.T) {
	for _, policy := range []serpy.Policy{serpy.DropOldest, serpy.DropNewest, serpy.KeepLatest} {
		t.Run(policy.String(), func(t *testing.T) {
			v := newValve()
			c := dial(t, serve(t, small(), v.serve), &serpy.Options{SendQueue: serpy.Queue{Messages: 4, Policy: policy}})
			var receipts []serpy.Receipt
			var acked []uint64
			full := false
			for i := range 200 {
				m := serpy.Message{Data: fmt.Append(nil, i+1)}
				if i%10 == 0 && !full {
					m.Mode = serpy.Acked
				}
				r, err := c.TrySend(m)
				if m.Mode == serpy.Acked && err != nil {
					require.ErrorIs(t, err, serpy.ErrQueueFull, "an acked one waits; TrySend does not")
					full = true
					m.Mode = serpy.Plain
					_, err = c.TrySend(m)
					require.NoError(t, err)
					continue
				}
				require.NoError(t, err)
				if m.Mode == serpy.Acked {
					receipts, acked = append(receipts, r), append(acked, uint64(i+1))
				}
			}
			require.True(t, full, "the queue was full of acked messages")
			if policy != serpy.DropNewest { // which makes room for nobody
				require.GreaterOrEqual(t, len(acked), 4)
			}
			waiting := make(chan error, 1)
			go func() { waiting <- c.SendAcked(t.Context(), []byte("201")) }()
			close(v.open)
			for _, r := range receipts {
				require.NoError(t, r.Wait(t.Context()))
			}
			require.NoError(t, <-waiting)
			require.NoError(t, c.Close())
			got := <-v.all
			account(t, 201, got)
			came := map[uint64]bool{}
			for _, m := range got {
				came[m.ID] = true
			}
			for _, id := range acked {
				require.True(t, came[id], "acked message %d", id)
			}
		})
	}
}

// One message on its way and the newest behind it: a viewer.
func TestKeepLatestIsTheNewest(t *testing.T) {
	v := newValve()
	s := serve(t, &serpy.Options{ReceiveQueue: serpy.Queue{Messages: 1}}, v.serve)
	c := dial(t, s, &serpy.Options{SendQueue: serpy.Queue{Messages: 1, Policy: serpy.KeepLatest}})
	const n = 1000
	for i := range n {
		require.NoError(t, c.Send(t.Context(), fmt.Append(nil, i+1)))
	}
	close(v.open)
	require.NoError(t, c.Flush(t.Context()))
	require.NoError(t, c.Close())
	got := <-v.all
	require.LessOrEqual(t, len(got), 10)
	require.EqualValues(t, n, got[len(got)-1].ID, "the newest")
	account(t, n, got)
}

// Each Tag has its newest message.
func TestKeepLatestOfEachTag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newValve()
		l := serpytest.Listen(serpytest.Link{})
		c := serpytest.ServeOn(t, l, v.serve, &serpy.Options{SendQueue: serpy.Queue{Messages: 3, Policy: serpy.KeepLatest}})
		l.Refuse(true)
		l.CutAll()
		synctest.Wait()
		for i := range 300 {
			_, err := c.TrySend(serpy.Message{Data: fmt.Append(nil, i+1), Tag: uint32(i % 3)})
			require.NoError(t, err)
		}
		l.Refuse(false)
		close(v.open)
		require.NoError(t, c.Flush(t.Context()))
		require.NoError(t, c.Close())
		got := <-v.all
		require.Len(t, got, 3)
		for i, m := range got {
			require.EqualValues(t, i, m.Tag)
			require.EqualValues(t, 298+i, m.ID)
		}
		require.Equal(t, &serpy.Gap{First: 1, Last: 297, Count: 297, Reason: serpy.DroppedBySender}, got[0].Gap)
	})
}

// The bounds of a Block queue hold, in messages and in bytes, whoever sends.
func TestBoundsHold(t *testing.T) {
	for _, test := range []struct {
		name string
		q    serpy.Queue
		size int
	}{
		{"messages", serpy.Queue{Messages: 10}, 100},
		{"bytes", serpy.Queue{Bytes: 10_000}, 1000},
		{"bytes of fragments", serpy.Queue{Bytes: 300_000}, 100_000},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := newValve()
			c := dial(t, serve(t, &serpy.Options{ReceiveQueue: serpy.Queue{Messages: 4}}, v.serve), nil)
			require.NoError(t, c.SetSendQueue(test.q))
			var senders sync.WaitGroup
			for range 8 {
				senders.Go(func() {
					for range 25 {
						assert.NoError(t, c.Send(t.Context(), make([]byte, test.size)))
					}
				})
			}
			full := false
			for e := range c.Events(t.Context()) {
				if slow, ok := e.(serpy.SlowPeer); ok {
					full = slow.Queue.Messages > 0
					break
				}
			}
			require.True(t, full)
			for range 100 {
				q := c.Stats().SendQueue
				if test.q.Messages > 0 {
					require.LessOrEqual(t, q.Messages, test.q.Messages)
				}
				if test.q.Bytes > 0 {
					require.LessOrEqual(t, q.Bytes, test.q.Bytes)
				}
			}
			close(v.open)
			senders.Wait()
			require.NoError(t, c.Close())
			require.Len(t, <-v.all, 200)
			require.Zero(t, c.Stats().Dropped)
		})
	}
}

// Bytes count also behind a Gap that waits for the link.
func TestBoundsHoldBehindAGap(t *testing.T) {
	l := serpytest.Listen(serpytest.Link{})
	s, err := serpy.NewServer(l, &serpy.Options{MaxMessage: 50_000, SendQueue: serpy.Queue{Bytes: 100_000}, CloseTimeout: 50 * time.Millisecond})
	require.NoError(t, err)
	defer s.Close()
	c := dialMemory(t, l, nil)
	server, err := s.Accept(t.Context())
	require.NoError(t, err)
	l.Refuse(true)
	l.CutAll()
	for e := range server.Events(t.Context()) {
		if _, down := e.(serpy.Disconnected); down {
			break
		}
	}
	missed := 0
	for range 100 {
		n, err := s.Broadcast(serpy.Message{Data: make([]byte, 30_000)})
		require.NoError(t, err)
		missed += n
		if _, err := server.TrySend(serpy.Message{Data: make([]byte, 9000)}); err != nil {
			require.ErrorIs(t, err, serpy.ErrQueueFull)
		}
	}
	require.Equal(t, 98, missed)
	q := server.Stats().SendQueue
	require.LessOrEqual(t, q.Bytes, 100_000)
	l.Refuse(false)
	require.NoError(t, server.Flush(t.Context()))
	require.NoError(t, server.Send(t.Context(), []byte("end")))
	var sum, gaps uint64
	for m := range c.Messages(t.Context()) {
		sum++
		if m.Gap != nil {
			gaps += m.Gap.Count
		}
		if m.String() == "end" {
			break
		}
	}
	require.EqualValues(t, missed, gaps)
	require.Equal(t, server.Stats().Sent, sum+gaps)
}

// dialMemory dials a listener in memory.
func dialMemory(t *testing.T, l *serpytest.Listener, o *serpy.Options) *serpy.Connection {
	t.Helper()
	var with serpy.Options
	if o != nil {
		with = *o
	}
	with.Dial = l.DialAddress
	c, err := serpy.Dial(t.Context(), "tcp://memory:1", &with)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Who waits for room gets it in turn.
func TestWaitersAreServedInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newValve()
		c, _ := serpytest.Serve(t, v.serve, &serpy.Options{ReceiveQueue: serpy.Queue{Messages: 1}, SendQueue: serpy.Queue{Messages: 1}})
		const n = 50
		for range 2 {
			require.NoError(t, c.Send(t.Context(), []byte("0")))
		}
		gone, cancel := context.WithCancel(t.Context())
		for i := range n {
			ctx := t.Context()
			if i%7 == 3 {
				ctx = gone
			}
			go func() { _, _ = c.SendMessage(ctx, serpy.Message{Data: fmt.Append(nil, i)}) }()
			synctest.Wait() // each is in the line before the next one comes
		}
		cancel()
		synctest.Wait()
		_, err := c.TrySend(serpy.Message{})
		require.ErrorIs(t, err, serpy.ErrQueueFull, "nobody overtakes")
		close(v.open)
		synctest.Wait()
		require.NoError(t, c.Close())
		got := (<-v.all)[2:]
		want := 0
		for _, m := range got {
			for want%7 == 3 {
				want++
			}
			require.Equal(t, fmt.Sprint(want), m.String())
			want++
		}
		require.Equal(t, n, want)
	})
}

func TestSetSendQueue(t *testing.T) {
	v := newValve()
	c := dial(t, serve(t, &serpy.Options{ReceiveQueue: serpy.Queue{Messages: 1}}, v.serve), &serpy.Options{SendQueue: serpy.Queue{Messages: 2}})
	for i := 1; ; i++ {
		if _, err := c.TrySend(serpy.Message{Data: fmt.Append(nil, i)}); err != nil {
			break
		}
	}
	waiting := make(chan error, 1)
	n := int(c.Stats().Sent)
	go func() { waiting <- c.Send(t.Context(), fmt.Append(nil, n+1)) }()
	require.NoError(t, c.SetSendQueue(serpy.Queue{Messages: 20}))
	require.NoError(t, <-waiting, "there is room now")
	require.NoError(t, c.SetSendQueue(serpy.Queue{Messages: 2, Policy: serpy.KeepLatest}))
	for i := range 100 {
		require.NoError(t, c.Send(t.Context(), fmt.Append(nil, n+2+i)), "it drops now")
	}
	require.NoError(t, c.SetSendQueue(serpy.Queue{Messages: 1000}))
	for i := range 10 {
		require.NoError(t, c.Send(t.Context(), fmt.Append(nil, n+102+i)))
	}
	close(v.open)
	require.NoError(t, c.Close())
	got := <-v.all
	dropped := account(t, n+111, got)
	require.Equal(t, n+111, len(got)+dropped)
	require.GreaterOrEqual(t, dropped, 90)
	for i := range 10 {
		require.EqualValues(t, n+102+i, got[len(got)-10+i].ID, "what was sent under Block all came")
	}
}

// What was received before the peer closed is there to be read, by a handler too,
// also if the session ended before anybody took it.
func TestCloseLosesNothing(t *testing.T) {
	for _, late := range []bool{false, true} {
		t.Run(fmt.Sprint("late ", late), func(t *testing.T) {
			s, err := serpy.Listen("tcp://127.0.0.1:0", nil)
			require.NoError(t, err)
			v := newValve()
			ctx, cancel := context.WithCancel(t.Context())
			served := make(chan error, 1)
			begin := func() { go func() { served <- s.Serve(ctx, v.serve) }() }
			if !late {
				begin()
			}
			c, err := serpy.Dial(t.Context(), s.Address(), nil)
			require.NoError(t, err)
			const n = 1000
			for i := range n {
				require.NoError(t, c.Send(t.Context(), fmt.Append(nil, i+1)))
			}
			require.NoError(t, c.Close(), "all is confirmed")
			if late {
				begin()
			}
			close(v.open)
			require.Zero(t, account(t, n, <-v.all))
			cancel()
			require.NoError(t, <-served)
		})
	}
}
