package serpy_test

import (
	"encoding/binary"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/protocol"
)

// What a peer does against the rules of the wire behind its handshake, as said in
// frames whose sums are right, and the section of SPEC.md that the reason names.
var hostilities = []struct {
	rule, name string
	do         func(p *stranger)
}{
	{"3.1", "a second preface", func(p *stranger) { p.raw(append([]byte(protocol.Preface), head(4, 0, 1, 0)...)) }},
	{"3.1", "a head with another sum", func(p *stranger) { p.raw(flipped(p.frame(kind(protocol.KindPing, 0)), 28)) }},
	{"3.1", "a body with another sum", func(p *stranger) { p.raw(flipped(p.frame(data(units(1), 1)), protocol.HeadSize)) }},
	{"3.1", "a kind that there is not", func(p *stranger) { p.raw(head(15, 0, 0, 0)) }},
	{"3.1", "a flag that there is not", func(p *stranger) { p.raw(head(1, 8, 0, 0)) }},
	{"3.1", "no checksum, which was not agreed", func(p *stranger) {
		p.say(func(f *protocol.Frame) { f.Flags, f.Count, f.Body = protocol.NoSum, 1, units(1) })
	}},
	{"3.1", "a frame of the largest length", func(p *stranger) { p.raw(head(1, 0, 1<<24-1, 1)) }},
	{"3.1", "a control frame with units", func(p *stranger) { p.raw(head(4, 0, 8, 1)) }},
	{"3.1", "units without a body", func(p *stranger) { p.raw(head(1, 0, 0, 1)) }},
	{"3.1", "a body without units", func(p *stranger) { p.raw(head(1, 0, 8, 0)) }},
	{"3.1", "more units than there can be", func(p *stranger) { p.raw(head(1, 0, 8, 5)) }},
	{"3.1", "garbage", func(p *stranger) { p.raw([]byte("GET / HTTP/1.1\r\nHost: me\r\n\r\n\r\n\r\n")) }},
	{"3.2", "acknowledges what was never sent", func(p *stranger) { p.say(func(f *protocol.Frame) { f.Received = 1000 }) }},
	{"3.2", "received counts backwards", func(p *stranger) { p.say(func(f *protocol.Frame) { f.Received = 1<<32 - 1 }) }},
	{"3.2", "received counts backwards behind an acknowledgement", func(p *stranger) {
		n := p.answered(4)
		p.say(func(f *protocol.Frame) { f.First, f.Received = 5, n })
		p.say(func(f *protocol.Frame) { f.First, f.Received = 5, n-1 })
	}},
	{"3.2", "processed more than it received", func(p *stranger) { p.say(func(f *protocol.Frame) { f.Processed = 1 }) }},
	{"3.2", "processed counts backwards", func(p *stranger) { p.say(func(f *protocol.Frame) { f.Processed = 1<<24 - 1 }) }},
	{"3.2", "Limit counts backwards", func(p *stranger) { p.say(func(f *protocol.Frame) { f.LimitUnits = 10 }) }},
	{"3.2", "Limit in bytes counts backwards", func(p *stranger) { p.say(func(f *protocol.Frame) { f.LimitBytes = 256 }) }},
	{"3.3", "another first number", func(p *stranger) { p.say(func(f *protocol.Frame) { f.First, f.Count, f.Body = 2, 1, units(1) }) }},
	{"3.3", "another first number, without units", func(p *stranger) { p.say(func(f *protocol.Frame) { f.First = 77 }) }},
	{"3.3", "a unit again", func(p *stranger) { p.say(data(units(1), 1)); p.say(data(units(1), 1)) }},
	{"3.4", "overruns the Limit in units", func(p *stranger) { p.say(data(units(17), 17)) }},
	{"3.4", "overruns the Limit in bytes", func(p *stranger) {
		p.say(data(unit(0, nil, []byte("sleep")), 1))
		for i := range 8 {
			p.say(func(f *protocol.Frame) {
				f.First, f.Count, f.Body = uint64(i+2), 1, unit(0, nil, make([]byte, 60_000))
			})
		}
	}},
	{"3.5", "acknowledges half a group", func(p *stranger) {
		p.say(data(unit(0, nil, []byte("three")), 1))
		p.until(3)
		p.say(func(f *protocol.Frame) { f.First, f.Received = 2, 2 })
	}},
	{"3.6", "another lane", func(p *stranger) { p.say(func(f *protocol.Frame) { f.Lane = 7 }) }},

	{"3.1", "a run longer than its count", func(p *stranger) { p.say(data(units(5), 4)) }},
	{"3.1", "a run shorter than its count", func(p *stranger) { p.say(data(units(3), 4)) }},
	{"4.1", "a unit longer than its run", func(p *stranger) { p.say(data([]byte{200, 1, 0, 1}, 1)) }},
	{"4.1", "a length of a unit without end", func(p *stranger) { p.say(data([]byte{0xff, 0xff, 0xff, 0xff, 1}, 1)) }},
	{"4.1", "unknown flags of a unit", func(p *stranger) { p.say(data([]byte{2, 0x80, 1}, 1)) }},
	{"4.1", "a payload larger than a unit's", func(p *stranger) { p.say(data(unit(0, nil, make([]byte, protocol.FragmentSize+1)), 1)) }},
	{"4.1", "an end with a payload", func(p *stranger) { p.say(data([]byte{1, byte(protocol.UnitEnd), 'x'}, 1)) }},
	{"4.1", "a later fragment with metadata", func(p *stranger) {
		p.say(data(unit(protocol.UnitContinued|protocol.UnitMeta, []byte{1, 1, 1}, []byte("x")), 1))
	}},
	{"4.2", "metadata longer than its unit", func(p *stranger) { p.say(data([]byte{3, byte(protocol.UnitMeta), 100, 1, 1}, 1)) }},
	{"4.2", "metadata that is none", func(p *stranger) { p.say(data(unit(protocol.UnitMeta, []byte{1, 99, 1}, nil), 1)) }},
	{"2.4", "a mandatory field that nobody knows", func(p *stranger) { p.say(data(unit(protocol.UnitMeta, []byte{0xff, 0}, nil), 1)) }},
	{"4.3", "a header in disorder", func(p *stranger) {
		m := protocol.Meta{Header: append(protocol.AppendHeader(nil, map[string]string{"b": ""}), protocol.AppendHeader(nil, map[string]string{"a": ""})...)}
		p.say(data(unit(protocol.UnitMeta, m.Append(nil), nil), 1))
	}},
	{"4.4", "a gap that does not fit", func(p *stranger) { p.say(data(append(units(3), gap(2, 3, 2)...), 4)) }},
	{"4.4", "a gap of more than fit", func(p *stranger) { p.say(data(gap(5, 7, 4), 1)) }},
	{"4.4", "a gap that is none", func(p *stranger) { p.say(data(unit(protocol.UnitGap, nil, nil), 1)) }},
	{"4.5", "a unit behind the end", func(p *stranger) { p.say(data(append(unit(protocol.UnitEnd, nil, nil), units(1)...), 2)) }},
	{"4.7", "a fragment of nothing", func(p *stranger) { p.say(data(unit(protocol.UnitContinued, nil, []byte("x")), 1)) }},
	{"4.7", "a message amid another", func(p *stranger) { p.say(data(append(begun(100), units(1)...), 2)) }},
	{"4.7", "a gap amid a message", func(p *stranger) { p.say(data(append(begun(100), gap(1, 3, 3)...), 2)) }},
	{"4.7", "fragments longer than their message", func(p *stranger) {
		p.say(data(append(begun(2), unit(protocol.UnitContinued, nil, []byte("abc"))...), 2))
	}},
	{"4.7", "fragments shorter than their message", func(p *stranger) {
		p.say(data(append(begun(200), unit(protocol.UnitContinued, nil, []byte("abc"))...), 2))
	}},
	{"4.7", "fragments of a message of 2 GiB", func(p *stranger) { p.say(data(begun(1<<31-1), 1)) }},
	{"4.8", "a payload that is not base85", func(p *stranger) { p.say(data(unit(protocol.UnitBase85, nil, []byte("\x00\x01\x02")), 1)) }},

	{"5", "a second Hello", func(p *stranger) { p.say(kind(protocol.KindHello, protocol.AppendHello(nil, p.hello)...)) }},
	{"5", "a Refuse on an open link", func(p *stranger) {
		p.say(kind(protocol.KindRefuse, protocol.AppendRefuse(nil, &protocol.Refuse{Code: protocol.CodeBusy})...))
	}},
	{"5.3", "a Ping of no body", func(p *stranger) { p.say(kind(protocol.KindPing)) }},
	{"5.3", "a Pong of no body", func(p *stranger) { p.say(kind(protocol.KindPong)) }},
	{"5.4", "refuses what was never sent", func(p *stranger) {
		p.say(kind(protocol.KindNack, protocol.AppendNack(nil, protocol.Nack{Unit: 77})...))
	}},
	{"5.4", "refuses unit 0", func(p *stranger) { p.say(kind(protocol.KindNack, 0, 0)) }},
	{"5.4", "a Seen of nothing", func(p *stranger) { p.say(kind(protocol.KindSeen)) }},
	{"5.5", "a Close that is cut short", func(p *stranger) { p.say(kind(protocol.KindClose, 0, 4, 'b')) }},
}

