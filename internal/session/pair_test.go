package session

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
)

var start = time.Unix(1_000_000, 0)

const heartbeat = 5 * time.Second

func config(when protocol.AckWhen) Config {
	return Config{Units: 100, Bytes: 100 << 10, AckWhen: when, Heartbeat: heartbeat}
}

// A pair is two sessions that talk without bytes between.
type pair struct {
	t    *testing.T
	now  time.Time
	a, b *Session
}

func newPair(t *testing.T, a, b Config) *pair {
	t.Helper()
	caps := protocol.Native{}.Caps()
	p := &pair{t: t, now: start, a: New(caps, a), b: New(caps, b)}
	p.link()
	return p
}

func hello(s *Session) *protocol.Hello {
	c := s.Config()
	return &protocol.Hello{AckWhen: c.AckWhen, BaseID: c.BaseID, Redelivered: c.Redelivered, Lanes: []protocol.Counts{s.Counts()}}
}

func (p *pair) link() {
	p.t.Helper()
	ha, hb := hello(p.a), hello(p.b)
	require.NoError(p.t, p.a.LinkUp(p.now, hb))
	require.NoError(p.t, p.b.LinkUp(p.now, ha))
}

func (p *pair) cut() {
	p.a.LinkDown(false)
	p.b.LinkDown(false)
}

// units is a data frame of new units of 10 bytes each.
func (p *pair) units(from *Session, count int) protocol.Frame {
	first := from.Next()
	from.Written(count, 10*count)
	f := from.Head(p.now, protocol.KindData, first, count)
	f.Body = make([]byte, 10*count)
	return f
}

// give hands a frame to a session as a link would: with the low bits only.
func (p *pair) give(to *Session, f protocol.Frame) Verdict {
	p.t.Helper()
	v, err := to.HandleFrame(p.now, wire(&f))
	require.NoError(p.t, err)
	return v
}

func wire(f *protocol.Frame) *protocol.Frame {
	g := *f
	g.First &= 1<<protocol.FirstBits - 1
	g.Received &= 1<<protocol.ReceivedBits - 1
	g.Processed &= 1<<protocol.ProcessedBits - 1
	g.LimitUnits &= 1<<protocol.LimitUnitsBits - 1
	g.LimitBytes &= (1<<protocol.LimitBytesBits - 1) * protocol.LimitBytesUnit
	return &g
}

// send writes units of a's and has b receive them.
func (p *pair) send(count int) {
	p.t.Helper()
	require.True(p.t, p.give(p.b, p.units(p.a, count)).Units)
}

// ack has b say its numbers to a.
func (p *pair) ack() Verdict {
	p.t.Helper()
	return p.give(p.a, p.b.Head(p.now, protocol.KindData, 0, 0))
}

// control has from say all of its control to to; it gives the kinds.
func (p *pair) control(from, to *Session) (kinds []protocol.Kind, last Verdict) {
	p.t.Helper()
	for {
		f, ok := from.NextControl(p.now)
		if !ok {
			return kinds, last
		}
		kinds = append(kinds, f.Kind)
		last = p.give(to, f)
	}
}
