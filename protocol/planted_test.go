package protocol_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
)

// Tests of what a planted fault once survived: see docs/planted.md.

func TestOnlyAHelloOrARefuseBeginsALink(t *testing.T) {
	body := protocol.AppendHello(nil, &protocol.Hello{MinVersion: 1, MaxVersion: 1})
	for kind := protocol.KindData; kind.Known(); kind++ {
		f := protocol.Frame{Kind: kind, Count: 1, Body: body}
		if kind != protocol.KindData {
			f.Count = 0
		}
		b, err := protocol.Native{}.NewEncoder().Append(nil, &f)
		require.NoError(t, err, kind)
		_, _, err = protocol.Native{}.NewDecoder(0).Decode(b)
		if kind == protocol.KindHello || kind == protocol.KindRefuse {
			require.NoError(t, err, kind)
			continue
		}
		requireSection(t, "2.1", err)
	}
}

func TestAReservedFlagIsRefusedBesideOthers(t *testing.T) {
	const reserved = 0x80
	for flags := range 0x80 {
		_, _, err := protocol.NextUnit([]byte{4, byte(flags | reserved), 1, 1, 0, 'x'})
		require.Error(t, err, "%#x", flags)
	}
	for _, flags := range []protocol.UnitFlags{0, protocol.UnitAcked, protocol.UnitAcked | protocol.UnitBase85} {
		_, _, err := protocol.NextUnit([]byte{1, byte(flags), 'x'})
		require.NoError(t, err)
		_, _, err = protocol.NextUnit([]byte{1, byte(flags | reserved), 'x'})
		requireSection(t, "4.1", err)
	}
}
