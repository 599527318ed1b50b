package serpy_test

import (
	"bytes"
	"io"
	"net"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/serpytest"
)

// stranger is a peer that a test plays, behind its handshake.
type stranger struct {
	t      *testing.T
	conn   net.Conn
	hello  *protocol.Hello
	answer protocol.Hello
	dec    protocol.Decoder
	in     []byte
	got    int // units that until read
}

// visit dials and shakes hands; the link is closed at the end of the test.
func visit(t *testing.T, address string, h *protocol.Hello) *stranger {
	t.Helper()
	p := greet(t, address, h)
	t.Cleanup(func() { _ = p.conn.Close() })
	return p
}

// greet dials and shakes hands.
func greet(t *testing.T, address string, h *protocol.Hello) *stranger {
	t.Helper()
	p := &stranger{t: t, conn: call(t, address, hello(h)), hello: h, dec: protocol.Native{}.NewDecoder(1 << 20)}
	f, err := p.read()
	require.NoError(t, err)
	require.Equal(t, protocol.KindHello, f.Kind)
	p.answer, err = protocol.DecodeHello(f.Body)
	require.NoError(t, err)
	return p
}

// read gives the next frame.
func (p *stranger) read() (protocol.Frame, error) {
	var b [4096]byte
	for {
		f, n, err := p.dec.Decode(p.in)
		if err == nil {
			f.Body = bytes.Clone(f.Body)
			p.in = p.in[n:]
			return f, nil
		}
		if !protocol.IsShort(err) {
			return f, err
		}
		k, err := p.conn.Read(b[:])
		p.in = append(p.in, b[:k]...)
		if k == 0 {
			return f, err
		}
	}
}

// say writes frames whose numbers are right unless the caller changed them.
func (p *stranger) say(change func(f *protocol.Frame)) {
	p.t.Helper()
	p.raw(p.frame(change))
}

// reason reads the link to its end, and gives the Close that stood there.
func (p *stranger) reason() protocol.Close {
	p.t.Helper()
	var last protocol.Frame
	for {
		f, err := p.read()
		if err != nil {
			require.False(p.t, timedOut(err), "the link has an end")
			break
		}
		last = f
	}
	require.Equal(p.t, protocol.KindClose, last.Kind, "the peer gets a reason")
	why, err := protocol.DecodeClose(last.Body)
	require.NoError(p.t, err)
	return why
}

// raw writes bytes.
func (p *stranger) raw(b []byte) { _, _ = p.conn.Write(b) } // it may be cut already

// frame is a frame as say would write it.
func (p *stranger) frame(change func(f *protocol.Frame)) []byte {
	f := &protocol.Frame{Kind: protocol.KindData, First: 1, LimitUnits: 1000, LimitBytes: 1 << 20}
	change(f)
	return frame(p.t, f)
}

// until reads until so many units have come.
func (p *stranger) until(n int) {
	p.t.Helper()
	for p.got < n {
		f, err := p.read()
		require.NoError(p.t, err)
		p.got += f.Count
	}
}

// answered sends n messages, one after the other, and reads as many answers.
func (p *stranger) answered(n int) uint64 {
	p.t.Helper()
	for i := range n {
		p.say(func(f *protocol.Frame) { f.First, f.Count, f.Body = uint64(i+1), 1, units(1) })
		p.until(i + 1)
	}
	return uint64(n)
}

// units is a run of n small messages.
func units(n int) (run []byte) {
	for range n {
		run = protocol.AppendUnit(run, 0, nil, []byte("x"))
	}
	return run
}

func data(run []byte, count int) func(*protocol.Frame) {
	return func(f *protocol.Frame) { f.Body, f.Count = run, count }
}

func unit(flags protocol.UnitFlags, meta, payload []byte) []byte {
	return protocol.AppendUnit(nil, flags, meta, payload)
}

// Three links in a row that break the protocol end the session.
func TestThreeProtocolErrorsEndTheSession(t *testing.T) {
	s, err := serpy.Listen("tcp://127.0.0.1:0", nil)
	require.NoError(t, err)
	defer s.Close()
	h := strangerHello()
	var c *serpy.Connection
	for h.Link = 1; h.Link <= 3; h.Link++ {
		p := visit(t, s.Address(), h)
		h.Seen = p.answer.Opening
		require.Equal(t, h.Link > 1, p.answer.Resumed)
		if c == nil {
			c, err = s.Accept(t.Context())
			require.NoError(t, err)
		}
		p.say(func(f *protocol.Frame) { f.Received = 1000 })
		for err == nil {
			_, err = p.read()
		}
		err = nil
	}
	<-c.Done()
	var lost *serpy.SessionLostError
	require.ErrorAs(t, c.Err(), &lost)
	require.ErrorIs(t, c.Err(), net.ErrClosed)
	conn := knock(t, s.Address(), hello(h))
	answer, _ := io.ReadAll(conn)
	_ = conn.Close()
	f, _, err := protocol.Native{}.NewDecoder(1 << 20).Decode(answer)
	require.NoError(t, err)
	require.Equal(t, protocol.KindRefuse, f.Kind, "the session is no more")
}

// A dialler whose server breaks the protocol on each link goes on with a new
// session after the third, and says what may be lost.
func TestThreeProtocolErrorsOfTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := serpytest.Listen(serpytest.Link{})
		defer l.Close()
		sessions := make(chan protocol.ID, 10)
		go strangeServer(t, l, func(*protocol.Hello) {}, func(p *stranger) {
			sessions <- p.hello.Session
			p.say(func(f *protocol.Frame) { f.Received = 1000 })
		})
		c := dialMemory(t, l, nil)
		first := <-sessions
		for range 2 {
			require.Equal(t, first, <-sessions)
		}
		require.NotEqual(t, first, <-sessions, "a new one")
		for e := range c.Events(t.Context()) {
			if _, lost := e.(serpy.SessionLost); lost {
				break
			}
		}
		l.CutAll()
		_ = c.Close()
	})
}
