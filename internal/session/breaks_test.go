package session

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
)

// TestFramesThatBreakARule has peers that break one rule each. The pair has two
// units each way, received; those of a's are processed.
func TestFramesThatBreakARule(t *testing.T) {
	nack := func(units ...uint64) (b []byte) {
		for _, n := range units {
			b = protocol.AppendNack(b, protocol.Nack{Unit: n})
		}
		return b
	}
	for name, c := range map[string]struct {
		broken  func(f *protocol.Frame)
		section string
	}{
		"honest":                         {func(*protocol.Frame) {}, ""},
		"another lane":                   {func(f *protocol.Frame) { f.Lane = 1 }, "3.6"},
		"a blob in the lane of messages": {func(f *protocol.Frame) { f.Kind = protocol.KindBlob }, "3.6"},
		"a blob in its lane":             {func(f *protocol.Frame) { f.Kind, f.Lane, f.Body = protocol.KindBlob, 1, []byte("x") }, ""},
		"received what was not written":  {func(f *protocol.Frame) { f.Received = 4 }, "3.2"},
		"received moves back":            {func(f *protocol.Frame) { f.Received-- }, "3.2"},
		"processed before received":      {func(f *protocol.Frame) { f.Processed = 4 }, "3.2"},
		"processed moves back":           {func(f *protocol.Frame) { f.Processed-- }, "3.2"},
		"Limit in units moves back":      {func(f *protocol.Frame) { f.LimitUnits-- }, "3.2"},
		"Limit in bytes moves back":      {func(f *protocol.Frame) { f.LimitBytes -= protocol.LimitBytesUnit }, "3.2"},
		"a unit again":                   {func(f *protocol.Frame) { f.First--; f.Count, f.Body = 1, make([]byte, 10) }, "3.3"},
		"a unit is left out":             {func(f *protocol.Frame) { f.First++; f.Count, f.Body = 1, make([]byte, 10) }, "3.3"},
		"no units, another is due":       {func(f *protocol.Frame) { f.First++ }, "3.3"},
		"all units there is room for":    {func(f *protocol.Frame) { f.Count, f.Body = 98, make([]byte, 980) }, ""},
		"a unit beyond the Limit":        {func(f *protocol.Frame) { f.Count, f.Body = 99, make([]byte, 980) }, "3.4"},
		"all bytes there is room for":    {func(f *protocol.Frame) { f.Count, f.Body = 1, make([]byte, 100<<10-20) }, ""},
		"a byte beyond the Limit":        {func(f *protocol.Frame) { f.Count, f.Body = 1, make([]byte, 100<<10-19) }, "3.4"},
		"a Hello":                        {func(f *protocol.Frame) { f.Kind = protocol.KindHello }, "5"},
		"a Refuse":                       {func(f *protocol.Frame) { f.Kind = protocol.KindRefuse }, "5"},
		"a malformed Ping":               {func(f *protocol.Frame) { f.Kind = protocol.KindPing }, "5.3"},
		"a malformed Pong":               {func(f *protocol.Frame) { f.Kind = protocol.KindPong }, "5.3"},
		"an empty Nack":                  {func(f *protocol.Frame) { f.Kind = protocol.KindNack }, "5.4"},
		"refuses what was received":      {func(f *protocol.Frame) { f.Kind, f.Body = protocol.KindNack, nack(3) }, ""},
		"refuses what was not received":  {func(f *protocol.Frame) { f.Kind, f.Body = protocol.KindNack, nack(4) }, "5.4"},
		"refuses what was processed":     {func(f *protocol.Frame) { f.Kind, f.Body = protocol.KindNack, nack(2) }, "5.4"},
		"refuses on and on":              {func(f *protocol.Frame) { f.Kind, f.Body = protocol.KindNack, nack(3, 3) }, "5.4"},
		"a malformed Seen":               {func(f *protocol.Frame) { f.Kind = protocol.KindSeen }, "5.4"},
		"Seen of nothing":                {func(f *protocol.Frame) { f.Kind, f.Body = protocol.KindSeen, nack(1<<40) }, ""},
		"a malformed Close":              {func(f *protocol.Frame) { f.Kind = protocol.KindClose }, "5.5"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, config(0), config(protocol.OnProcessed))
			p.send(3)
			p.give(p.a, p.units(p.b, 2))
			p.b.Processed(1, 2, 2, 20, nil)
			p.ack()
			before := *p.a
			f := p.b.Head(p.now, protocol.KindData, 0, 0)
			c.broken(&f)
			_, err := p.a.HandleFrame(p.now, wire(&f))
			if c.section == "" {
				require.NoError(t, err)
				return
			}
			var e *protocol.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, c.section, e.Section, err)
			require.Equal(t, before.in.received, p.a.in.received)
			require.Equal(t, before.out.received, p.a.out.received)
		})
	}
}

func TestANackFromAPeerThatAcksOnReceiptBreaksARule(t *testing.T) {
	p := newPair(t, config(0), config(0))
	p.send(1)
	f := p.b.Head(p.now, protocol.KindNack, 0, 0)
	f.Body = protocol.AppendNack(nil, protocol.Nack{Unit: 1})
	_, err := p.a.HandleFrame(p.now, wire(&f))
	require.ErrorContains(t, err, "5.4")
}

