package session

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
)

const keep = time.Minute

func id(n byte) (i protocol.ID) { i[0] = n; return i }

// dial is a Hello of the n-th session; its secret is 100+n.
func dial(n byte, link uint64) *protocol.Hello {
	return &protocol.Hello{MinVersion: 1, MaxVersion: 1, Session: id(n), Secret: id(100 + n), Link: link}
}

func registry() *Registry {
	return NewRegistry(Bounds{Sessions: 10, Parked: 3, ParkedMem: 1000, Tombstones: 2, Keep: keep})
}

// opened is a registry with sessions 1 to n, whose openings are 200 and more.
func opened(t *testing.T, n byte) *Registry {
	t.Helper()
	r := registry()
	for i := byte(1); i <= n; i++ {
		require.Equal(t, Opened, r.Open(start, dial(i, 1), id(200+i), "", "a").Outcome)
	}
	return r
}

func TestOpenDecides(t *testing.T) {
	for name, c := range map[string]struct {
		hello    func(h *protocol.Hello)
		identity string
		outcome  Outcome
		code     protocol.Code
	}{
		"resumes":                 {func(*protocol.Hello) {}, "", Resumed, 0},
		"resumes what it saw":     {func(h *protocol.Hello) { h.Seen = id(201) }, "", Resumed, 0},
		"another opening":         {func(h *protocol.Hello) { h.Seen = id(7) }, "", Refused, protocol.CodeUnknown},
		"the same link":           {func(h *protocol.Hello) { h.Link = 1 }, "", Refused, protocol.CodeStale},
		"no link":                 {func(h *protocol.Hello) { h.Link = 0 }, "", Refused, protocol.CodeProtocol},
		"another secret":          {func(h *protocol.Hello) { h.Secret = id(9) }, "", Refused, protocol.CodeUnknown},
		"no secret":               {func(h *protocol.Hello) { h.Secret = protocol.ID{} }, "", Refused, protocol.CodeProtocol},
		"another identity":        {func(*protocol.Hello) {}, "mallory", Refused, protocol.CodeRefused},
		"a later version alone":   {func(h *protocol.Hello) { h.MinVersion, h.MaxVersion = 2, 3 }, "", Refused, protocol.CodeWrongVersion},
		"a later version as well": {func(h *protocol.Hello) { h.MaxVersion = 3 }, "", Resumed, 0},
		"version 0 alone":         {func(h *protocol.Hello) { h.MinVersion, h.MaxVersion = 0, 0 }, "", Refused, protocol.CodeWrongVersion},
		"opens":                   {func(h *protocol.Hello) { h.Session = id(2) }, "", Opened, 0},
		"opens for an identity":   {func(h *protocol.Hello) { h.Session = id(2) }, "alice", Opened, 0},
		"lost":                    {func(h *protocol.Hello) { h.Session, h.Seen = id(2), id(201) }, "", Refused, protocol.CodeUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			r := opened(t, 1)
			h := dial(1, 2)
			c.hello(h)
			d := r.Open(start, h, id(250), c.identity, "a")
			require.Equal(t, c.outcome, d.Outcome)
			require.Equal(t, c.code, d.Refuse.Code)
			switch c.outcome {
			case Opened:
				require.Equal(t, id(250), d.Opening)
			case Resumed:
				require.Equal(t, id(201), d.Opening)
				require.True(t, r.Current(id(1), 2))
			case Refused:
				require.NotEmpty(t, d.Refuse.Reason)
				require.True(t, r.Current(id(1), 1), "the live link is untouched")
			}
		})
	}
}

func TestASessionGoesOnForItsIdentity(t *testing.T) {
	r := registry()
	require.Equal(t, Opened, r.Open(start, dial(1, 1), id(0), "alice", "a").Outcome)
	require.Equal(t, protocol.CodeRefused, r.Open(start, dial(1, 2), id(0), "", "a").Refuse.Code)
	require.Equal(t, Resumed, r.Open(start, dial(1, 2), id(0), "alice", "elsewhere").Outcome)
}

func TestARepeatedFirstHelloFindsItsSession(t *testing.T) {
	r := opened(t, 1)
	require.Equal(t, Resumed, r.Open(start, dial(1, 2), id(250), "", "a").Outcome)
	sessions, _ := r.Len()
	require.Equal(t, 1, sessions)
}

func TestTheHighestLinkWins(t *testing.T) {
	r := opened(t, 1)
	require.Equal(t, Resumed, r.Open(start, dial(1, 5), id(0), "", "a").Outcome)
	require.Equal(t, Resumed, r.Open(start, dial(1, 9), id(0), "", "a").Outcome)
	require.Equal(t, protocol.CodeStale, r.Open(start, dial(1, 7), id(0), "", "a").Refuse.Code)
	require.False(t, r.Current(id(1), 5), "it has to make way after the join")
	require.True(t, r.Current(id(1), 9))
	require.False(t, r.Current(id(2), 1))
	require.Empty(t, r.Park(start, id(1), 5, Load{}))
	_, parked := r.Len()
	require.Zero(t, parked, "an old link does not park the session of a newer one")
}