// What a peer does against the rules in its Hello, or instead of one; h is a good one,
// of a session of its own. told says whether it is answered, and by which code.
var rudeness = []struct {
	rule, name string
	first      func(h *protocol.Hello) []byte
	told       bool
	code       protocol.Code
}{
	{"2.1", "another protocol", func(*protocol.Hello) []byte { return []byte("GET / HTTP/1.1\r\nHost: me\r\n\r\n\r\n\r\n\r\n") }, false, 0},
	{"2.1", "line ends that were changed", func(*protocol.Hello) []byte { return []byte("\x89SPY\n\x1a\n 0123456789012345678901234567890") }, false, 0},
	{"2.1", "data before the Hello", behindPreface(head(1, 0, 0, 0)), true, protocol.CodeProtocol},
	{"2.1", "a Refuse instead of a Hello", func(*protocol.Hello) []byte {
		b, _ := protocol.Native{}.NewEncoder().Append(nil, &protocol.Frame{Kind: protocol.KindRefuse, Body: protocol.AppendRefuse(nil, &protocol.Refuse{})})
		return b
	}, true, protocol.CodeProtocol},
	{"3.1", "a Hello of the largest length", behindPreface(head(2, 0, 1<<24-1, 0)), true, protocol.CodeProtocol},
	{"3.1", "a head with another sum", func(h *protocol.Hello) []byte { return flipped(hello(h), len(protocol.Preface)+28) }, true, protocol.CodeProtocol},
	{"3.1", "a body with another sum", func(h *protocol.Hello) []byte { return flipped(hello(h), len(protocol.Preface)+40) }, true, protocol.CodeProtocol},
	{"2.4", "a mandatory field that nobody knows", spoilt(func(b []byte) []byte { return append(b, 0xff, 0) }), true, protocol.CodeProtocol},
	{"5.1", "a field twice", spoilt(func(b []byte) []byte { return append(append(b, 0x84, 1, 2), 0x84, 1, 2) }), true, protocol.CodeProtocol},
	{"5.1", "a Hello that is cut short", spoilt(func(b []byte) []byte { return b[:len(b)-1] }), true, protocol.CodeProtocol},
	{"5.1", "no session", with(func(h *protocol.Hello) { h.Session = protocol.ID{} }), true, protocol.CodeProtocol},
	{"7.1", "no secret", with(func(h *protocol.Hello) { h.Secret = protocol.ID{} }), true, protocol.CodeProtocol},
	{"7.1", "no link number", with(func(h *protocol.Hello) { h.Link = 0 }), true, protocol.CodeProtocol},
	{"7.1", "another version", with(func(h *protocol.Hello) { h.MinVersion, h.MaxVersion = 9, 9 }), true, protocol.CodeWrongVersion},
	{"7.1", "a session that is gone", with(func(h *protocol.Hello) { h.Seen = drawID() }), true, protocol.CodeUnknown},
}

