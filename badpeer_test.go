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
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/internal/testca"
	"github.com/serpy-go/serpy/protocol"
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
	line := r.Level.String() + " " + r.Message
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

// knock dials, and closes at the end of the test.
func knock(t *testing.T, address string, first []byte) net.Conn {
	t.Helper()
	conn := call(t, address, first)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// call dials and writes the first bytes.
func call(t *testing.T, address string, first []byte) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(address, "tcp://"))
	require.NoError(t, err)
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
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

// busy is what a machine that has other things to do may take for what takes moments:
// less than the default of what a test sets to milliseconds.
const busy = 4 * time.Second

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
		{"largest length", append(preface[:8:8], head(2, 0, 1<<24-1, 0)...), "bytes", false, protocol.CodeProtocol, true},
		{"4 GiB", append(preface[:8:8], "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"...), "checksum", false, protocol.CodeProtocol, true},
		{"data first", append(preface[:8:8], head(1, 0, 0, 0)...), "first frame", false, protocol.CodeProtocol, true},
		{"half a Hello", good[:len(good)/2], "within the handshake timeout", true, protocol.CodeProtocol, true},
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
			require.False(t, timedOut(err), "it has an end")
			r := refusals(t, s, 1)[0]
			require.ErrorContains(t, r.Err, test.says)
			require.Equal(t, conn.LocalAddr().String(), r.Addr)
			require.Len(t, log.about(r.Addr), 1, "logged once")
			if test.late {
				require.GreaterOrEqual(t, took, deadline)
				require.True(t, timedOut(r.Err))
			}
			require.Less(t, took, busy)
			if test.told {
				refuse, err := refusal(answer)
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

// refusal reads the Refuse that a server answered with.
func refusal(answer []byte) (r protocol.Refuse, err error) {
	f, _, err := protocol.Native{}.NewDecoder(1 << 20).Decode(answer)
	if err != nil {
		return r, err
	}
	if f.Kind != protocol.KindRefuse {
		return r, fmt.Errorf("a %v frame", f.Kind)
	}
	return protocol.DecodeRefuse(f.Body)
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
			require.Less(t, time.Since(begin), busy)
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
	pki := testca.New(t)
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
				served = tls.NewListener(counter, &tls.Config{Certificates: []tls.Certificate{pki.Issue(t, "server")}})
				client.TLS = &tls.Config{RootCAs: pki.Pool}
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

			// One more: the oldest gives way, and is told why if it speaks this wire.
			c, err := serpy.Dial(t.Context(), address, client)
			require.NoError(t, err)
			defer c.Close()
			refused := refusals(t, s, 1)[0]
			require.Equal(t, conns[0].LocalAddr().String(), refused.Addr)
			require.ErrorContains(t, refused.Err, "too many handshakes")
			eventually(t, func() bool { return s.Stats().Handshaking == 199 })
			var turned *serpy.RefusedError
			require.ErrorAs(t, refused.Err, &turned)
			require.False(t, turned.Final)
			answer, err := io.ReadAll(conns[0])
			require.False(t, timedOut(err), "it has an end")
			if bytes.HasPrefix(test.first, []byte(protocol.Preface)) {
				refuse, err := refusal(answer)
				require.NoError(t, err)
				require.Equal(t, protocol.CodeBusy, refuse.Code)
			}
			begin := time.Now()
			require.NoError(t, s.Close(), "it does not wait for them")
			require.Less(t, time.Since(begin), busy)
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

func (c *counted) CloseRead() error { return c.Conn.(*net.TCPConn).CloseRead() }

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.by.read.Add(int64(n))
	return n, err
}

// eventually waits for a condition that nothing tells of.
func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	for begin := time.Now(); !condition(); <-time.After(time.Millisecond) {
		require.Less(t, time.Since(begin), time.Minute) // of a loaded machine
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
