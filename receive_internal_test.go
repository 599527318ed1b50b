package serpy

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
)

// A receiving is a receive queue whose units come from a test.
type receiving struct {
	t     *testing.T
	q     receiveQueue
	era   *era
	units uint64
}

func newReceiving(t *testing.T, e *era) *receiving {
	t.Helper()
	r := &receiving{t: t, era: e}
	e.epoch = 1
	r.q.init(1<<20, 4096, 1<<20)
	return r
}

// unit gives the queue a unit, in a region of its own.
func (r *receiving) unit(flags protocol.UnitFlags, meta, payload []byte) {
	r.units++
	run := protocol.AppendUnit(nil, flags, meta, payload)
	r.q.put(time.Now(), []region{{run: run, first: r.units, count: 1, chunk: newChunk(smallChunk), era: r.era}}, false)
}

// refuses wants the next unit to be a broken rule.
func (r *receiving) refuses(section string) {
	r.t.Helper()
	ok, err := r.q.take(new(Message))
	require.False(r.t, ok)
	var e *protocol.Error
	require.ErrorAs(r.t, err, &e)
	require.Equal(r.t, section, e.Section)
}

// nothing wants that no message is whole.
func (r *receiving) nothing() {
	r.t.Helper()
	ok, err := r.q.take(new(Message))
	require.NoError(r.t, err)
	require.False(r.t, ok)
}

func sizeOf(n int) []byte { return (&protocol.Meta{Size: n}).Append(nil) }

func TestFragmentsKeepToTheirMessage(t *testing.T) {
	for name, play := range map[string]func(r *receiving){
		"begins in another": func(r *receiving) { r.unit(protocol.UnitMore, sizeOf(300), make([]byte, 100)) },
		"longer, at once":   func(r *receiving) { r.unit(protocol.UnitMore|protocol.UnitContinued, nil, make([]byte, 101)) },
		"shorter":           func(r *receiving) { r.unit(protocol.UnitContinued, nil, make([]byte, 99)) },
		"longer":            func(r *receiving) { r.unit(protocol.UnitContinued, nil, make([]byte, 101)) },
		"a message amid":    func(r *receiving) { r.unit(0, nil, make([]byte, 100)) },
		"a gap amid":        func(r *receiving) { r.unit(protocol.UnitGap, nil, gapOf(DroppedBySender, 1, 3)) },
		"the end amid":      func(r *receiving) { r.unit(protocol.UnitEnd, nil, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceiving(t, &era{})
			r.unit(protocol.UnitMore, sizeOf(200), make([]byte, 100))
			r.nothing()
			play(r)
			r.refuses("4.7")
		})
	}
	r := newReceiving(t, &era{})
	r.unit(protocol.UnitMore, sizeOf(200), make([]byte, 100))
	r.unit(protocol.UnitContinued, nil, make([]byte, 100))
	var m Message
	ok, err := r.q.take(&m)
	require.NoError(t, err)
	require.True(t, ok)
	require.Len(t, m.Data, 200)
}

func gapOf(reason GapReason, first, last uint64) []byte {
	return protocol.AppendGap(nil, protocol.Gap{First: first, Last: last, Count: last - first + 1, Reason: uint8(reason)})
}

func TestNothingFollowsTheEnd(t *testing.T) {
	for name, play := range map[string]func(r *receiving){
		"a message":  func(r *receiving) { r.unit(0, nil, []byte("x")) },
		"a gap":      func(r *receiving) { r.unit(protocol.UnitGap, nil, gapOf(DroppedBySender, 1, 3)) },
		"a fragment": func(r *receiving) { r.unit(protocol.UnitMore, sizeOf(200), make([]byte, 100)) },
		"the end":    func(r *receiving) { r.unit(protocol.UnitEnd, nil, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceiving(t, &era{})
			r.unit(protocol.UnitEnd, nil, nil)
			play(r)
			r.refuses("4.5")
		})
	}
	// A new session begins anew.
	r := newReceiving(t, &era{})
	r.unit(protocol.UnitEnd, nil, nil)
	r.era = &era{epoch: 2}
	r.unit(0, nil, []byte("x"))
	ok, err := r.q.take(new(Message))
	require.NoError(t, err)
	require.True(t, ok)
}

