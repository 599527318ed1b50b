package serpy_test

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/protocol"
)

// flood is how many of a kind come in one attack.
func flood() int {
	if testing.Short() {
		return 200
	}
	return 1000
}

// alive has a stranger's session answer one message more.
func (p *stranger) alive(n int) {
	p.t.Helper()
	p.say(func(f *protocol.Frame) { f.First, f.Count, f.Body = uint64(n), 1, units(1) })
	p.until(n)
}

// refused knocks with a Hello, and wants to be told a code.
func (s *siege) refused(t *testing.T, h *protocol.Hello, code protocol.Code) {
	t.Helper()
	conn := call(t, s.Address(), hello(h))
	answer, err := io.ReadAll(conn)
	require.False(t, timedOut(err))
	_ = conn.Close()
	refuse, err := refusal(answer)
	require.NoError(t, err)
	require.Equal(t, code, refuse.Code, refuse.Reason)
}

// Hellos that resume a session which is not theirs, and ones whose link number is
// stale, do not touch the live link.
func TestFloodOfHellosForAnothersSession(t *testing.T) {
	s := besiege(t, &serpy.Options{SessionTimeout: time.Minute})
	h := strangerHello()
	h.Link = 10
	own := visit(t, s.Address(), h)
	s.more = 1
	n := 0
	h.Seen = own.answer.Opening
	for name, test := range map[string]struct {
		change func(h *protocol.Hello)
		code   protocol.Code
	}{
		"7.1 another secret":              {func(h *protocol.Hello) { h.Secret = drawID() }, protocol.CodeUnknown},
		"7.1 another secret, from afresh": {func(h *protocol.Hello) { h.Secret, h.Seen = drawID(), protocol.ID{} }, protocol.CodeUnknown},
		"7.1 another opening":             {func(h *protocol.Hello) { h.Seen = drawID() }, protocol.CodeUnknown},
		"7.3 the present link number":     {func(h *protocol.Hello) { h.Link = 10 }, protocol.CodeStale},
		"7.3 an older link number":        {func(h *protocol.Hello) { h.Link = 1 }, protocol.CodeStale},
	} {
		t.Run(name, func(t *testing.T) {
			s.under(t, flood(), func() {
				bad := *h
				bad.Link = 11
				test.change(&bad)
				s.refused(t, &bad, test.code)
			})
			n++
			own.alive(n)
		})
	}
}

// Thousands of slow handshakes give way to each other, and to those who know the way;
// those that speak this wire are told.
func TestFloodOfSlowHandshakes(t *testing.T) {
	const most = 64
	s := besiege(t, &serpy.Options{MaxHandshakes: most, HandshakeTimeout: time.Minute, SessionTimeout: 20 * time.Millisecond})
	whole := hello(strangerHello())
	for name, first := range map[string][]byte{
		"nothing": nil, "half a preface": whole[:4], "half a Hello": whole[:len(whole)/2],
	} {
		t.Run("7.1 "+name, func(t *testing.T) {
			s.under(t, 3, func() {
				conns := make([]net.Conn, 0, flood())
				for range flood() {
					conns = append(conns, call(t, s.Address(), first))
				}
				for _, conn := range conns[:len(conns)-most] {
					answer, err := io.ReadAll(conn)
					require.False(t, timedOut(err))
					if bytes.HasPrefix(first, []byte(protocol.Preface)) && err == nil && len(answer) > 0 {
						refuse, err := refusal(answer)
						require.NoError(t, err)
						require.Equal(t, protocol.CodeBusy, refuse.Code)
					}
				}
				eventually(t, func() bool { return s.Stats().Handshaking == most })
				for _, conn := range conns {
					_ = conn.Close()
				}
			})
		})
	}
}

// New sessions that are abandoned at once are bounded in number, and in time.
func TestFloodOfAbandonedSessions(t *testing.T) {
	s := besiege(t, &serpy.Options{MaxParked: 50, SessionTimeout: 50 * time.Millisecond})
	for name, do := range map[string]func(p *stranger){
		"at once":                  func(*stranger) {},
		"with a message":           func(p *stranger) { p.say(data(units(1), 1)) },
		"with answers that wait":   func(p *stranger) { p.say(data(unit(0, nil, []byte("three")), 1)); p.until(1) },
		"amid a large message":     func(p *stranger) { p.say(data(begun(70_000), 1)) },
		"in the middle of a frame": func(p *stranger) { p.raw(p.frame(data(units(9), 9))[:50]) },
	} {
		t.Run("7.6 "+name, func(t *testing.T) {
			s.under(t, 3, func() {
				var group sync.WaitGroup
				for range 4 {
					group.Go(func() {
						for range flood() / 4 {
							p := greet(t, s.Address(), strangerHello())
							do(p)
							_ = p.conn.Close()
						}
					})
				}
				group.Wait()
				require.LessOrEqual(t, s.Stats().Parked, 50)
			})
		})
	}
}

