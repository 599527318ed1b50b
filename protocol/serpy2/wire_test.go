package serpy2_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/internal/wiretest"
	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/base85"
	"github.com/serpy-go/serpy/protocol/serpy2"
)

func TestCaps(t *testing.T) {
	caps := serpy2.Wire{}.Caps()
	require.True(t, caps.CleanBinary)
	require.False(t, caps.Resume)
	require.Positive(t, caps.MaxPayload)
	require.Equal(t, "serpy2", serpy2.Wire{}.Name())
}

func TestMatch(t *testing.T) {
	whole := raw(0x21, "hello")
	for n := range len(whole) + 1 {
		want := protocol.More
		if n >= 5 {
			want = protocol.Yes
		}
		require.Equal(t, want, serpy2.Wire{}.Match([]byte(whole[:n])))
	}
	for _, other := range []string{"x", protocol.Preface, "\x01SETMODE0", "\xde\xca\xfe\xca\x00"} {
		require.Equal(t, protocol.No, serpy2.Wire{}.Match([]byte(other)))
	}
}

// TestInts reads ints of every length.
func TestInts(t *testing.T) {
	for body, want := range map[string]int64{
		"": 0, "\x00": 0, "\x7f": 127, "\x80": -128, "\xff": -1, "\xff\x00": 255, "\x00\x80": -32768,
		"\xff\xff\xff\xff\xff\xff\xff\x7f": math.MaxInt64, "\x00\x00\x00\x00\x00\x00\x00\x80": math.MinInt64,
		"\xff\xff\xff\xff\xff\xff\xff\x7f\x00": math.MaxInt64, "\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00": 1,
		"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff": -1,
	} {
		require.Equal(t, []message{intOf(want)}, decode(t, raw(0x01, body)).Messages, "%q", body)
	}
	for _, body := range []string{"\xff\xff\xff\xff\xff\xff\xff\x7f\xff", "\x00\x00\x00\x00\x00\x00\x00\x80\x00", "\x00\x00\x00\x00\x00\x00\x00\x00\x01"} {
		require.Len(t, decode(t, raw(0x01, body)).Dropped, 1, "%q", body)
	}
}

// TestFloatsWritten holds the text of floats to Python's float.hex().
func TestFloatsWritten(t *testing.T) {
	for want, v := range map[string]float64{
		"0x1.0000000000000p+0": 1, "0x1.999999999999ap-4": 0.1, "-0x1.e848000000000p+19": -1e6, "0x0.0p+0": 0, "-0x0.0p+0": math.Copysign(0, -1),
		"0x0.0000000000001p-1022": 5e-324, "0x1.fffffffffffffp+1023": math.MaxFloat64, "inf": math.Inf(1), "-inf": math.Inf(-1), "nan": math.NaN(),
		"0x1.0000000000000p-1022": 0x1p-1022, "-0x0.fffffffffffffp-1022": -0x0.fffffffffffffp-1022,
	} {
		require.Equal(t, raw(0x11, want), encode(t, floatOf(v)))
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		v := math.Float64frombits(r.Uint64())
		if math.IsNaN(v) {
			continue
		}
		require.Equal(t, []message{floatOf(v)}, decode(t, encode(t, floatOf(v))).Messages)
	}
}

// TestFloatsRead reads what Python's float.fromhex() does.
func TestFloatsRead(t *testing.T) {
	for body, want := range map[string]float64{
		"0x1.8p+01": 3, "1.5": 1.3125, "  0x1p4\n": 16, "+1": 1, "-.8": -0.5, "1.": 1, "0X1P-1": 0.5, "a": 10, "Infinity": math.Inf(1), "-INF": math.Inf(-1),
		"0x1.00000000000008p0": 1, "0x1.000000000000080000001p0": 0x1.0000000000001p0, "0x1.00000000000018p0": 0x1.0000000000002p0,
		"0x0p9999": 0, "0x1p-2000": 0, "-0": math.Copysign(0, -1), "0x1p+1023": 0x1p1023, "0x.00000000000000001p70": 4,
	} {
		require.Equal(t, []message{floatOf(want)}, decode(t, raw(0x11, body)).Messages, "%q", body)
	}
	for _, body := range []string{"nan", "-nan", "+NaN"} {
		require.Equal(t, []message{floatOf(math.NaN())}, decode(t, raw(0x11, body)).Messages, "%q", body)
	}
	for _, body := range []string{"", " ", "0x", ".", "0x.", "1p", "1p+", "p3", "--1", "1.2.3", "0x1 p3", "infin", "0x1p3x", "1_0", "0x1p1_0", "0x0x1", "0xinf", "١", "1p1024", "0x1.fffffffffffff8p1023", "1p99999999999"} {
		require.Len(t, decode(t, raw(0x11, body)).Dropped, 1, "%q", body)
	}
}

