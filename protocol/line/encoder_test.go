package line_test

import (
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/charset"
	"github.com/serpy-go/serpy/protocol/line"
)

func TestMessagesAreLines(t *testing.T) {
	number := func(v uint64) string { return string(binary.LittleEndian.AppendUint64(nil, v)) }
	for _, test := range []struct {
		wire     line.Wire
		t        protocol.Type
		payload  string
		want     string
		returned string
	}{
		{line.Wire{}, protocol.Bytes, "*IDN?", "*IDN?\n", "*IDN?"},
		{line.Wire{}, protocol.Bytes, "", "\n", ""},
		{line.Wire{EOL: "\r\n"}, protocol.Text, "a\nb\rc\r", "a\nb\rc\r\r\n", "a\nb\rc\r"},
		{line.Wire{EOL: "\r"}, protocol.Int, number(^uint64(6)), "-7\r", "-7"},
		{line.Wire{}, protocol.Float, number(math.Float64bits(1.5)), "1.5\n", "1.5"},
		{line.Wire{Charset: windows1252}, protocol.Bytes, "5 €", "5 \x80\n", "5 €"},
		{line.Wire{Charset: shiftJIS}, protocol.Text, "日", "\x93\xfa\n", "日"},
		{line.Wire{Blocks: true}, protocol.Bytes, "A #12\n\n", "A #12\n\n\n", "A #12\n\n"},
		{line.Wire{Blocks: true, Charset: charset.Latin1}, protocol.Bytes, "é", "\xe9\n", "é"},
		{line.Wire{Blocks: true, Charset: charset.Latin1, MaxLine: 3}, protocol.Bytes, "#15é\xff\n\n", "#15é\xff\n\n\n", "#15é\xff\n\n"},
		{line.Wire{MaxLine: 3}, protocol.Bytes, "abc", "abc\n", "abc"},
		{line.Wire{EOL: "aab"}, protocol.Bytes, "xa", "xaaab", "xa"},
	} {
		require.NoError(t, test.wire.Validate())
		m := protocol.Meta{Type: test.t, Tag: 7, Time: 9}
		require.NoError(t, test.wire.Check(&m, []byte(test.payload)), test)
		b, err := test.wire.NewEncoder().Append([]byte("x"), frame(m, test.payload, test.payload))
		require.NoError(t, err, test)
		assert.Equal(t, "x"+test.want+test.want, string(b))
		r := received(t, test.wire, 0, string(b[1:]))
		require.Len(t, r.all, 2)
		assert.Equal(t, test.returned, r.all[0].data)
		assert.Equal(t, test.returned, r.all[1].data)
	}
}

