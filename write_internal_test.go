package serpy

import (
	"context"
	"encoding/binary"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
)

// linked gives a connection with a link whose other end the test holds, the preface
// and a Hello read. The sockets hold little, so that they are soon full.
func linked(t *testing.T) (c *Connection, far net.Conn) {
	t.Helper()
	listener, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	require.NoError(t, err)
	near, err := net.Dial("unix", listener.Addr().String())
	require.NoError(t, err)
	far, err = listener.Accept()
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	require.NoError(t, near.(*net.UnixConn).SetWriteBuffer(16<<10))
	require.NoError(t, far.SetReadDeadline(time.Now().Add(time.Minute)))
	c = offline(t, 1<<20)
	l := newLink(Native, c.opt.MaxMessage, near)
	l.c, l.most = c, c.opt.MaxMessage
	c.mu.Lock()
	c.link = l
	c.mu.Unlock()
	t.Cleanup(func() {
		l.fail(net.ErrClosed)
		l.writer.Wait()
		_ = far.Close()
	})
	h := c.hello(l)
	h.Opening = newID()
	require.NoError(t, l.writeFrame(protocol.KindHello, protocol.AppendHello(nil, &h)))
	return c, far
}

// frames reads frames until see says that it has enough.
func frames(t *testing.T, conn net.Conn, see func(*protocol.Frame) (more bool)) {
	t.Helper()
	dec := Native.NewDecoder(0)
	var b []byte
	part := make([]byte, 1<<10)
	for {
		f, n, err := dec.Decode(b)
		if err == nil {
			b = b[n:]
			if f.Kind != protocol.KindHello && !see(&f) {
				return
			}
			continue
		}
		require.True(t, protocol.IsShort(err), err)
		n, err = conn.Read(part)
		require.NoError(t, err)
		b = append(b, part[:n]...)
	}
}

// A sender that writes himself finds the socket full in the middle of a group: who
// sends next must not write before the rest of it.
func TestNobodyOvertakesAWriteThatWasCutShort(t *testing.T) {
	c, far := linked(t)
	const count, size = 200, 4 << 10
	payload := make([]byte, size)
	for i := range count {
		binary.BigEndian.PutUint32(payload, uint32(i))
		c.prompt.Store(true)
		require.NoError(t, c.Send(t.Context(), payload))
	}
	c.mu.Lock()
	assert.True(t, c.link.writing, "the sockets hold everything: the test shows nothing")
	c.mu.Unlock()
	next, unit := 0, uint64(1)
	frames(t, far, func(f *protocol.Frame) bool {
		require.Equal(t, unit, f.First)
		unit += uint64(f.Count)
		for run := f.Body; len(run) > 0; next++ {
			u, rest, err := protocol.NextUnit(run)
			require.NoError(t, err)
			require.EqualValues(t, next, binary.BigEndian.Uint32(u.Payload))
			run = rest
		}
		return next < count
	})
}

// What the sender cannot write at once must not hold him: nobody reads, and the
// context is done only when it has to be.
func TestASenderNeverWaitsForTheSocket(t *testing.T) {
	c, _ := linked(t)
	for c.q.bytes < 512<<10 {
		c.prompt.Store(true)
		_, err := c.TrySend(Message{Data: make([]byte, 32<<10)})
		require.NoError(t, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- c.SendAcked(ctx, []byte("x")) }()
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
}
