package serpy_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/serpytest"
)

// notebook is a log that a test reads.
type notebook struct {
	mu    sync.Mutex
	lines []string
}

func (n *notebook) Enabled(context.Context, slog.Level) bool { return true }
func (n *notebook) WithAttrs([]slog.Attr) slog.Handler       { return n }
func (n *notebook) WithGroup(string) slog.Handler            { return n }
func (n *notebook) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	n.mu.Lock()
	n.lines = append(n.lines, line)
	n.mu.Unlock()
	return nil
}

// about gives the lines that name what.
func (n *notebook) about(what string) (lines []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, line := range n.lines {
		if strings.Contains(line, what) {
			lines = append(lines, line)
		}
	}
	return lines
}

// frame is one frame as a peer writes it behind its preface.
func frame(t *testing.T, f *protocol.Frame) []byte {
	t.Helper()
	enc := protocol.Native{}.NewEncoder()
	first, err := enc.Append(nil, &protocol.Frame{Kind: protocol.KindPing, Body: protocol.AppendPing(nil, protocol.Ping{})})
	require.NoError(t, err)
	both, err := enc.Append(bytes.Clone(first), f)
	require.NoError(t, err)
	return both[len(first):]
}

// head is a head that says what no encoder writes, with a good checksum.
func head(kind, flags byte, length uint32, count uint16) []byte {
	var b [protocol.HeadSize]byte
	b[0] = kind<<4 | flags
	b[2], b[3], b[4] = byte(length), byte(length>>8), byte(length>>16)
	binary.LittleEndian.PutUint16(b[5:], count)
	binary.LittleEndian.PutUint32(b[28:], protocol.Sum(0, b[:28]))
	return b[:]
}

func drawID() (id protocol.ID) {
	_, _ = rand.Read(id[:])
	return id
}

// strangerHello is a Hello of a peer that a test plays.
func strangerHello() *protocol.Hello {
	return &protocol.Hello{
		MinVersion: protocol.Version, MaxVersion: protocol.Version,
		Session: drawID(), Secret: drawID(), Instance: drawID(), Link: 1, Name: "stranger", MaxMessage: 1 << 20,
		Lanes: []protocol.Counts{{LimitUnits: 1000, LimitBytes: 1 << 20}},
	}
}

func hello(h *protocol.Hello) []byte {
	b, err := protocol.Native{}.NewEncoder().Append(nil, &protocol.Frame{Kind: protocol.KindHello, Body: protocol.AppendHello(nil, h)})
	if err != nil {
		panic(err)
	}
	return b
}

func knock(t *testing.T, address string, first []byte) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(address, "tcp://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, _ = conn.Write(first) // the other side may have closed already
	return conn
}

// refusals gives the next n Refused events of a server.
func refusals(t *testing.T, s *serpy.Server, n int) (all []serpy.Refused) {
	t.Helper()
	for c, e := range s.Events(t.Context()) {
		if r, ok := e.(serpy.Refused); ok {
			require.Nil(t, c)
			if all = append(all, r); len(all) == n {
				break
			}
		}
	}
	return all
}