func TestNewSessionsAreRefusedAtTheBoundAndWhenClosed(t *testing.T) {
	r := opened(t, 10)
	require.Equal(t, protocol.CodeBusy, r.Open(start, dial(11, 1), id(0), "", "a").Refuse.Code)
	require.Equal(t, Resumed, r.Open(start, dial(10, 2), id(0), "", "a").Outcome)
	r.Remove(id(10))
	require.Equal(t, Opened, r.Open(start, dial(11, 1), id(0), "", "a").Outcome)
	r.Remove(id(11))
	r.StopAccepting()
	require.Equal(t, protocol.CodeGoingAway, r.Open(start, dial(11, 1), id(0), "", "a").Refuse.Code)
	require.Equal(t, Resumed, r.Open(start, dial(9, 2), id(0), "", "a").Outcome, "those that are there may resume")
}

func TestParkedSessionsArePushedOutInOrder(t *testing.T) {
	type parking struct {
		n       byte
		addr    string
		pending bool
	}
	for name, c := range map[string]struct {
		parked []parking
		victim byte
	}{
		"who has nothing pending":    {[]parking{{1, "a", true}, {2, "a", true}, {3, "b", false}, {4, "a", true}}, 3},
		"of the address with most":   {[]parking{{1, "b", true}, {2, "a", true}, {3, "a", true}, {4, "c", true}}, 2},
		"the oldest":                 {[]parking{{3, "a", true}, {1, "b", true}, {2, "c", true}, {4, "d", true}}, 3},
		"maybe the one that comes":   {[]parking{{1, "a", true}, {2, "b", true}, {3, "c", true}, {4, "d", false}}, 4},
		"idle ones by address first": {[]parking{{1, "c", false}, {2, "a", true}, {3, "a", false}, {4, "b", true}}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			r := registry()
			var evicted []protocol.ID
			for i, p := range c.parked {
				now := start.Add(time.Duration(i) * time.Second)
				require.Equal(t, Opened, r.Open(now, dial(p.n, 1), id(0), "", p.addr).Outcome)
				require.Empty(t, evicted)
				evicted = r.Park(now, id(p.n), 1, Load{Bytes: 1, Pending: p.pending})
			}
			require.Equal(t, []protocol.ID{id(c.victim)}, evicted)
			sessions, parked := r.Len()
			require.Equal(t, []int{3, 3}, []int{sessions, parked})
		})
	}
}

func TestSessionsWithALinkDoNotCountAgainstTheirAddress(t *testing.T) {
	r := opened(t, 4) // of a; 3 and 4 keep their links
	require.Equal(t, Opened, r.Open(start, dial(5, 1), id(0), "", "b").Outcome)
	require.Equal(t, Opened, r.Open(start, dial(6, 1), id(0), "", "b").Outcome)
	for i, n := range []byte{1, 5, 6} {
		require.Empty(t, r.Park(start.Add(time.Duration(i)), id(n), 1, Load{}))
	}
	require.Equal(t, Opened, r.Open(start, dial(7, 1), id(0), "", "c").Outcome)
	require.Equal(t, []protocol.ID{id(5)}, r.Park(start.Add(9), id(7), 1, Load{}))
}

func TestAmongEqualsTheChoiceIsTheSameEachTime(t *testing.T) {
	for range 20 {
		r := opened(t, 4)
		var evicted []protocol.ID
		for n := byte(4); n > 0; n-- {
			evicted = r.Park(start, id(n), 1, Load{})
		}
		require.Equal(t, []protocol.ID{id(1)}, evicted)
	}
}

func TestParkedMemoryIsBounded(t *testing.T) {
	r := opened(t, 3)
	require.Empty(t, r.Park(start, id(1), 1, Load{Bytes: 600, Pending: true}))
	require.Empty(t, r.Park(start, id(1), 1, Load{Bytes: 600, Pending: true}), "parked once")
	require.Empty(t, r.Park(start.Add(1), id(2), 1, Load{Bytes: 400, Pending: true}))
	require.Equal(t, []protocol.ID{id(1)}, r.Park(start.Add(2), id(3), 1, Load{Bytes: 1, Pending: true}))
	// What is resumed gives its part back.
	require.Equal(t, Resumed, r.Open(start, dial(2, 2), id(0), "", "a").Outcome)
	_, parked := r.Len()
	require.Equal(t, 1, parked)
	require.Empty(t, r.Park(start, id(2), 2, Load{Bytes: 999, Pending: true}))
	r.Remove(id(2))
	require.EqualValues(t, 1, r.mem)
	require.Equal(t, []protocol.ID{id(2)}, func() []protocol.ID {
		r.Open(start, dial(2, 1), id(0), "", "a")
		return r.Park(start, id(2), 1, Load{Bytes: 5000})
	}(), "too large for the bound by itself")
}