func with(change func(h *protocol.Hello)) func(h *protocol.Hello) []byte {
	return func(h *protocol.Hello) []byte { change(h); return hello(h) }
}

func behindPreface(b []byte) func(*protocol.Hello) []byte {
	return func(*protocol.Hello) []byte { return append([]byte(protocol.Preface), b...) }
}

// spoilt is a Hello whose body was changed, under sums that are right.
func spoilt(change func(b []byte) []byte) func(h *protocol.Hello) []byte {
	return func(h *protocol.Hello) []byte {
		b, err := protocol.Native{}.NewEncoder().Append(nil, &protocol.Frame{Kind: protocol.KindHello, Body: change(protocol.AppendHello(nil, h))})
		if err != nil {
			panic(err)
		}
		return b
	}
}

// repeats is how often each row is done.
const repeats = 5

// Whoever breaks a rule of the wire behind its handshake is told which one and loses
// the link, and leaves nothing behind but one line in the log.
func TestHostilePeers(t *testing.T) {
	s := besiege(t, &serpy.Options{SessionTimeout: 20 * time.Millisecond})
	for _, test := range hostilities {
		t.Run(test.rule+" "+test.name, func(t *testing.T) {
			s.under(t, repeats, func() {
				p := greet(t, s.Address(), strangerHello())
				test.do(p)
				why := p.reason()
				require.Equal(t, protocol.CodeProtocol, why.Code)
				require.Contains(t, why.Reason, "(SPEC.md "+test.rule+")")
				_ = p.conn.Close()
				s.logged(t, p.conn, "WARN")
			})
		})
	}
}

