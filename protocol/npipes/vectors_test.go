package npipes_test

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/charset"
	"github.com/serpy-go/serpy/protocol/npipes"
)

// A vector is one line of testdata/npipes.jsonl: what the original made of a text, or
// of received bytes.
type vector struct {
	Op, Encoding, Endian, Text, Hex, Error, Note, Result string
	CRC                                                  bool
	Zlib                                                 *bool `json:"crc_is_zlib_of_payload"`
}

var charsets = map[string]*charset.Charset{"ascii": charset.ASCII, "utf-8": charset.UTF8, "latin-1": charset.Latin1}

func vectors(tb testing.TB) (list []vector) {
	tb.Helper()
	f, err := os.Open("testdata/npipes.jsonl")
	require.NoError(tb, err)
	defer func() { require.NoError(tb, f.Close()) }()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var v vector
		require.NoError(tb, json.Unmarshal(lines.Bytes(), &v))
		list = append(list, v)
	}
	require.NoError(tb, lines.Err())
	require.Len(tb, list, 270)
	return list
}

func (v *vector) bytes(tb testing.TB) []byte {
	tb.Helper()
	b, err := hex.DecodeString(v.Hex)
	require.NoError(tb, err)
	return b
}

func (v *vector) wire(tb testing.TB) npipes.Wire {
	tb.Helper()
	w := npipes.Wire{CRC: v.CRC}
	if v.Op == "encode" {
		w.Charset = charsets[v.Encoding]
		require.NotNil(tb, w.Charset, v.Encoding)
		order, err := npipes.OrderOf(v.Endian)
		require.NoError(tb, err)
		if v.Endian == "native" {
			order = npipes.Little // that of the machine that made the vectors
		}
		w.Order = order
	}
	return w
}

func TestVectorsOfSending(t *testing.T) {
	seen := 0
	for _, v := range vectors(t) {
		if v.Op != "encode" {
			continue
		}
		seen++
		w := v.wire(t)
		got, err := w.Append([]byte("before"), []byte(v.Text))
		if v.Error != "" {
			require.ErrorIs(t, err, errors.ErrUnsupported, v)
			require.ErrorIs(t, w.Check(&protocol.Meta{}, []byte(v.Text)), errors.ErrUnsupported)
			assert.Equal(t, "before", string(got))
			continue
		}
		require.NoError(t, err, v)
		require.NoError(t, w.Check(&protocol.Meta{Type: protocol.Text}, []byte(v.Text)))
		require.Equal(t, v.Hex, hex.EncodeToString(got[len("before"):]), v)
		text, err := w.Parse(v.bytes(t))
		require.NoError(t, err)
		require.Equal(t, v.Text, string(text))
		if v.Zlib != nil {
			// The other rule differs where the payload is not the code points.
			w.CRCOf = npipes.Payload
			_, err := w.Parse(v.bytes(t))
			require.Equal(t, *v.Zlib, err == nil, v)
		}
	}
	require.Equal(t, 240, seen)
}

// Of each that the original answers by an empty text, Parse says why, unless it is
// an empty text.
func TestVectorsOfReceiving(t *testing.T) {
	seen := 0
	for _, v := range vectors(t) {
		if v.Op != "receive" {
			continue
		}
		seen++
		w := v.wire(t)
		w.AnyLength = true // as the original
		text, err := w.Parse(v.bytes(t))
		if v.Result == "" && v.Note != "empty payload" {
			require.Error(t, err, v)
			continue
		}
		require.NoError(t, err, v)
		require.Equal(t, v.Result, string(text), v)
		require.NotNil(t, text)
		w.AnyLength = false
		_, err = w.Parse(v.bytes(t))
		if v.Note == "message length wrong" || v.Note == "inclusive message length" {
			require.ErrorContains(t, err, "message length", v)
		} else {
			require.NoError(t, err, v)
		}
	}
	require.Equal(t, 30, seen)
}

// The link's end of the same vectors, whole and by every split: what Parse takes the
// decoder takes as soon as all of it is there, and of the rest it takes nothing.
func TestVectorsByEverySplit(t *testing.T) {
	for _, v := range vectors(t) {
		if v.Error != "" {
			continue
		}
		b, w := v.bytes(t), v.wire(t)
		want, refused := w.Parse(b)
		for cut := range len(b) + 1 {
			if _, err := w.Parse(b[:cut]); cut < len(b) && v.Op == "encode" {
				require.Error(t, err, "%v cut at %d", v, cut)
			}
			dec := w.NewDecoder(0)
			f, n, err := dec.Decode(b[:cut])
			if errors.Is(err, protocol.ErrShort) {
				require.Equal(t, cut, n)
				_, finished := w.NewDecoder(0).(protocol.Finisher).Finish()
				require.NoError(t, finished)
				f, n, err = dec.Decode(b[cut:])
			}
			if refused != nil {
				if err == nil { // a whole message, and bytes behind it that came later
					require.Equal(t, "one byte more", v.Note)
					_, _, err = dec.Decode(b[cut:])
				}
				if errors.Is(err, protocol.ErrShort) {
					_, err = dec.(protocol.Finisher).Finish()
				}
				if len(b) > 0 {
					require.Error(t, err, "%v cut at %d", v, cut)
				}
				continue
			}
			require.NoError(t, err, "%v cut at %d", v, cut)
			if cut < len(b) {
				require.Equal(t, len(b)-cut, n)
			}
			require.Equal(t, string(want), textOf(t, f))
			_, finished := dec.(protocol.Finisher).Finish()
			require.NoError(t, finished)
			_, _, err = dec.Decode(nil)
			require.ErrorIs(t, err, protocol.ErrShort)
			_, _, err = dec.Decode([]byte{0})
			require.ErrorContains(t, err, "second message")
		}
	}
}

// textOf is the one message of a frame, of type Text.
func textOf(tb testing.TB, f protocol.Frame) string {
	tb.Helper()
	require.Equal(tb, protocol.KindData, f.Kind)
	require.Equal(tb, 1, f.Count)
	u, rest, err := protocol.NextUnit(f.Body)
	require.NoError(tb, err)
	require.Empty(tb, rest)
	m, err := protocol.DecodeMeta(u.Meta)
	require.NoError(tb, err)
	require.Equal(tb, protocol.Text, m.Type)
	return string(u.Payload)
}
