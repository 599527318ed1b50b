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

func TestReceiptsResolveWhileClosing(t *testing.T) {
	p := newPair(t, config(0), config(0))
	p.send(3)
	p.a.Close(protocol.CodeNormal, "")
	_, ok := p.a.NextClose(p.now)
	require.True(t, ok)
	require.True(t, p.ack().Confirmed)
	require.EqualValues(t, 3, p.a.Resolved())
}

func TestACloseRefusesOnlyWhatWasReceived(t *testing.T) {
	p := newPair(t, config(0), config(protocol.OnProcessed))
	p.send(2)
	p.ack()
	p.a.Written(1, 10)
	f := p.b.Head(p.now, protocol.KindClose, 0, 0)
	f.Processed = 2
	f.Body = protocol.AppendClose(nil, protocol.Close{Nacks: []protocol.Nack{{Unit: 2}, {Unit: 3}, {Unit: 4}}})
	require.Equal(t, []protocol.Nack{{Unit: 2}}, p.give(p.a, f).Nacks)
}
