package charset_test

import (
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/unicode"

	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/charset"
)

var (
	windows1252 = charset.Of("windows-1252", charmap.Windows1252)
	shiftJIS    = charset.Of("shift-jis", japanese.ShiftJIS)
	utf16       = charset.Of("utf-16le", unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM))
)

func TestTextsAndTheirBytes(t *testing.T) {
	for _, test := range []struct {
		c           *charset.Charset
		text, bytes string
	}{
		{charset.Raw, "\x00\xff", "\x00\xff"},
		{charset.ASCII, "a\x00\x7f", "a\x00\x7f"},
		{charset.Latin1, "é\u00ff\x00", "\xe9\xff\x00"},
		{charset.UTF8, "é日", "é日"},
		{windows1252, "€é", "\x80\xe9"},
		{shiftJIS, "日a", "\x93\xfaa"},
		{utf16, "日a", "\xe5\x65a\x00"},
		{utf16, "\ufffd", "\xfd\xff"}, // that was meant
		{charset.Latin1, "", ""},
		{windows1252, "", ""},
	} {
		got, err := test.c.Encode([]byte("x"), []byte(test.text))
		require.NoError(t, err, test)
		assert.Equal(t, "x"+test.bytes, string(got), test)
		got, err = test.c.Decode([]byte("y"), []byte(test.bytes))
		require.NoError(t, err, test)
		assert.Equal(t, "y"+test.text, string(got), test)
		passes := test.c == charset.Raw || test.c == charset.ASCII || test.c == charset.UTF8
		assert.Equal(t, passes, test.c.Passes([]byte(test.text)), test)
		assert.Equal(t, test.c != utf16, test.c.ASCIICompatible(), test.c.Name())
	}
}

func TestWhatIsNotInACharset(t *testing.T) {
	for _, test := range []struct {
		c      *charset.Charset
		text   string
		offset int
	}{
		{charset.ASCII, "aé", 1},
		{charset.Latin1, "é日", 2},
		{charset.Latin1, "é\xff", 2},
		{charset.UTF8, "é\xff", 2},
		{windows1252, "日", -1},
		{windows1252, "a\xff", 1},
		{shiftJIS, "é\xe9", 2},
	} {
		got, err := test.c.Encode([]byte("x"), []byte(test.text))
		require.ErrorIs(t, err, errors.ErrUnsupported, test)
		var e *charset.Error
		require.ErrorAs(t, err, &e)
		assert.Equal(t, test.c.Name(), e.Charset)
		assert.Equal(t, test.offset, e.Offset, test)
		assert.Contains(t, err.Error(), "cannot be written in "+test.c.Name())
		assert.Equal(t, "x", string(got))
		assert.False(t, test.c.Passes([]byte(test.text)))
	}
	for _, test := range []struct {
		c *charset.Charset
		b string
	}{{charset.ASCII, "\x80"}, {charset.UTF8, "\xc3"}, {windows1252, "\x81"}, {shiftJIS, "\x93"}, {utf16, "a"}} {
		got, err := test.c.Decode([]byte("x"), []byte(test.b))
		require.Error(t, err, test)
		require.NotErrorIs(t, err, errors.ErrUnsupported, "it is the peer's fault")
		assert.Contains(t, err.Error(), "no text in "+test.c.Name())
		assert.Equal(t, "x", string(got))
	}
}

func TestValuesAsText(t *testing.T) {
	number := func(v uint64) []byte { return binary.LittleEndian.AppendUint64(nil, v) }
	for _, test := range []struct {
		t    protocol.Type
		b    []byte
		want string
	}{
		{protocol.Bytes, []byte("\xff"), "\xff"},
		{protocol.Text, []byte("é"), "é"},
		{protocol.Int, number(1 << 63), "-9223372036854775808"},
		{protocol.Float, number(math.Float64bits(1e22)), "1e+22"},
		{protocol.Float, number(math.Float64bits(0.1)), "0.1"},
		{protocol.Float, number(math.Float64bits(math.NaN())), "NaN"},
	} {
		got, err := charset.AppendText([]byte("x"), test.t, test.b)
		require.NoError(t, err)
		assert.Equal(t, "x"+test.want, string(got))
	}
	for _, typ := range []protocol.Type{protocol.Int, protocol.Float, protocol.Pickle, 99} {
		_, err := charset.AppendText(nil, typ, []byte("1"))
		require.ErrorIs(t, err, errors.ErrUnsupported)
	}
}
