package protocol_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
)

func TestAWholeUnitMayBeOfAnySize(t *testing.T) {
	meta := (&protocol.Meta{Type: protocol.Text}).Append(nil)
	for _, n := range []int{0, 1, 127, 128, 16383, protocol.FragmentSize, protocol.FragmentSize + 1, 3 << 20} {
		payload := bytes.Repeat([]byte{7}, n)
		run := protocol.AppendUnit(nil, protocol.UnitAcked, meta, payload)
		run = protocol.AppendUnit(run, protocol.UnitBase85, nil, payload)
		u, rest, err := protocol.NextWhole(run)
		require.NoError(t, err, n)
		assert.Equal(t, protocol.UnitAcked|protocol.UnitMeta, u.Flags)
		assert.Equal(t, meta, u.Meta)
		require.True(t, bytes.Equal(payload, u.Payload))
		u, rest, err = protocol.NextWhole(rest)
		require.NoError(t, err, n)
		require.Empty(t, rest)
		assert.Equal(t, protocol.UnitBase85, u.Flags)
		require.Len(t, u.Payload, n)
		assert.Equal(t, n, cap(u.Payload))
	}
}

func TestAWholeUnitIsNotCutShort(t *testing.T) {
	run := protocol.AppendUnit(nil, 0, (&protocol.Meta{Tag: 9}).Append(nil), []byte("payload"))
	for n := range run {
		_, _, err := protocol.NextWhole(run[:n])
		require.Error(t, err, n)
	}
	for _, bad := range []string{"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x00", "\x02\x04\x05\x01", "\x00\x80"} {
		_, _, err := protocol.NextWhole([]byte(bad))
		require.Error(t, err, "%q", bad)
	}
}

func TestAnAnswerStandsOnNoWire(t *testing.T) {
	assert.False(t, protocol.KindAnswer.Known())
	assert.Equal(t, "answer", protocol.KindAnswer.String())
	_, err := protocol.Native{}.NewEncoder().Append(nil, &protocol.Frame{Kind: protocol.KindAnswer, Body: []byte("x")})
	require.Error(t, err)
}
