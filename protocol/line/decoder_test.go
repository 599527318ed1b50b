package line_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/unicode"

	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/charset"
	"github.com/serpy-go/serpy/protocol/line"
)

var (
	windows1252 = charset.Of("windows-1252", charmap.Windows1252)
	shiftJIS    = charset.Of("shift-jis", japanese.ShiftJIS)
	utf16       = charset.Of("utf-16le", unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM))
	anyEnd      = [3]string{"\n", "\r\n", "\r"}
)

// streams are what a peer may send, and what comes of it, however it is cut.
var streams = []struct {
	name   string
	wire   line.Wire
	limit  int
	stream string
	want   []got
}{
	{"lines", line.Wire{}, 0, "a\nbc\n\n\xff\x00\r\n", texts(protocol.Bytes, "a", "bc", "", "\xff\x00\r")},
	{"crlf", line.Wire{EOL: "\r\n"}, 0, "a\r\nb\nc\rd\r\r\n\r\n", texts(protocol.Bytes, "a", "b\nc\rd\r", "")},
	{"any end", line.Wire{EOL: "\r\n", Ends: anyEnd}, 0, "a\nb\rc\r\n\n\rd\r\n", texts(protocol.Bytes, "a", "b", "c", "", "", "d")},
	{"a long end", line.Wire{EOL: "END", Ends: [3]string{"ENDING"}}, 0, "aENENDbENDINGcENDINENDd", append(texts(protocol.Bytes, "aEN", "b", "c", "IN"), got{err: "line: the link ended within a line: 1 bytes of it"})},
	{"semicolons", line.Wire{EOL: ";", Ends: [3]string{"", "\n"}}, 0, "a;b\nc;", texts(protocol.Bytes, "a", "b", "c")},
	{"ascii", line.Wire{Charset: charset.ASCII}, 0, "ok\nn\xffo\nok\n", []got{
		{data: "ok", t: protocol.Text},
		{err: "line: these bytes are no text in ascii at byte 1: a character that this charset does not have"},
		{data: "ok", t: protocol.Text},
	}},
	{"utf-8", line.Wire{Charset: charset.UTF8}, 0, "é日\n", texts(protocol.Text, "é日")},
	{"windows-1252", line.Wire{Charset: windows1252}, 0, "\x80 5\ncaf\xe9\n", texts(protocol.Text, "€ 5", "café")},
	{"shift-jis", line.Wire{Charset: shiftJIS, EOL: "\r\n"}, 0, "\x93\xfa\x96{\r\n\x93\r\n", []got{
		{data: "日本", t: protocol.Text},
		{err: "line: these bytes are no text in shift-jis: a byte that stands for nothing"},
	}},
	{"a text that grows", line.Wire{Charset: charset.Latin1}, 4, "\xe9\xe9\n\xe9\xe9a\nabcd\n", []got{
		{data: "éé", t: protocol.Text},
		{err: "line: message too large: a line that is too long"},
		{data: "abcd", t: protocol.Text},
	}},
	{"too long", line.Wire{MaxLine: 3}, 0, "abc\nabcd\nabcdefghijklmn\nabc\nabcd", []got{
		{data: "abc"},
		{err: "line: message too large: a line that is too long: 4 bytes, at most 3 are taken"},
		{err: "line: message too large: a line that is too long: 14 bytes, at most 3 are taken"},
		{data: "abc"},
		{err: "line: the link ended within a line: 4 bytes of it"},
	}},
	{"cut", line.Wire{EOL: "\r\n", MaxLine: 3, Long: line.Cut, Charset: charset.Latin1}, 0, "abc\r\nabcd\r\nabcdefghi\r\nab", []got{
		{data: "abc", t: protocol.Text},
		{data: "abc", t: protocol.Text, tag: line.Unended},
		{data: "d", t: protocol.Text},
		{data: "abc", t: protocol.Text, tag: line.Unended},
		{data: "def", t: protocol.Text, tag: line.Unended},
		{data: "ghi", t: protocol.Text},
		{data: "ab", t: protocol.Text, tag: line.Unended},
	}},
	{"an end that was begun", line.Wire{EOL: "\r\n"}, 0, "a\r", []got{{err: "line: the link ended within a line: 2 bytes of it"}}},
	{"blocks", line.Wire{Blocks: true}, 0, "#13a\nb\nCURV #203\n\n\n;#10\n#3003'\"#\n#\n#0\n#1x\n#2ab\n", texts(protocol.Bytes, "#13a\nb", "CURV #203\n\n\n;#10", "#3003'\"#", "#", "#0", "#1x", "#2ab")},
	{"no blocks in strings", line.Wire{Blocks: true}, 0, "A \"#15\nB '#15,\n'',#11\n\nC'#11x\nD#11\nE:#11\n\n", texts(protocol.Bytes, "A \"#15", "B '#15,", "'',#11\n", "C'#11x", "D#11", "E:#11", "")},
	{"blocks and text", line.Wire{Blocks: true, Charset: charset.Latin1, MaxLine: 6}, 12, "a\xe9\n#15\xe9\n\xe9\n\xe9\n", []got{{data: "aé", t: protocol.Text}, {data: "#15\xe9\n\xe9\n\xe9"}}},
	{"too long beside blocks", line.Wire{Blocks: true, MaxLine: 5}, 20, "#14abcd;,\n#14a\ncd;,,\n#19123456789,#14abcd\nab\n", []got{
		{data: "#14abcd;,"},
		{err: "line: message too large: a line that is too long: 10 bytes, at most 5 are taken"},
		{err: "line: message too large: a line that is too long: 20 bytes, at most 5 are taken"},
		{data: "ab"},
	}},
}