func TestParkedSessionsRunOut(t *testing.T) {
	r := opened(t, 2)
	_, ok := r.Deadline()
	require.False(t, ok)
	r.Park(start.Add(time.Second), id(1), 1, Load{})
	r.Park(start, id(2), 1, Load{})
	var end time.Time
	for range 20 {
		end, ok = r.Deadline()
		require.True(t, ok)
		require.Equal(t, start.Add(keep), end)
	}
	require.Empty(t, r.Expire(end.Add(-1)))
	require.Equal(t, []protocol.ID{id(2)}, r.Expire(end))
	require.Equal(t, Resumed, r.Open(end, dial(1, 2), id(0), "", "a").Outcome)
	require.Empty(t, r.Expire(end.Add(keep)), "a session with a link does not run out")
	sessions, parked := r.Len()
	require.Equal(t, []int{1, 0}, []int{sessions, parked})
}

func TestATombstoneAnswersForItsOpening(t *testing.T) {
	final := protocol.Refuse{Code: protocol.CodeNormal, Reason: "bye", Lanes: []protocol.Counts{{Received: 7}}}
	r := opened(t, 1)
	r.Park(start, id(1), 1, Load{Bytes: 10})
	r.Bury(start, id(1), final)
	r.Bury(start, id(9), final) // was never there
	sessions, parked := r.Len()
	require.Equal(t, []int{0, 0}, []int{sessions, parked})
	final.Closed = true
	for name, c := range map[string]struct {
		hello func(h *protocol.Hello)
		at    time.Duration
		want  protocol.Refuse
	}{
		"who saw it open":     {func(h *protocol.Hello) { h.Seen = id(201) }, 0, final},
		"who did not":         {func(*protocol.Hello) {}, keep - 1, final},
		"of another opening":  {func(h *protocol.Hello) { h.Seen = id(3) }, 0, refuse(protocol.CodeUnknown, "no such session here").Refuse},
		"with another secret": {func(h *protocol.Hello) { h.Secret = id(3) }, 0, refuse(protocol.CodeUnknown, "no such session here").Refuse},
	} {
		h := dial(1, 2)
		c.hello(h)
		d := r.Open(start.Add(c.at), h, id(0), "", "a")
		require.Equal(t, Refused, d.Outcome, name)
		require.Equal(t, c.want, d.Refuse, name)
	}
	end, ok := r.Deadline()
	require.True(t, ok)
	require.Equal(t, start.Add(keep), end)
	require.Equal(t, Opened, r.Open(end, dial(1, 2), id(0), "", "a").Outcome, "it ran out")
	r.Bury(end, id(1), final) // before the old one was forgotten
	require.Empty(t, r.Expire(end))
	require.Len(t, r.tombList, 1)
	require.True(t, r.Open(end, dial(1, 3), id(0), "", "a").Refuse.Closed)
	require.Empty(t, r.Expire(end.Add(keep)))
	require.Empty(t, r.tombs)
	require.Empty(t, r.tombList)
}

func TestTombstonesAreBounded(t *testing.T) {
	r := opened(t, 3)
	for n := byte(1); n <= 3; n++ {
		r.Bury(start, id(n), protocol.Refuse{})
	}
	require.Len(t, r.tombs, 2)
	require.Equal(t, Opened, r.Open(start, dial(1, 2), id(0), "", "a").Outcome, "the oldest made way")
	require.True(t, r.Open(start, dial(2, 2), id(0), "", "a").Refuse.Closed)
}

func TestAnEvictedSessionIsToldWhy(t *testing.T) {
	r := opened(t, 4)
	for n := byte(1); n <= 4; n++ {
		if evicted := r.Park(start, id(n), 1, Load{}); len(evicted) > 0 {
			h := dial(evicted[0][0], 2)
			h.Seen = id(0)
			d := r.Open(start, h, id(9), "", "c")
			require.Equal(t, Refused, d.Outcome)
			require.Contains(t, []protocol.Code{protocol.CodeEvicted, protocol.CodeUnknown}, d.Refuse.Code)
			h.Seen = protocol.ID{}
			d = r.Open(start, h, id(9), "", "c")
			require.Equal(t, protocol.CodeEvicted, d.Refuse.Code)
			require.False(t, d.Refuse.Closed)
			return
		}
	}
	t.Fatal("nobody was evicted")
}
