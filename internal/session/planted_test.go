package session

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
)

// Tests of what a planted fault once survived: see docs/planted.md.

func TestWhatComesBehindAQuestionDoesNotTakeItBack(t *testing.T) {
	p := newPair(t, config(0), config(0))
	f := p.units(p.a, 1)
	f.Flags = protocol.AckNow
	p.give(p.b, f)
	p.send(1) // nobody waits for this one
	require.True(t, p.b.AckDue(p.now, true))
}

func TestAStreamDoesNotPutAnAckOff(t *testing.T) {
	p := newPair(t, config(0), config(0))
	for range 4 {
		p.send(1)
		p.now = p.now.Add(AckDelay / 4)
	}
	end, ok := p.b.Deadline()
	require.True(t, ok)
	require.Equal(t, start.Add(AckDelay), end, "from the first that is not acknowledged")
	require.True(t, p.b.AckDue(p.now, false))
}