func TestStreamsByEverySplit(t *testing.T) {
	for _, test := range streams {
		t.Run(test.name, func(t *testing.T) {
			require.Equal(t, test.want, received(t, test.wire, test.limit, test.stream).all)
			for i := range test.stream {
				require.Equal(t, test.want, received(t, test.wire, test.limit, test.stream, i).all, "cut at %d", i)
				for j := i; j < len(test.stream); j++ {
					require.Equal(t, test.want, received(t, test.wire, test.limit, test.stream, i, j).all, "cut at %d and %d", i, j)
				}
			}
			var every []int
			for i := range test.stream {
				every = append(every, i)
			}
			require.Equal(t, test.want, received(t, test.wire, test.limit, test.stream, every...).all, "byte by byte")
		})
	}
}

// Cut short, a stream gives the same messages up to there, and says what is left.
func TestStreamsCutShort(t *testing.T) {
	for _, test := range streams {
		for n := range test.stream {
			all := received(t, test.wire, test.limit, test.stream[:n]).all
			for range 2 { // a line without an end may be two pieces
				if len(all) == 0 || len(all) > len(test.want) || all[len(all)-1] == test.want[len(all)-1] {
					break
				}
				last := all[len(all)-1]
				assert.True(t, strings.Contains(last.err, "within a line") || last.tag == line.Unended || test.wire.Ends[0] == "ENDING", "%s at %d: %v", test.name, n, last)
				all = all[:len(all)-1]
			}
			if test.wire.Ends[0] != "ENDING" { // of which a prefix is an end
				require.Subset(t, test.want, all, "%s at %d", test.name, n)
			}
		}
	}
}

func TestRefuseEndsTheLink(t *testing.T) {
	w := line.Wire{MaxLine: 3, Long: line.Refuse}
	for cut := range 9 {
		r := received(t, w, 0, "abc\nabcde\nabc\n", cut)
		require.ErrorIs(t, r.err, protocol.ErrTooLarge, cut)
		require.Equal(t, texts(protocol.Bytes, "abc"), r.all)
	}
}

// A length of a block is believed only within the limit, whatever Long says.
func TestALargeBlockEndsTheLink(t *testing.T) {
	const stream = "a\nb #9999999999"
	for cut := range stream {
		r := received(t, line.Wire{Blocks: true}, 1000, stream, cut)
		require.ErrorIs(t, r.err, protocol.ErrTooLarge, cut)
		require.ErrorContains(t, r.err, "block")
		require.Equal(t, texts(protocol.Bytes, "a"), r.all)
	}
	r := received(t, line.Wire{Blocks: true}, 14, "#2100123456789\n#211")
	require.ErrorIs(t, r.err, protocol.ErrTooLarge)
	require.Equal(t, texts(protocol.Bytes, "#2100123456789"), r.all)
}

// What a peer makes the decoder hold is bounded by the line, also where it never ends.
func TestMemoryIsBounded(t *testing.T) {
	chunk := []byte(strings.Repeat("x", 64<<10))
	for _, w := range []line.Wire{{}, {Blocks: true}, {MaxLine: 100}, {Long: line.Cut}} {
		r := newReceiver(t, w, 1<<20)
		spent := testing.AllocsPerRun(1, func() {
			for range 100 {
				r.read(chunk)
				r.all = r.all[:0]
			}
		})
		assert.Less(t, spent, 10_000.0)
		r.read([]byte("\nend\n"))
		assert.Equal(t, got{data: "end"}, r.all[len(r.all)-1])
	}
}

// Large blocks come whole in time that grows with their size.
func TestALargeBlock(t *testing.T) {
	data := strings.Repeat("\n\r#19", 1<<20/5)
	b := string(line.AppendBlock([]byte("WAV "), []byte(data)))
	r := newReceiver(t, line.Wire{Blocks: true, MaxLine: 100}, 2<<20)
	for rest := b + "\n"; rest != ""; {
		n := min(len(rest), 1000)
		r.read([]byte(rest[:n]))
		rest = rest[n:]
	}
	require.NoError(t, r.err)
	require.Len(t, r.all, 1)
	require.Equal(t, b, r.all[0].data)
	before, block, after, ok := line.CutBlock([]byte(b))
	require.True(t, ok)
	assert.Equal(t, "WAV ", string(before))
	assert.Equal(t, data, string(block))
	assert.Empty(t, after)
}
