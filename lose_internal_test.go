package serpy

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
)

// offline is a dialled connection that dials nobody, and whose session is told that it
// has a link to a peer with room for so many units.
func offline(t *testing.T, room uint64) *Connection {
	t.Helper()
	opt, err := (&Options{}).withDefaults()
	require.NoError(t, err)
	c := newConnection(opt, nil, "nowhere", opt.Wires[0])
	t.Cleanup(c.stop)
	c.newSession(newID(), newID(), 0)
	meetPeer(t, c, room)
	return c
}

func meetPeer(t *testing.T, c *Connection, room uint64) {
	t.Helper()
	require.NoError(t, c.sess.LinkUp(time.Now(), &protocol.Hello{Lanes: []protocol.Counts{{LimitUnits: room, LimitBytes: 1 << 20}}}))
}

// writeAll takes from the queue what the writer would, and says how many units.
func writeAll(c *Connection) (n int) {
	for {
		units, room := c.sess.Credit()
		g := c.q.pick(c.sess.Next(), units, room)
		if g == nil {
			return n
		}
		c.sess.Written(g.count, g.bytes())
		n += g.count
	}
}

// Who waits for a message that was lost is told at once, not when there is a link
// again.
func TestLostReceiptsResolveAtOnce(t *testing.T) {
	c := offline(t, 2)
	var receipts []Receipt
	for range 3 {
		r, err := c.TrySend(Message{Data: []byte("x"), Mode: Acked})
		require.NoError(t, err)
		receipts = append(receipts, r)
	}
	require.Equal(t, 2, writeAll(c))
	for _, r := range receipts {
		resolved, _ := r.Poll()
		require.False(t, resolved)
	}
	cause := errors.New("gone")
	require.ErrorIs(t, c.loseSession(cause), cause)
	for i, r := range receipts {
		resolved, err := r.Poll()
		require.Equal(t, i < 2, resolved, "the third was never written")
		if resolved {
			require.ErrorIs(t, err, ErrUnconfirmed)
			require.ErrorIs(t, err, cause)
		}
	}
}

func TestTheEndIsSaidInTheNextSessionToo(t *testing.T) {
	c := offline(t, 100)
	require.NoError(t, c.Send(t.Context(), []byte("x")))
	c.mu.Lock() // as CloseSend does, which then waits
	c.q.addEnd()
	c.saidEnd = true
	c.mu.Unlock()
	require.Equal(t, 2, writeAll(c))
	require.Error(t, c.loseSession(errors.New("gone")))
	n := c.q.groups.len()
	require.Equal(t, 2, n, "the gap and the end")
	require.True(t, c.q.groups.at(n-1).mark)
	require.Error(t, c.loseSession(errors.New("again")))
	require.Equal(t, n, c.q.groups.len(), "once")
}

func TestCodesAfterWhichADiallerComesAgain(t *testing.T) {
	for code, again := range map[protocol.Code]bool{
		protocol.CodeNormal: false, protocol.CodeError: false, protocol.CodeProtocol: false, protocol.CodeRefused: false,
		protocol.CodeGoingAway: true, protocol.CodeBusy: true, protocol.CodeEvicted: true, protocol.CodeEvicted + 1: true,
	} {
		require.Equal(t, again, comesAgain(code), "%v", code)
	}
}
