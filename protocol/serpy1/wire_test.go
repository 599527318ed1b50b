package serpy1_test

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/serpy1"
)

func TestCaps(t *testing.T) {
	require.Equal(t, protocol.Caps{Acks: protocol.Counted}, serpy1.Wire{}.Caps())
	require.Equal(t, "serpy", serpy1.Wire{}.Name())
}

func TestMatch(t *testing.T) {
	for first, want := range map[string]protocol.Match{
		"hello": protocol.Yes, "\x01SETMODE0\x1f": protocol.Yes, "\x01": protocol.Yes, "\x1f": protocol.Yes,
		"\xde": protocol.More, "\xde\xca\xfe\xca": protocol.More, "\xde\xca\xfe\xca\xfe": protocol.No, "\xde\xca\xff": protocol.Yes,
		"\x89": protocol.More, protocol.Preface: protocol.No, "\x89SPX": protocol.Yes, "": protocol.More,
	} {
		require.Equal(t, want, serpy1.Wire{}.Match([]byte(first)), "%q", first)
	}
}

func TestCheckPickles(t *testing.T) {
	meta := &protocol.Meta{Type: protocol.Pickle}
	w := serpy1.Wire{SendPickles: true}
	good := []byte("\x80\x05\x95\x00")
	require.NoError(t, w.Check(meta, good))
	require.Error(t, serpy1.Wire{}.Check(meta, good))
	for _, bad := range []string{"", "\x80", "\x80\x06...", "\x80\x01..", "(lp0\n.", "\x80\x02"} {
		require.Error(t, w.Check(meta, []byte(bad)), "%q", bad)
	}
	meta.Mode = protocol.Base85Acked
	require.NoError(t, w.Check(meta, []byte("fCZHc000000000118lqgF9io9D#+Wi9")))
	require.Error(t, w.Check(meta, []byte("bTRbTR")))
	require.Error(t, w.Check(meta, []byte("\x80\x05\x95")))
}

// TestNumbers holds the text of numbers to Python's str().
func TestNumbers(t *testing.T) {
	for want, v := range map[string]float64{
		"2.5": 2.5, "1.0": 1, "-0.0": math.Copysign(0, -1), "0.0": 0, "1e+22": 1e22, "1e+16": 1e16, "1234567890123456.0": 1234567890123456,
		"9007199254740992.0": 1 << 53, "0.0001": 1e-4, "1e-05": 1e-5, "1.5e-07": 1.5e-7, "1e+300": 1e300, "5e-324": 5e-324,
		"1.7976931348623157e+308": math.MaxFloat64, "nan": math.NaN(), "inf": math.Inf(1), "-inf": math.Inf(-1), "0.1": 0.1, "123456.789": 123456.789,
	} {
		m := message{Type: protocol.Float, Data: string(binary.LittleEndian.AppendUint64(nil, math.Float64bits(v)))}
		require.NoError(t, serpy1.Wire{}.Check(&protocol.Meta{Type: protocol.Float}, []byte(m.Data)))
		require.Equal(t, mode0+want+"\x1f", encode(t, m))
		m.Mode = protocol.Base85Acked
		require.Equal(t, []message{acked85(want)}, decode(t, encode(t, m)).Messages)
	}
	for want, v := range map[string]int64{"0": 0, "-1": -1, "9223372036854775807": math.MaxInt64, "-9223372036854775808": math.MinInt64} {
		m := message{Mode: protocol.Acked, Type: protocol.Int, Data: string(binary.LittleEndian.AppendUint64(nil, uint64(v)))}
		require.Equal(t, mode1+want+"\x04\x1f", encode(t, m))
	}
	require.Error(t, serpy1.Wire{}.Check(&protocol.Meta{Type: protocol.Int}, []byte("1234567")))
	require.Error(t, serpy1.Wire{}.Check(&protocol.Meta{Type: protocol.Int, Mode: protocol.Base85}, []byte("12345678")))
	require.NoError(t, serpy1.Wire{}.Check(&protocol.Meta{Type: protocol.Int, Mode: protocol.Base85}, []byte("0123456789")))
	run := message{Type: protocol.Int, Data: "short"}.AppendUnit(nil)
	_, err := serpy1.Wire{}.NewEncoder().Append(nil, &protocol.Frame{Kind: protocol.KindData, Count: 1, Body: run})
	require.Error(t, err)
}

// TestModes changes to every mode and refuses the ones in which everything vanishes.
func TestModes(t *testing.T) {
	for mode := range 10 {
		out := decode(t, "a\x1f\x01SETMODE"+string(rune('0'+mode))+"\x1f")
		require.Equal(t, []message{plain("a")}, out.Messages)
		if mode > 5 {
			require.Contains(t, out.Err, "vanishes")
			continue
		}
		require.Empty(t, out.Err)
		require.Equal(t, 1, out.Answers)
	}
	out := decode(t, mode2+mode2+mode2) // also for the mode that is set
	require.Equal(t, 3, out.Answers)
}

// TestPartSurvivesModes: what has come of an acknowledged message waits for the mode to
// come back.
func TestPartSurvivesModes(t *testing.T) {
	out := decode(t, mode1+"ab\x1f"+mode0+"x\x1f"+mode1+"c\x04\x1f")
	require.Equal(t, []message{plain("x"), acked("abc")}, out.Messages)
}