// TestSum compares with the definition at every length and place in memory.
func TestSum(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	body := make([]byte, 5000)
	for i := range body {
		body[i] = byte(r.Uint32())
	}
	for n := range 300 {
		require.Equal(t, raw(0x81, string(body[n:2*n])), encode(t, bytesOf(string(body[n:2*n]))))
	}
	ff := strings.Repeat("\xff", 70_000)
	require.Equal(t, raw(0x81, ff)[:14], encode(t, bytesOf(ff))[:14])
}

// TestLimits: a body of more than the limit ends the link; a number may be as long as
// it wants to be.
func TestLimits(t *testing.T) {
	f := wiretest.NewFeed(t, serpy2.Wire{}, 5)
	f.Put([]byte(encode(t, textOf("12345"), floatOf(0.1), intOf(-1), textOf("123456"))))
	require.Equal(t, []message{textOf("12345"), floatOf(0.1), intOf(-1)}, f.Out.Messages)
	require.Equal(t, "a message of 6 bytes: message too large, at most 5 are allowed", f.Out.Err)
}

// TestEncoderSkips: what the wire has no words for is not written, and base85 is
// undone.
func TestEncoderSkips(t *testing.T) {
	enc := serpy2.Wire{}.NewEncoder()
	run := protocol.AppendUnit(nil, protocol.UnitGap, nil, protocol.AppendGap(nil, protocol.Gap{First: 1, Last: 2}))
	run = protocol.AppendUnit(run, protocol.UnitEnd, nil, nil)
	run = protocol.AppendUnit(run, protocol.UnitAcked|protocol.UnitBase85, (&protocol.Meta{Tag: 3, Type: protocol.Text}).Append(nil), base85.AppendEncode(nil, []byte("text")))
	b, err := enc.Append(nil, &protocol.Frame{Kind: protocol.KindData, Count: 3, Body: run})
	require.NoError(t, err)
	require.Equal(t, raw(0x21, "text"), string(b))
	b, err = enc.Append(nil, &protocol.Frame{Kind: protocol.KindClose})
	require.NoError(t, err)
	require.Empty(t, b)
	for _, bad := range [][]byte{{200}, protocol.AppendUnit(nil, protocol.UnitContinued, nil, []byte("x")), protocol.AppendUnit(nil, protocol.UnitBase85, nil, []byte(" "))} {
		_, err = enc.Append(nil, &protocol.Frame{Kind: protocol.KindData, Count: 1, Body: bad})
		require.Error(t, err)
	}
}

// TestBigInts holds the reading of ints to the definition.
func TestBigInts(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 5000 {
		b := make([]byte, r.IntN(12))
		fill := byte(-r.IntN(2))
		for i := range b {
			if b[i] = fill; i < 8 && r.IntN(3) > 0 {
				b[i] = byte(r.Uint32())
			}
		}
		want := new(big.Int)
		for _, c := range slices.Backward(b) {
			want.Or(want.Lsh(want, 8), big.NewInt(int64(c)))
		}
		if len(b) > 0 && b[len(b)-1] >= 0x80 {
			want.Sub(want, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
		}
		out := decode(t, raw(0x01, string(b)))
		if want.IsInt64() {
			require.Equal(t, []message{intOf(want.Int64())}, out.Messages, "% x", b)
		} else {
			require.Len(t, out.Dropped, 1, "% x", b)
		}
	}
}
