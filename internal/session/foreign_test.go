package session

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
)

// counting makes a session of a wire that counts acknowledgements, with its link.
func counting(when protocol.AckWhen) *Session {
	s := New(protocol.Caps{Acks: protocol.Counted}, Config{Units: 8, Bytes: 1 << 10, AckWhen: when})
	s.LinkUpPlain(start)
	return s
}

// writes gives n units to the link; those of the set ask. It gives their run.
func writes(s *Session, asks ...bool) (run []byte, last uint64) {
	for _, acked := range asks {
		var u protocol.UnitFlags
		unit := s.Next()
		s.Written(1, 3)
		if acked {
			u = protocol.UnitAcked
			s.Ask(unit)
		}
		run = protocol.AppendUnit(run, u, nil, []byte("x"))
	}
	return run, s.Next() - 1
}

func acks(t *testing.T, s *Session, total uint64) Verdict {
	t.Helper()
	v, err := s.HandleForeign(&protocol.Frame{Kind: protocol.KindData, Received: total})
	require.NoError(t, err)
	return v
}

func confirmed(s *Session) uint64 {
	received, processed := s.Confirmed()
	if received != processed {
		return 1 << 40 // such a wire does not tell them apart
	}
	return received
}

func TestPlainUnitsAreConfirmedWhenWritten(t *testing.T) {
	s := counting(0)
	_, last := writes(s, false, false, false)
	assert.Zero(t, confirmed(s), "the link did not take them yet")
	s.Flushed(last - 1)
	assert.Equal(t, last-1, confirmed(s))
	s.Flushed(last + 5)
	assert.Equal(t, last, confirmed(s), "no further than what was written")
	assert.EqualValues(t, 3, s.Behind())
}

func TestAnOpenAcknowledgementHoldsBackWhatIsBehindIt(t *testing.T) {
	s := counting(0)
	_, last := writes(s, false, true, false, true, false)
	s.Flushed(last)
	require.EqualValues(t, 1, confirmed(s))
	v := acks(t, s, 1)
	assert.True(t, v.Confirmed)
	require.NoError(t, v.Fault)
	require.EqualValues(t, 3, confirmed(s))
	acks(t, s, 2)
	require.EqualValues(t, 5, confirmed(s))
	assert.EqualValues(t, 1, s.Behind(), "nobody speaks for the last one")
}

func TestAnAckMayComeBeforeTheWriteReturns(t *testing.T) {
	s := counting(0)
	_, last := writes(s, true, false)
	acks(t, s, 1)
	require.EqualValues(t, 1, confirmed(s))
	assert.Zero(t, s.Behind())
	s.Flushed(last)
	require.Equal(t, last, confirmed(s))
}

func TestAnAckThatNobodyAskedForStandsForNothingLater(t *testing.T) {
	s := counting(0)
	require.ErrorIs(t, acks(t, s, 2).Fault, errUnasked)
	_, last := writes(s, true, true)
	s.Flushed(last)
	require.Zero(t, confirmed(s))
	require.NoError(t, acks(t, s, 3).Fault)
	require.EqualValues(t, 1, confirmed(s))
	require.ErrorIs(t, acks(t, s, 5).Fault, errUnasked)
	require.EqualValues(t, 2, confirmed(s))
}

func TestFramesThatACountingWireDoesNotHave(t *testing.T) {
	s := counting(0)
	acks(t, s, 3)
	for _, f := range []protocol.Frame{
		{Kind: protocol.KindPing},
		{Kind: protocol.KindData, Received: 2},
		{Kind: protocol.KindData, Count: 2, Body: protocol.AppendUnit(nil, 0, nil, []byte("x"))},
		{Kind: protocol.KindData, Count: 1, Body: []byte{9, 0}},
	} {
		_, err := s.HandleForeign(&f)
		require.Error(t, err, "%+v", f)
	}
	require.Zero(t, s.Received())
}

func TestAcksAreOwedForWhatIsInTheQueue(t *testing.T) {
	a, b := counting(0), counting(0)
	run, _ := writes(a, true, false, true)
	v, err := b.HandleForeign(&protocol.Frame{Kind: protocol.KindData, Count: 3, Body: run})
	require.NoError(t, err)
	require.True(t, v.Units)
	require.False(t, b.AckOwed(), "they are not in the queue yet")
	b.Accepted()
	require.True(t, b.AckOwed())
	f, ok := b.NextAck()
	require.True(t, ok)
	require.Equal(t, protocol.Frame{Kind: protocol.KindData, Received: 2}, f)
	_, ok = b.NextAck()
	require.False(t, ok)
}

func TestAcksAreOwedInOrderForWhatWasProcessed(t *testing.T) {
	a, b := counting(0), counting(protocol.OnProcessed)
	run, _ := writes(a, true, false, true)
	_, err := b.HandleForeign(&protocol.Frame{Kind: protocol.KindData, Count: 3, Body: run})
	require.NoError(t, err)
	b.Accepted()
	b.Processed(3, 3, 1, 3, nil)
	require.False(t, b.AckOwed(), "an ack now would stand for the first")
	b.Processed(1, 1, 1, 3, nil)
	f, _ := b.NextAck()
	require.EqualValues(t, 1, f.Received)
	b.Processed(2, 2, 1, 3, nil)
	f, _ = b.NextAck()
	require.EqualValues(t, 2, f.Received)
}