// A peer that does not open a session has an end within its deadline, is logged
// once, and leaves the others alone.
func TestBadPeers(t *testing.T) {
	const deadline = 200 * time.Millisecond
	refuse := func(change func(h *protocol.Hello)) []byte {
		h := strangerHello()
		change(h)
		return hello(h)
	}
	preface := []byte(protocol.Preface)
	garbage := make([]byte, 4000)
	for i := range garbage {
		garbage[i] = byte(i*i>>3) | 1
	}
	good := hello(strangerHello())
	for _, test := range []struct {
		name  string
		first []byte
		says  string // in the Refused event
		late  bool   // ends with the deadline
		code  protocol.Code
		told  bool // gets a Refuse with code
	}{
		{"HTTP", []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), "speaks HTTP", false, 0, false},
		{"garbage", garbage, "another protocol", false, 0, false},
		{"TLS", []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), "speaks TLS", false, 0, false},
		{"mangled line ends", []byte("\x89SPY\n\x1a\n"), "changes bytes", false, 0, false},
		{"seven bits", []byte("\x09SPY\r\n\x1a\n"), "changes bytes", false, 0, false},
		{"wrong version", refuse(func(h *protocol.Hello) { h.MinVersion, h.MaxVersion = 2, 9 }), "wrong version", false, protocol.CodeWrongVersion, true},
		{"no secret", refuse(func(h *protocol.Hello) { h.Secret = protocol.ID{} }), "secret", false, protocol.CodeProtocol, true},
		{"session that is gone", refuse(func(h *protocol.Hello) { h.Seen = drawID() }), "no such session", false, protocol.CodeUnknown, true},
		{"largest length", append(preface[:8:8], head(2, 0, 1<<24-1, 0)...), "bytes", false, 0, false},
		{"4 GiB", append(preface[:8:8], "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"...), "checksum", false, 0, false},
		{"data first", append(preface[:8:8], head(1, 0, 0, 0)...), "first frame", false, 0, false},
		{"half a Hello", good[:len(good)/2], "within the handshake timeout", true, 0, false},
		{"half a preface", preface[:4], "within the handshake timeout", true, 0, false},
		{"nothing", nil, "within the handshake timeout", true, 0, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			log := &notebook{}
			s := serve(t, &serpy.Options{HandshakeTimeout: deadline, Logger: slog.New(log)}, echo)
			other := dial(t, s, nil)
			begin := time.Now()
			conn := knock(t, s.Address(), test.first)
			answer, err := io.ReadAll(conn)
			took := time.Since(begin)
			if err != nil {
				require.NotErrorIs(t, err, context.DeadlineExceeded)
			}
			r := refusals(t, s, 1)[0]
			require.ErrorContains(t, r.Err, test.says)
			require.Equal(t, conn.LocalAddr().String(), r.Addr)
			require.Len(t, log.about(r.Addr), 1, "logged once")
			if test.late {
				require.GreaterOrEqual(t, took, deadline)
				require.True(t, timedOut(r.Err))
			}
			require.Less(t, took, deadline+2*time.Second)
			if test.told {
				f, _, err := protocol.Native{}.NewDecoder(1 << 20).Decode(answer)
				require.NoError(t, err)
				require.Equal(t, protocol.KindRefuse, f.Kind)
				refuse, err := protocol.DecodeRefuse(f.Body)
				require.NoError(t, err)
				require.Equal(t, test.code, refuse.Code)
			} else {
				require.Empty(t, answer, "nothing is said to who does not speak this wire")
			}
			m, err := other.Request(t.Context(), serpy.TextMessage("still there"))
			require.NoError(t, err)
			require.Equal(t, "still there", m.String())
			require.Equal(t, 1, other.Stats().Links)
			stats := s.Stats()
			require.EqualValues(t, 1, stats.Refused)
			require.Equal(t, 1, stats.Connected)
		})
	}
}

func timedOut(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

// A dialler that reaches something else says so within its deadline.
func TestBadServers(t *testing.T) {
	for name, answer := range map[string]string{
		"HTTP": "HTTP/1.1 400 Bad Request\r\n\r\n", "silence": "", "4 GiB": protocol.Preface + strings.Repeat("\xff", 32),
		"a Ping": protocol.Preface + string(head(4, 0, 0, 0)),
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer l.Close()
			conns := make(chan net.Conn, 1)
			go func() {
				conn, err := l.Accept()
				if err == nil {
					_, _ = conn.Write([]byte(answer))
					conns <- conn
				}
			}()
			begin := time.Now()
			_, err = serpy.Dial(t.Context(), l.Addr().String(), &serpy.Options{HandshakeTimeout: 100 * time.Millisecond})
			named(t, err)
			require.Less(t, time.Since(begin), 3*time.Second)
			defer (<-conns).Close()
			if answer == "" {
				require.True(t, timedOut(err))
				return
			}
			var broken *serpy.ProtocolError
			require.ErrorAs(t, err, &broken)
			require.Equal(t, "native", broken.Codec)
		})
	}
}