// TestHellosThatBreakARule resumes a session of which three units were written,
// two are confirmed, and one is processed.
func TestHellosThatBreakARule(t *testing.T) {
	type counts = protocol.Counts
	for name, c := range map[string]struct {
		broken func(h *protocol.Hello, c *counts)
		ok     bool
	}{
		"honest":                        {func(*protocol.Hello, *counts) {}, true},
		"received meanwhile":            {func(_ *protocol.Hello, c *counts) { c.Received = 3 }, true},
		"received moves back":           {func(_ *protocol.Hello, c *counts) { c.Received = 1 }, false},
		"received what was not written": {func(_ *protocol.Hello, c *counts) { c.Received = 4 }, false},
		"processed moves back":          {func(_ *protocol.Hello, c *counts) { c.Processed = 0 }, false},
		"processed before received":     {func(_ *protocol.Hello, c *counts) { c.Processed = 3 }, false},
		"taken before received":         {func(_ *protocol.Hello, c *counts) { c.Taken = 3 }, false},
		"Limit in units moves back":     {func(_ *protocol.Hello, c *counts) { c.LimitUnits-- }, false},
		"Limit in bytes moves back":     {func(_ *protocol.Hello, c *counts) { c.LimitBytes-- }, false},
		"Limit in units without end":    {func(_ *protocol.Hello, c *counts) { c.LimitUnits = 1<<64 - 1 }, false},
		"Limit in bytes without end":    {func(_ *protocol.Hello, c *counts) { c.LimitBytes = 1<<64 - 1 }, false},
		"another AckWhen":               {func(h *protocol.Hello, _ *counts) { h.AckWhen = protocol.OnReceipt }, false},
		"another base":                  {func(h *protocol.Hello, _ *counts) { h.BaseID++ }, false},
		"another redelivered":           {func(h *protocol.Hello, _ *counts) { h.Redelivered++ }, false},
		"no lane":                       {func(h *protocol.Hello, _ *counts) { h.Lanes = nil }, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, config(0), config(protocol.OnProcessed))
			p.send(2)
			p.b.Taken(1, 0, 0)
			p.b.Processed(1, 1, 1, 10, nil)
			p.ack()
			p.units(p.a, 1) // is lost
			p.cut()
			h := hello(p.b)
			n := h.Lanes[0]
			c.broken(h, &n)
			if h.Lanes != nil {
				h.Lanes[0] = n
			}
			err := p.a.LinkUp(p.now, h)
			require.Equal(t, c.ok, p.a.Up())
			if c.ok {
				require.NoError(t, err)
				return
			}
			var e *protocol.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, "7.2", e.Section)
			received, processed := p.a.Confirmed()
			require.Equal(t, []uint64{2, 1}, []uint64{received, processed})
		})
	}
}

func TestThreeBrokenLinksInARowEndTheSession(t *testing.T) {
	for name, made := range map[string]func(p *pair){
		"nothing":   nil,
		"received":  func(p *pair) { p.give(p.a, p.units(p.b, 1)) },
		"confirmed": func(p *pair) { p.send(1); p.ack() },
		"processed": func(p *pair) {
			n := p.b.Received()
			p.b.Processed(n, n, 1, 10, nil)
			p.ack()
		},
		"confirmed by a Hello": func(p *pair) { p.send(1); p.cut(); p.link() },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, config(0), config(protocol.OnProcessed))
			p.send(1)
			p.ack()
			broken := func() bool {
				end := p.a.LinkDown(true)
				p.b.LinkDown(false)
				p.link()
				return end
			}
			require.False(t, broken())
			require.False(t, broken())
			require.False(t, p.a.LinkDown(false), "a lost link breaks no rule")
			p.b.LinkDown(false)
			p.link()
			if made == nil {
				require.True(t, p.a.LinkDown(true))
				return
			}
			made(p)
			require.False(t, broken())
			require.False(t, broken())
			require.True(t, broken())
		})
	}
}

// A group is taken whole or not at all: no acknowledgement ends inside one, neither
// in a head nor in a Hello.
func TestAnAcknowledgementInsideAGroup(t *testing.T) {
	p := newPair(t, config(0), config(0))
	p.send(2)
	p.ack()
	p.units(p.a, 3) // 3 to 5
	p.units(p.a, 1)
	refused := func(err error, section string) {
		t.Helper()
		var e *protocol.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, section, e.Section)
		received, _ := p.a.Confirmed()
		require.EqualValues(t, 2, received)
	}
	for _, inside := range []uint64{3, 4} {
		f := p.b.Head(p.now, protocol.KindData, 0, 0)
		f.Received = inside
		_, err := p.a.HandleFrame(p.now, wire(&f))
		refused(err, "3.5")
	}
	p.cut()
	for _, inside := range []uint64{3, 4} {
		h := hello(p.b)
		h.Lanes[0].Received = inside
		refused(p.a.LinkUp(p.now, h), "7.2")
	}
	h := hello(p.b)
	h.Lanes[0].Received = 5
	require.NoError(t, p.a.LinkUp(p.now, h))
	f := p.b.Head(p.now, protocol.KindData, 0, 0)
	f.Received = 6
	_, err := p.a.HandleFrame(p.now, wire(&f))
	require.NoError(t, err)
	require.Zero(t, p.a.out.groups.n)
}