// Frames that nothing forbids come as fast as they can: they cost no memory, and
// few answers.
func TestFloodOfFrames(t *testing.T) {
	s := besiege(t, &serpy.Options{SessionTimeout: 20 * time.Millisecond})
	ping := kind(protocol.KindPing, protocol.AppendPing(nil, protocol.Ping{Sent: 1})...)
	for name, change := range map[string]func(f *protocol.Frame){
		"5.3 Pings":                ping,
		"5.3 Pongs":                kind(protocol.KindPong, protocol.AppendPong(nil, protocol.Pong{})...),
		"3.1 frames without units": func(*protocol.Frame) {},
		"7.4 asked for an ack":     func(f *protocol.Frame) { f.Flags = protocol.AckNow },
		"5.4 Seen of nothing":      kind(protocol.KindSeen, protocol.AppendNack(nil, protocol.Nack{Unit: 1 << 40})...),
	} {
		t.Run(name, func(t *testing.T) {
			s.under(t, 5, func() {
				p := greet(t, s.Address(), strangerHello())
				many := bytes.Repeat(p.frame(change), 100)
				for range flood() { // 100 000 frames, or less
					p.raw(many)
				}
				p.alive(1)
				_ = p.conn.Close()
			})
		})
	}
}

// A peer whose units no application takes sends them for ever, behind a message that
// nobody acknowledges.
func TestFloodOfUnitsBehindAnOpenMessage(t *testing.T) {
	reply := protocol.Meta{Role: protocol.Reply, Correlation: 77}
	for name, u := range map[string][]byte{
		"4.9 replies to no request": unit(protocol.UnitMeta, reply.Append(nil), []byte("x")),
		"4.4 gaps":                  unit(protocol.UnitGap, nil, protocol.AppendGap(nil, protocol.Gap{First: 5, Last: 9, Count: 5, Reason: uint8(serpy.LostWithSession)})),
	} {
		t.Run(name, func(t *testing.T) {
			s := besiege(t, &serpy.Options{
				AckWhen: serpy.OnProcessed, SessionTimeout: 20 * time.Millisecond,
				ReceiveQueue: serpy.Queue{Messages: 1024, Bytes: 1 << 20}, MaxMessage: 1 << 20,
			})
			s.under(t, 3, func() {
				p := greet(t, s.Address(), strangerHello())
				p.say(data(unit(0, nil, []byte("hoard")), 1))
				p.pour(20*flood(), u)
				_ = p.conn.Close()
			})
		})
	}
}

// pour sends so many units more, as the Limit allows.
func (p *stranger) pour(n int, u []byte) {
	p.t.Helper()
	limit, next := p.answer.Lane(0).LimitUnits, uint64(2)
	for end := next + uint64(n); next < end; {
		k := int(min(limit+1, end) - next)
		if k > 0 {
			p.say(func(f *protocol.Frame) {
				f.First, f.Count, f.Body = next, k, bytes.Repeat(u, k)
			})
			next += uint64(k)
		}
		f, err := p.read()
		require.NoError(p.t, err)
		if f.Kind == protocol.KindData {
			limit = f.LimitUnits
		}
	}
}

// Peers that ask and never read stall themselves, until WriteStall ends their links.
func TestPeersThatNeverRead(t *testing.T) {
	s := besiege(t, &serpy.Options{WriteStall: 100 * time.Millisecond, SessionTimeout: 20 * time.Millisecond, MaxMessage: 1 << 20})
	m := unit(0, nil, make([]byte, 60_000))
	s.under(t, 3, func() {
		var group sync.WaitGroup
		for range 10 {
			group.Go(func() {
				p := greet(t, s.Address(), strangerHello())
				_ = p.conn.(*net.TCPConn).SetReadBuffer(4096)
				for i := uint64(1); i < 200; i++ {
					_, err := p.conn.Write(p.frame(func(f *protocol.Frame) { f.First, f.Count, f.Body = i, 1, m }))
					if err != nil {
						break
					}
				}
				_, err := io.Copy(io.Discard, p.conn)
				assert.False(t, timedOut(err), "the link has an end")
				_ = p.conn.Close()
			})
		}
		group.Wait()
	})
}