// TestLimits: what cannot be a message within the limit ends the link, before it is
// kept, and after all that is whole was handed over.
func TestLimits(t *testing.T) {
	text := strings.Repeat("x", 1000)
	for name, c := range map[string]struct {
		limit  int
		stream string
		fits   bool
	}{
		"mode 0":                  {1000, "a\x1f" + text + "\x1f", true},
		"mode 0, one more":        {999, "a\x1f" + text + "\x1f", false},
		"mode 0, open":            {900, "a\x1f" + text, false},
		"mode 1":                  {1000, mode1 + "a\x04\x1f" + text + "\x04\x1f", true},
		"mode 1, one more":        {999, mode1 + "a\x04\x1f" + text + "\x04\x1f", false},
		"mode 1, open":            {900, mode1 + "a\x04\x1f" + text, false},
		"mode 1, joined":          {1500, mode1 + "a\x04\x1f" + text + "\x1f" + text + "\x04\x1f", false},
		"mode 1, joined and fits": {2000, mode1 + "a\x04\x1f" + text + "\x1f" + text + "\x04\x1f", true},
		"mode 2":                  {800, mode2 + "aa\x1f" + text + "\x1f", true},
		"mode 2, one more":        {799, mode2 + "aa\x1f" + text + "\x1f", false},
		"mode 3":                  {800, mode3 + "aa\x04\x1f" + text + "\x04\x1f", true},
		"mode 3, one more":        {799, mode3 + "aa\x04\x1f" + text + "\x04\x1f", false},
		"nothing but commands":    {0, mode1 + gotIt + mode0, true},
	} {
		f := newFeed(t, serpy1.Wire{}, c.limit)
		f.Put([]byte(c.stream))
		require.Equal(t, c.fits, f.Out.Err == "", "%s: %s", name, f.Out.Err)
		if c.limit > 0 && !c.fits {
			require.Len(t, f.Out.Messages, 1, name)
		}
		g := newFeed(t, serpy1.Wire{}, c.limit)
		for i := range len(c.stream) {
			g.Put([]byte(c.stream[i : i+1]))
		}
		require.Equal(t, f.Out.Messages, g.Out.Messages, name)
		require.Equal(t, f.Out.Err, g.Out.Err, name)
	}
}

// TestOpenBlockIsBounded: a peer that never ends a block is stopped at the limit, and
// nothing beyond what came is held.
func TestOpenBlockIsBounded(t *testing.T) {
	f := newFeed(t, serpy1.Wire{}, 1<<20)
	chunk := []byte(strings.Repeat("x", 64<<10))
	n := 0
	for ; f.Out.Err == "" && n < 100; n++ {
		f.Put(chunk)
	}
	require.Equal(t, "a message of more than 1048576 bytes", f.Out.Err)
	require.Equal(t, 17, n)
}

// TestLargeBesideSmall puts large messages between small ones, in pieces of every size.
func TestLargeBesideSmall(t *testing.T) {
	large := strings.Repeat("0123456789", 30_000)
	want := []message{plain("a"), plain(large), plain("b"), acked("c"), acked(large), acked("d"), text85(large[:4]), text85(large), acked85(large), acked85("e")}
	stream := encode(t, want...)
	for _, piece := range []int{61, 1000, 1024, 1025, 4096, 65536, 1 << 20, len(stream)} {
		f := newFeed(t, serpy1.Wire{}, len(large))
		for at := 0; at < len(stream); at += piece {
			f.Put([]byte(stream[at:min(at+piece, len(stream))]))
		}
		require.True(t, slices.Equal(want, f.Out.Messages), "in pieces of %d", piece)
		require.Empty(t, f.Out.Err)
		require.Equal(t, 4, f.Out.Answers)
	}
}

// TestEncoderSkips: what the wire has no words for is not written.
func TestEncoderSkips(t *testing.T) {
	enc := serpy1.Wire{}.NewEncoder()
	run := protocol.AppendUnit(nil, protocol.UnitGap, nil, protocol.AppendGap(nil, protocol.Gap{First: 1, Last: 2}))
	run = protocol.AppendUnit(run, protocol.UnitEnd, nil, nil)
	run = protocol.AppendUnit(run, 0, (&protocol.Meta{Tag: 3, Time: 5, Header: protocol.AppendHeader(nil, map[string]string{"a": "b"})}).Append(nil), []byte("x"))
	b, err := enc.Append(nil, &protocol.Frame{Kind: protocol.KindData, Count: 3, Body: run})
	require.NoError(t, err)
	require.Equal(t, mode0+"x\x1f", string(b))
	b, err = enc.Append(nil, &protocol.Frame{Kind: protocol.KindAnswer, Body: []byte("\x01ACKMODCG\x1f")})
	require.NoError(t, err)
	require.Equal(t, "\x01ACKMODCG\x1f", string(b))
	b, err = enc.Append(nil, &protocol.Frame{Kind: protocol.KindClose})
	require.NoError(t, err)
	require.Empty(t, b)
	_, err = enc.Append(nil, &protocol.Frame{Kind: protocol.KindData, Count: 1, Body: protocol.AppendUnit(nil, protocol.UnitContinued, nil, []byte("x"))})
	require.Error(t, err)
	_, err = enc.Append(nil, &protocol.Frame{Kind: protocol.KindData, Count: 1, Body: []byte{200}})
	require.Error(t, err)
}