func TestRoomEndsAtEitherBound(t *testing.T) {
	a, b := counting(0), counting(0)
	run, _ := writes(a, make([]bool, 8)...)
	_, err := b.HandleForeign(&protocol.Frame{Kind: protocol.KindData, Count: 8, Body: run})
	require.NoError(t, err)
	require.False(t, b.Room())
	b.Taken(1, 1, 3)
	require.True(t, b.Room())
	_, err = b.HandleForeign(&protocol.Frame{Kind: protocol.KindData, Count: 1, Body: protocol.AppendUnit(nil, 0, nil, make([]byte, 1<<10))})
	require.NoError(t, err)
	require.False(t, b.Room())
	b.Taken(9, 8, 24)
	b.Taken(9, 1, 2000)
	require.True(t, b.Room())
}

// A countedWorld is two sessions on a wire that carries messages and counts of
// acknowledgements, each in order; what is under way is in pipes.
type countedWorld struct {
	t         *testing.T
	r         *rand.Rand
	s         [2]*Session
	messages  [2][][]byte // under way from side i, one unit each
	acks      [2]uint64   // written by side i, and under way
	seen      [2]uint64   // read by the other side
	asked     [2][]bool   // of the units that side i wrote
	flushed   [2]uint64
	processed [2]map[uint64]bool // by side i, of the other side's units
	read      [2]uint64          // units that side i received
}

// step does one thing that may happen.
func (w *countedWorld) step() {
	i := w.r.IntN(2)
	s, other := w.s[i], 1-i
	switch w.r.IntN(6) {
	case 0:
		asks := w.r.IntN(3) == 0
		run, _ := writes(s, asks)
		w.messages[i], w.asked[i] = append(w.messages[i], run), append(w.asked[i], asks)
	case 1:
		w.flushed[i] += uint64(w.r.IntN(int(s.Next() - w.flushed[i])))
		s.Flushed(w.flushed[i])
	case 2:
		if len(w.messages[i]) > 0 && w.s[other].Room() {
			f := protocol.Frame{Kind: protocol.KindData, Count: 1, Body: w.messages[i][0]}
			w.messages[i] = w.messages[i][1:]
			_, err := w.s[other].HandleForeign(&f)
			require.NoError(w.t, err)
			w.s[other].Accepted()
			w.read[other]++
		}
	case 3:
		if f, ok := s.NextAck(); ok {
			require.Greater(w.t, f.Received, w.acks[i])
			w.acks[i] = f.Received
		}
	case 4:
		if n := w.acks[i] - w.seen[i]; n > 0 {
			w.seen[i] += 1 + uint64(w.r.IntN(int(n)))
			require.NoError(w.t, acks(w.t, w.s[other], w.seen[i]).Fault)
		}
	case 5:
		if n := w.read[i]; n > 0 {
			w.process(i, 1+uint64(w.r.IntN(int(n))))
		}
	}
	w.check(i)
	w.check(other)
}

func (w *countedWorld) process(i int, unit uint64) {
	if w.processed[i][unit] {
		return
	}
	w.processed[i][unit] = true
	s := w.s[i]
	if s.Config().AckWhen == protocol.OnProcessed {
		s.Processed(unit, unit, 1, 3, nil)
	} else {
		s.Taken(unit, 1, 3)
	}
}

// check holds a side to what its peer did, whatever was said.
func (w *countedWorld) check(i int) {
	have, other := confirmed(w.s[i]), 1-i
	onProcessed := w.s[other].Config().AckWhen == protocol.OnProcessed
	for unit := uint64(1); unit <= have; unit++ {
		switch {
		case !w.asked[i][unit-1]:
			// Nobody speaks for it but those behind it, and the link.
		case onProcessed:
			require.True(w.t, w.processed[other][unit], "unit %d is confirmed, and was not processed", unit)
		default:
			require.LessOrEqual(w.t, unit, w.read[other], "unit %d is confirmed, and was not received", unit)
		}
	}
}

// settle lets everything arrive that was sent.
func (w *countedWorld) settle() {
	for i := range w.s {
		w.flushed[i] = w.s[i].Next() - 1
		w.s[i].Flushed(w.flushed[i])
	}
	for range 4 * (len(w.asked[0]) + len(w.asked[1]) + 1) {
		for i, s := range w.s {
			for unit := uint64(1); unit <= w.read[i]; unit++ {
				w.process(i, unit)
			}
			if len(w.messages[1-i]) > 0 {
				require.True(w.t, s.Room(), "everything was taken")
				_, err := s.HandleForeign(&protocol.Frame{Kind: protocol.KindData, Count: 1, Body: w.messages[1-i][0]})
				require.NoError(w.t, err)
				w.messages[1-i] = w.messages[1-i][1:]
				s.Accepted()
				w.read[i]++
			}
			if f, ok := s.NextAck(); ok {
				w.acks[i] = f.Received
			}
			if w.acks[i] > w.seen[i] {
				w.seen[i] = w.acks[i]
				require.NoError(w.t, acks(w.t, w.s[1-i], w.seen[i]).Fault)
			}
		}
	}
	for i, s := range w.s {
		require.Equal(w.t, s.Next()-1, confirmed(s), "side %d", i)
	}
}

func TestCountedAcksNameTheRightMessage(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 7))
		w := &countedWorld{t: t, r: r}
		for i := range w.s {
			w.s[i] = counting(protocol.AckWhen(r.IntN(2)))
			w.processed[i] = make(map[uint64]bool)
		}
		for range 5 + r.IntN(200) {
			w.step()
		}
		w.settle()
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