// Whatever gaps meet at one place, the message behind has one over all of them.
func TestGapsThatMeetAreOne(t *testing.T) {
	const later = GapReason(77) // of a version to come
	type said struct {
		reason      GapReason
		first, last uint64
	}
	for name, test := range map[string]struct {
		lost bool // another session before
		said []said
		want *Gap
	}{
		"none":                    {false, nil, nil},
		"one":                     {false, []said{{DroppedBySender, 1, 3}}, &Gap{1, 3, 3, DroppedBySender}},
		"two of one reason":       {false, []said{{DroppedBySender, 1, 3}, {DroppedBySender, 4, 9}}, &Gap{1, 9, 9, DroppedBySender}},
		"lost, then dropped":      {false, []said{{LostWithSession, 1, 3}, {DroppedBySender, 4, 9}}, &Gap{1, 9, 9, LostWithSession}},
		"dropped, then lost":      {false, []said{{DroppedBySender, 1, 3}, {LostWithSession, 4, 9}}, &Gap{1, 9, 9, LostWithSession}},
		"not known":               {true, nil, &Gap{0, 0, 0, LostWithSession}},
		"not known, then known":   {true, []said{{LostWithSession, 4, 9}}, &Gap{4, 9, 6, LostWithSession}},
		"not known, then dropped": {true, []said{{DroppedBySender, 4, 9}}, &Gap{4, 9, 0, LostWithSession}},
		"all of them":             {true, []said{{LostWithSession, 4, 9}, {DroppedBySender, 10, 12}}, &Gap{4, 12, 9, LostWithSession}},
		"another":                 {false, []said{{later, 1, 3}}, &Gap{1, 3, 3, later}},
		"another, then lost":      {false, []said{{later, 1, 3}, {LostWithSession, 4, 4}}, &Gap{1, 4, 4, LostWithSession}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceiving(t, &era{lost: test.lost})
			missing := uint64(0)
			for _, g := range test.said {
				missing += g.last - g.first + 1
				r.unit(protocol.UnitGap, nil, gapOf(g.reason, g.first, g.last))
			}
			for range 2 {
				r.unit(0, nil, []byte("x"))
				var m Message
				ok, err := r.q.take(&m)
				require.NoError(t, err)
				require.True(t, ok)
				require.Equal(t, test.want, m.Gap)
				test.want = nil // it is said once
			}
			require.Equal(t, missing, r.q.gaps[0]+r.q.gaps[1]+r.q.gaps[2])
		})
	}
}

// Nobody acknowledges what is no message.
func TestAGapIsProcessedByItself(t *testing.T) {
	gap := protocol.AppendGap(nil, protocol.Gap{First: 1, Last: 3, Count: 3, Reason: uint8(DroppedBySender)})
	for _, acks := range []bool{true, false} {
		r := newReceiving(t, &era{acks: acks})
		r.unit(protocol.UnitGap, nil, gap)
		r.unit(protocol.UnitEnd, nil, nil)
		ok, err := r.q.take(new(Message))
		require.False(t, ok)
		require.Error(t, err) // the end
		f, tell := r.q.tell(true)
		require.True(t, tell)
		require.EqualValues(t, 2, f.unit)
		require.EqualValues(t, 2, f.units)
		if acks {
			require.Equal(t, [][2]uint64{{1, 2}}, f.processed)
		} else {
			require.Empty(t, f.processed)
		}
	}
}

func TestRoomIsToldWhenNothingWaits(t *testing.T) {
	r := newReceiving(t, &era{})
	for range 3 {
		r.unit(0, nil, []byte("x"))
	}
	for left := 2; left >= 0; left-- {
		ok, err := r.q.take(new(Message))
		require.NoError(t, err)
		require.True(t, ok)
		f, tell := r.q.tell(false)
		require.Equal(t, left == 0, tell, "it is little, and more waits")
		if tell {
			require.EqualValues(t, 3, f.units)
		}
	}
	_, tell := r.q.tell(true)
	require.False(t, tell, "it was told")
}

// The chunk may serve again before a large message is whole.
func TestTheHeaderOfALargeMessageIsItsOwn(t *testing.T) {
	r := newReceiving(t, &era{})
	header := protocol.AppendHeader(nil, map[string]string{"name": "value"})
	meta := (&protocol.Meta{Size: 200, Header: header}).Append(nil)
	run := protocol.AppendUnit(nil, protocol.UnitMore, meta, make([]byte, 100))
	r.units++
	r.q.put(time.Now(), []region{{run: run, first: 1, count: 1, chunk: newChunk(smallChunk), era: r.era}}, false)
	r.nothing()
	clear(run)
	r.unit(protocol.UnitContinued, nil, make([]byte, 100))
	var m Message
	ok, err := r.q.take(&m)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, Header{"name": "value"}, m.Header)
}