// Whoever is rude at the door is turned away, told why if it speaks this wire, and
// leaves nothing behind but one line in the log.
func TestRudePeers(t *testing.T) {
	s := besiege(t, &serpy.Options{SessionTimeout: 20 * time.Millisecond})
	for _, test := range rudeness {
		t.Run(test.rule+" "+test.name, func(t *testing.T) {
			s.under(t, repeats, func() {
				conn := call(t, s.Address(), test.first(strangerHello()))
				answer, err := io.ReadAll(conn)
				require.False(t, timedOut(err), "the link has an end")
				if test.told {
					refuse, err := refusal(answer)
					require.NoError(t, err)
					require.Equal(t, test.code, refuse.Code)
					require.NotEmpty(t, refuse.Reason)
				} else {
					require.Empty(t, answer, "nothing is said to who does not speak this wire")
				}
				_ = conn.Close()
				s.logged(t, conn, "INFO serpy: refused")
			})
		})
	}
}

// A session that somebody resumes with counts that cannot be loses that link, and goes
// on with its own next one.
func TestRudeResumes(t *testing.T) {
	s := besiege(t, &serpy.Options{SessionTimeout: time.Minute}) // it ends by Close, however slow the machine is
	for name, change := range map[string]func(h *protocol.Hello){
		"received what was never sent": func(h *protocol.Hello) { h.Lanes[0].Received = 1000 },
		"received less than before":    func(h *protocol.Hello) { h.Lanes[0].Received = 0 },
		"processed before received":    func(h *protocol.Hello) { h.Lanes[0].Processed = 1000 },
		"taken before received":        func(h *protocol.Hello) { h.Lanes[0].Taken = 1000 },
		"Limit moved back":             func(h *protocol.Hello) { h.Lanes[0].LimitUnits = 1 },
		"another AckWhen":              func(h *protocol.Hello) { h.AckWhen = protocol.OnProcessed },
		"another base":                 func(h *protocol.Hello) { h.BaseID = 99 },
	} {
		t.Run("7.2 "+name, func(t *testing.T) {
			s.under(t, repeats, func() {
				h := strangerHello()
				p := greet(t, s.Address(), h)
				n := p.answered(2)
				p.heard(n) // a reset could destroy what is not read yet
				_ = p.conn.Close()
				h.Seen, h.Link = p.answer.Opening, 2
				h.Lanes[0].Received = n
				bad := *h
				bad.Lanes = []protocol.Counts{h.Lanes[0]}
				change(&bad)
				p = greet(t, s.Address(), &bad)
				require.True(t, p.answer.Resumed)
				why := p.reason()
				require.Equal(t, protocol.CodeProtocol, why.Code)
				require.Contains(t, why.Reason, "(SPEC.md 7.2)")
				_ = p.conn.Close()
				s.logged(t, p.conn, "INFO serpy: refused")
				h.Link = 3
				p = greet(t, s.Address(), h)
				require.True(t, p.answer.Resumed)
				require.EqualValues(t, 2, p.answer.Lane(0).Received)
				p.say(func(f *protocol.Frame) {
					f.Kind, f.First, f.Received = protocol.KindClose, 3, n
					f.Body = protocol.AppendClose(nil, protocol.Close{Reason: "bye"})
				})
				p.reason()
				_ = p.conn.Close()
			})
		})
	}
}

// heard waits until the peer has read that we have received so much.
func (p *stranger) heard(received uint64) {
	p.t.Helper()
	p.say(func(f *protocol.Frame) {
		f.Kind, f.First, f.Received = protocol.KindPing, 3, received
		f.Body = protocol.AppendPing(nil, protocol.Ping{})
	})
	for {
		f, err := p.read()
		require.NoError(p.t, err)
		if f.Kind == protocol.KindPong {
			return
		}
	}
}

// kind makes a control frame.
func kind(k protocol.Kind, body ...byte) func(*protocol.Frame) {
	return func(f *protocol.Frame) {
		f.Kind, f.Body = k, body
		if k == protocol.KindHello || k == protocol.KindRefuse {
			f.First, f.LimitUnits, f.LimitBytes = 0, 0, 0
		}
	}
}

func gap(first, last, count uint64) []byte {
	b := binary.AppendUvarint(binary.AppendUvarint(binary.AppendUvarint(nil, first), last), count)
	return unit(protocol.UnitGap, nil, append(b, 0))
}

// begun is the first fragment, of one byte, of a message of so many.
func begun(size int) []byte {
	m := protocol.Meta{Size: size}
	return unit(protocol.UnitMore|protocol.UnitMeta, m.Append(nil), []byte("x"))
}

func flipped(b []byte, at int) []byte {
	b[at] ^= 1
	return b
}