func TestWhatIsNoLine(t *testing.T) {
	for _, test := range []struct {
		wire    line.Wire
		m       protocol.Meta
		payload string
		err     error
	}{
		{line.Wire{}, protocol.Meta{}, "a\nb", errors.ErrUnsupported},
		{line.Wire{EOL: "\r\n"}, protocol.Meta{}, "a\r\n", errors.ErrUnsupported},
		{line.Wire{EOL: "\r\n", Ends: anyEnd}, protocol.Meta{}, "a\r", errors.ErrUnsupported},
		{line.Wire{EOL: "aab"}, protocol.Meta{}, "xaab", errors.ErrUnsupported},
		{line.Wire{EOL: "aba"}, protocol.Meta{}, "ab", errors.ErrUnsupported}, // found too early
		{line.Wire{}, protocol.Meta{Mode: protocol.Base85}, "a", errors.ErrUnsupported},
		{line.Wire{}, protocol.Meta{Type: protocol.Pickle}, "a", errors.ErrUnsupported},
		{line.Wire{Charset: charset.ASCII}, protocol.Meta{}, "é", errors.ErrUnsupported},
		{line.Wire{Charset: windows1252}, protocol.Meta{}, "日", errors.ErrUnsupported},
		{line.Wire{Blocks: true}, protocol.Meta{}, "#13ab", errors.ErrUnsupported},
		{line.Wire{Blocks: true}, protocol.Meta{}, "#12ab\n", errors.ErrUnsupported},
		{line.Wire{MaxLine: 3}, protocol.Meta{}, "abcd", protocol.ErrTooLarge},
		{line.Wire{}, protocol.Meta{}, strings.Repeat("a", line.DefaultMaxLine+1), protocol.ErrTooLarge},
		{line.Wire{Blocks: true, MaxLine: 3}, protocol.Meta{}, "#11a,", protocol.ErrTooLarge},
	} {
		require.ErrorIs(t, test.wire.Check(&test.m, []byte(test.payload)), test.err, test)
		b, err := test.wire.NewEncoder().Append([]byte("x"), frame(test.m, test.payload))
		require.ErrorIs(t, err, test.err)
		assert.Equal(t, "x", string(b))
	}
	enc := line.Wire{}.NewEncoder()
	_, err := enc.Append(nil, &protocol.Frame{Kind: protocol.KindData, Body: []byte{9}})
	require.Error(t, err)
	b, err := enc.Append(nil, &protocol.Frame{Kind: protocol.KindClose})
	require.NoError(t, err)
	assert.Empty(t, b)
	gap := protocol.AppendUnit(nil, protocol.UnitGap, nil, protocol.AppendGap(nil, protocol.Gap{First: 1, Last: 1}))
	b, err = enc.Append(nil, &protocol.Frame{Kind: protocol.KindData, Count: 1, Body: gap})
	require.NoError(t, err)
	assert.Empty(t, b)
}

func TestValidate(t *testing.T) {
	for _, w := range []line.Wire{
		{EOL: strings.Repeat("x", 17)},
		{Ends: [3]string{"", "", strings.Repeat("x", 17)}},
		{MaxLine: -1},
		{Long: 3},
		{Long: line.Cut, Blocks: true},
		{Long: line.Cut, Charset: charset.UTF8},
		{Long: line.Cut, MaxLine: 1},
		{Charset: utf16},
		{Charset: shiftJIS, EOL: "|"},
		{Blocks: true, EOL: "#"},
	} {
		require.Error(t, w.Validate(), w)
	}
	for _, w := range []line.Wire{{}, {EOL: "|", Charset: charset.UTF8}, {Long: line.Cut, Charset: charset.Latin1}, {Charset: shiftJIS, EOL: "\r"}} {
		require.NoError(t, w.Validate())
	}
}

func TestCapsAndMatch(t *testing.T) {
	w := line.Wire{EOL: "\r\n", MaxLine: 2048}
	assert.Equal(t, "line", w.Name())
	assert.Equal(t, protocol.Caps{MaxPayload: 2048}, w.Caps())
	w.Blocks = true
	assert.Equal(t, protocol.Caps{}, w.Caps())
	for first, want := range map[string]protocol.Match{
		"": protocol.More, "*IDN?": protocol.Yes, "\r": protocol.Yes, "\x1b[": protocol.Yes, "é": protocol.Yes,
		"\x16\x03\x01": protocol.No, "\x00\x00": protocol.No, "\x01SETMODE0": protocol.No,
	} {
		assert.Equal(t, want, w.Match([]byte(first)), "%q", first)
	}
}

func TestCutBlock(t *testing.T) {
	for _, test := range []struct {
		line, before, block, after string
		ok                         bool
	}{
		{"#13abc", "", "abc", "", true},
		{"A;#212hello, world;#11x", "A;", "hello, world", ";#11x", true},
		{"#10", "", "", "", true},
		{"#14abc", "#14abc", "", "", false},
		{"\"#11a", "\"#11a", "", "", false},
		{"no", "no", "", "", false},
		{"", "", "", "", false},
	} {
		before, block, after, ok := line.CutBlock([]byte(test.line))
		assert.Equal(t, test.ok, ok, test)
		assert.Equal(t, [3]string{test.before, test.block, test.after}, [3]string{string(before), string(block), string(after)}, test)
	}
	require.Equal(t, "x#10", string(line.AppendBlock([]byte("x"), nil)))
}