// heap is the bytes in use after a collection.
func heap() (bytes uint64) {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// Slow handshakes by the hundred are cheap, bounded, and keep nobody out.
func TestSlowHandshakes(t *testing.T) {
	pki := newAuthority(t)
	whole := hello(strangerHello())
	long := strangerHello()
	long.Name = strings.Repeat("x", 1024)
	long.Build = strings.Repeat("x", 1024)
	for len(long.Lanes) < 70 {
		long.Lanes = append(long.Lanes, protocol.Counts{Lane: uint8(len(long.Lanes)), LimitUnits: 1 << 60, LimitBytes: 1 << 60})
	}
	larger := hello(long)
	require.Greater(t, len(larger), 3500)
	for _, test := range []struct {
		name  string
		first []byte
		tls   bool
	}{{"nothing", nil, false}, {"half a Hello", whole[:len(whole)/2], false}, {"most of a large Hello", larger[:len(larger)-1], false}, {"nothing over TLS", nil, true}, {"half a ClientHello", []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), true}} {
		t.Run(test.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			counter := &counting{Listener: l}
			address, served, client := "tcp://"+l.Addr().String(), net.Listener(counter), &serpy.Options{}
			if test.tls {
				address = "tls://" + l.Addr().String()
				served = tls.NewListener(counter, &tls.Config{Certificates: []tls.Certificate{pki.issue(t, "server")}})
				client.TLS = &tls.Config{RootCAs: pki.pool}
			}
			s, err := serpy.NewServer(served, &serpy.Options{HandshakeTimeout: time.Minute, MaxHandshakes: 200})
			require.NoError(t, err)
			defer s.Close()
			before := heap()
			var conns []net.Conn
			for range 200 {
				conns = append(conns, knock(t, l.Addr().String(), test.first))
			}
			eventually(t, func() bool {
				return s.Stats().Handshaking == 200 && counter.read.Load() == int64(200*len(test.first))
			})
			each := (int64(heap()) - int64(before)) / 200
			t.Logf("%d bytes a handshake", each)
			assert.Less(t, each, int64(64<<10))

			// One more: the oldest gives way.
			c, err := serpy.Dial(t.Context(), address, client)
			require.NoError(t, err)
			defer c.Close()
			refused := refusals(t, s, 1)[0]
			require.Equal(t, conns[0].LocalAddr().String(), refused.Addr)
			require.ErrorContains(t, refused.Err, "too many handshakes")
			eventually(t, func() bool { return s.Stats().Handshaking == 199 })
			_, err = io.ReadAll(conns[0])
			require.False(t, timedOut(err), "it has an end")
			begin := time.Now()
			require.NoError(t, s.Close(), "it does not wait for them")
			require.Less(t, time.Since(begin), 2*time.Second)
		})
	}
}

// counting counts what is read from the connections that it accepts.
type counting struct {
	net.Listener
	read atomic.Int64
}

func (l *counting) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &counted{conn, l}, nil
}

type counted struct {
	net.Conn
	by *counting
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.by.read.Add(int64(n))
	return n, err
}

// eventually waits for a condition that nothing tells of.
func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	for begin := time.Now(); !condition(); <-time.After(time.Millisecond) {
		require.Less(t, time.Since(begin), 10*time.Second)
	}
}

// A flood of strangers does not keep those out who know the way.
func TestFloodOfStrangers(t *testing.T) {
	s := serve(t, &serpy.Options{MaxHandshakes: 8, HandshakeTimeout: time.Second}, echo)
	ctx, cancel := context.WithCancel(t.Context())
	var flood sync.WaitGroup
	address := strings.TrimPrefix(s.Address(), "tcp://")
	for i := range 4 {
		flood.Go(func() {
			for ctx.Err() == nil {
				conn, err := net.Dial("tcp", address)
				if err != nil {
					continue
				}
				if i%2 == 0 {
					_, _ = conn.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
				}
				_ = conn.Close()
			}
		})
	}
	for i := range 50 {
		c, err := serpy.Dial(t.Context(), s.Address(), &serpy.Options{Reconnect: serpy.Reconnect{FirstDial: serpy.RetryUntilDone, Min: time.Millisecond, Max: 5 * time.Millisecond}})
		require.NoError(t, err)
		m, err := c.Request(t.Context(), serpy.TextMessage(fmt.Sprint(i)))
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(i), m.String())
		require.NoError(t, c.Close())
	}
	cancel()
	flood.Wait()
	require.Zero(t, s.Stats().Connected)
}

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
	{"fragments of a message of 4 GiB", func(p *stranger) {
		m := protocol.Meta{Size: 1 << 32}
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
			for err == nil || !test.late && err == nil {
				_, err = p.read()
			}
			_, err = p.conn.Read(make([]byte, 1))
			require.False(t, timedOut(err), "the link has an end")
			require.NotEmpty(t, log.about(p.conn.LocalAddr().String()))
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
