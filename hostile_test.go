package serpy_test

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
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
}

// visit dials and shakes hands.
func visit(t *testing.T, address string, h *protocol.Hello) *stranger {
	t.Helper()
	p := &stranger{t: t, conn: knock(t, address, hello(h)), hello: h, dec: protocol.Native{}.NewDecoder(1 << 20)}
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
	f := &protocol.Frame{Kind: protocol.KindData, First: 1, LimitUnits: 1000, LimitBytes: 1 << 20}
	change(f)
	_, _ = p.conn.Write(frame(p.t, f)) // it may be cut already
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

// warnings picks the lines of a log that a person should read.
func warnings(lines []string) []string {
	return slices.DeleteFunc(lines, func(line string) bool { return !strings.HasPrefix(line, "WARN") })
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

// What a peer does against the rules of the wire, as said in frames whose sums are
// right. late ones show when the application reads.
var hostilities = []struct {
	name string
	do   func(p *stranger)
	late bool
}{
	{"acknowledges what was never sent", func(p *stranger) { p.say(func(f *protocol.Frame) { f.Received = 1000 }) }, false},
	{"processed more than it received", func(p *stranger) { p.say(func(f *protocol.Frame) { f.Processed = 1 }) }, false},
	{"received counts backwards", func(p *stranger) { p.say(func(f *protocol.Frame) { f.Received = 1<<32 - 1 }) }, false},
	{"Limit counts backwards", func(p *stranger) { p.say(func(f *protocol.Frame) { f.LimitUnits = 10 }) }, false},
	{"Limit in bytes counts backwards", func(p *stranger) { p.say(func(f *protocol.Frame) { f.LimitBytes = 256 }) }, false},
	{"overruns the Limit in units", func(p *stranger) { p.say(data(units(17), 17)) }, false},
	{"overruns the Limit in bytes", func(p *stranger) {
		for i := range 8 {
			p.say(func(f *protocol.Frame) {
				f.First, f.Count, f.Body = uint64(i+1), 1, unit(0, nil, make([]byte, 60_000))
			})
		}
	}, false},
	{"another first number", func(p *stranger) {
		p.say(func(f *protocol.Frame) { f.First, f.Count, f.Body = 2, 1, units(1) })
	}, false},
	{"another lane", func(p *stranger) { p.say(func(f *protocol.Frame) { f.Lane = 1 }) }, false},
	{"a second Hello", func(p *stranger) {
		p.say(func(f *protocol.Frame) {
			f.Kind, f.Body, f.First, f.LimitUnits, f.LimitBytes = protocol.KindHello, protocol.AppendHello(nil, p.hello), 0, 0, 0
		})
	}, false},
	{"unknown kind", func(p *stranger) { _, _ = p.conn.Write(head(15, 0, 0, 0)) }, false},
	{"unknown flag", func(p *stranger) { _, _ = p.conn.Write(head(1, 8, 0, 0)) }, false},
	{"no checksum, which was not agreed", func(p *stranger) {
		p.say(func(f *protocol.Frame) { f.Flags, f.Count, f.Body = protocol.NoSum, 1, units(1) })
	}, false},
	{"a body of the largest length", func(p *stranger) { _, _ = p.conn.Write(head(1, 0, 1<<24-1, 1)) }, false},
	{"a control frame with units", func(p *stranger) { _, _ = p.conn.Write(head(4, 0, 8, 1)) }, false},
	{"garbage", func(p *stranger) { _, _ = p.conn.Write([]byte("GET / HTTP/1.1\r\nHost: me\r\n\r\n\r\n\r\n")) }, false},
	{"refuses what was never sent", func(p *stranger) {
		p.say(func(f *protocol.Frame) {
			f.Kind, f.First, f.Body = protocol.KindNack, 0, protocol.AppendNack(nil, protocol.Nack{Unit: 77})
		})
	}, false},
	{"a Ping of no body", func(p *stranger) { p.say(func(f *protocol.Frame) { f.Kind = protocol.KindPing }) }, false},

	{"a run shorter than its count", func(p *stranger) { p.say(data(units(3), 4)) }, true},
	{"a run longer than its count", func(p *stranger) { p.say(data(units(5), 4)) }, true},
	{"a unit longer than its run", func(p *stranger) { p.say(data([]byte{200, 1, 0, 1}, 1)) }, true},
	{"unknown flags of a unit", func(p *stranger) { p.say(data([]byte{2, 0x80, 1}, 1)) }, true},
	{"metadata that is none", func(p *stranger) { p.say(data(unit(protocol.UnitMeta, []byte{1, 99, 1}, nil), 1)) }, true},
	{"a payload that is not base85", func(p *stranger) { p.say(data(unit(protocol.UnitBase85, nil, []byte("\x00\x01\x02")), 1)) }, true},
	{"a fragment of nothing", func(p *stranger) { p.say(data(unit(protocol.UnitContinued, nil, []byte("x")), 1)) }, true},
	{"a message amid another", func(p *stranger) {
		m := protocol.Meta{Size: 100}
		p.say(data(append(unit(protocol.UnitMore|protocol.UnitMeta, m.Append(nil), []byte("x")), units(1)...), 2))
	}, true},
	{"fragments longer than their message", func(p *stranger) {
		m := protocol.Meta{Size: 2}
		p.say(data(append(unit(protocol.UnitMore|protocol.UnitMeta, m.Append(nil), []byte("x")), unit(protocol.UnitContinued, nil, []byte("xxx"))...), 2))
	}, true},
	{"fragments of a message of 2 GiB", func(p *stranger) {
		m := protocol.Meta{Size: 1<<31 - 1}
		p.say(data(unit(protocol.UnitMore|protocol.UnitMeta, m.Append(nil), []byte("x")), 1))
	}, true},
	{"a gap that does not fit", func(p *stranger) {
		p.say(data(append(units(3), unit(protocol.UnitGap, nil, protocol.AppendGap(nil, protocol.Gap{First: 2, Last: 3, Count: 2}))...), 4))
	}, true},
	{"a gap that is none", func(p *stranger) { p.say(data(unit(protocol.UnitGap, nil, nil), 1)) }, true},
	{"a header in disorder", func(p *stranger) {
		m := protocol.Meta{Header: append(protocol.AppendHeader(nil, map[string]string{"b": ""}), protocol.AppendHeader(nil, map[string]string{"a": ""})...)}
		p.say(data(unit(protocol.UnitMeta, m.Append(nil), nil), 1))
	}, true},
}

// Whoever breaks a rule of the wire behind its handshake loses the link, with a
// ProtocolError; where it shows only when the application reads, the session ends,
// as what was confirmed cannot be had.
func TestHostilePeers(t *testing.T) {
	log := &notebook{}
	s, err := serpy.Listen("tcp://127.0.0.1:0", &serpy.Options{
		ReceiveQueue: serpy.Queue{Messages: 16, Bytes: 100_000}, MaxMessage: 70_000, Logger: slog.New(log),
	})
	require.NoError(t, err)
	defer s.Close()
	other := dial(t, s, nil)
	good, err := s.Accept(t.Context())
	require.NoError(t, err)
	go func() { _ = echo(t.Context(), good) }()
	before, goroutines := heap(), runtime.NumGoroutine()
	for _, test := range hostilities {
		t.Run(test.name, func(t *testing.T) {
			p := visit(t, s.Address(), strangerHello())
			c, err := s.Accept(t.Context())
			require.NoError(t, err)
			test.do(p)
			var broken *serpy.ProtocolError
			if test.late {
				for err == nil {
					_, err = c.Receive(t.Context())
				}
				require.ErrorAs(t, err, &broken)
				named(t, err)
				<-c.Done()
				require.ErrorAs(t, c.Err(), &broken)
				require.ErrorIs(t, c.Err(), net.ErrClosed)
				_, ok := c.TryReceive()
				require.False(t, ok)
			} else {
				for e := range c.Events(t.Context()) {
					if down, ok := e.(serpy.Disconnected); ok {
						require.ErrorAs(t, down.Err, &broken, "%v", down)
						break
					}
				}
				require.Equal(t, serpy.Down, c.State(), "the session may come back")
			}
			require.Equal(t, "native", broken.Codec)
			why := p.reason()
			require.Equal(t, protocol.CodeProtocol, why.Code)
			require.Contains(t, broken.Error(), why.Reason, "the peer is told")
			require.Len(t, warnings(log.about(p.conn.LocalAddr().String())), 1, "logged once")
			require.NoError(t, c.Close())
		})
	}
	m, err := other.Request(t.Context(), serpy.TextMessage("still there"))
	require.NoError(t, err)
	require.Equal(t, "still there", m.String())
	require.Equal(t, 1, other.Stats().Links)
	eventually(t, func() bool { return runtime.NumGoroutine() <= goroutines })
	require.Less(t, int64(heap())-int64(before), int64(8<<20))
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
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				p := &stranger{t: t, conn: conn, dec: protocol.Native{}.NewDecoder(1 << 20)}
				f, err := p.read()
				if err != nil {
					continue
				}
				h, err := protocol.DecodeHello(f.Body)
				assert.NoError(t, err)
				sessions <- h.Session
				answer := strangerHello()
				answer.Session, answer.Secret, answer.Link, answer.Opening = h.Session, protocol.ID{}, 0, protocol.ID{1}
				answer.Resumed = h.Link > 1
				_, _ = conn.Write(hello(answer))
				p.say(func(f *protocol.Frame) { f.Received = 1000 })
			}
		}()
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
