package base85_test

import (
	"bufio"
	"bytes"
	"encoding/ascii85"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol/base85"
)

// vectors reads the rows of a file of one JSON object a line.
func vectors[T any](tb testing.TB, path string, want int) []T {
	tb.Helper()
	f, err := os.Open(path)
	require.NoError(tb, err)
	tb.Cleanup(func() { assert.NoError(tb, f.Close()) })
	var rows []T
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var row T
		require.NoError(tb, json.Unmarshal(lines.Bytes(), &row))
		rows = append(rows, row)
	}
	require.NoError(tb, lines.Err())
	require.Len(tb, rows, want, "rows in %s", path)
	return rows
}

// unhex decodes hexadecimal digits.
func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(tb, err)
	return b
}

// TestEncodeVectors holds the encoder, and the decoder backwards, to what
// Python's base64.b85encode wrote.
func TestEncodeVectors(t *testing.T) {
	type row struct{ Hex, Text, Note string }
	for _, v := range vectors[row](t, "testdata/b85_encode.jsonl", 877) {
		plain := unhex(t, v.Hex)
		require.Equal(t, v.Text, string(base85.AppendEncode(nil, plain)), "%s of %d bytes", v.Note, len(plain))
		require.Equal(t, len(v.Text), base85.EncodedLen(len(plain)))
		got, err := base85.AppendDecode(nil, []byte(v.Text))
		require.NoError(t, err)
		require.Equal(t, v.Hex, hex.EncodeToString(got))
		require.Equal(t, len(plain), base85.DecodedLen(len(v.Text)))
	}
}

// TestDecodeVectors holds the decoder to what Python's base64.b85decode
// takes, and to where it says that it does not.
func TestDecodeVectors(t *testing.T) {
	type row struct {
		Text    string  `json:"text_hex"`
		Decoded *string `json:"decoded_hex"`
		Error   string
		Note    string
		Canon   bool `json:"canonical"`
	}
	good, bad := 0, 0
	for _, v := range vectors[row](t, "testdata/b85_decode.jsonl", 572) {
		text := unhex(t, v.Text)
		got, err := base85.AppendDecode(nil, text)
		inPlace, errInPlace := base85.DecodeInPlace(bytes.Clone(text))
		require.Equal(t, err, errInPlace, "%s: %q", v.Note, text)
		require.Equal(t, err, base85.Check(text), "%s: %q", v.Note, text)
		if v.Decoded == nil {
			bad++
			var e *base85.DecodeError
			require.ErrorAs(t, err, &e, "%s: %q", v.Note, text)
			require.Equal(t, v.Error, python(e), "%s: %q", v.Note, text)
			continue
		}
		good++
		require.NoError(t, err, "%s: %q", v.Note, text)
		require.Equal(t, *v.Decoded, hex.EncodeToString(got), "%s: %q", v.Note, text)
		require.Equal(t, *v.Decoded, hex.EncodeToString(inPlace), "%s: %q", v.Note, text)
		require.Equal(t, v.Canon, string(base85.AppendEncode(nil, got)) == string(text), "%s: %q", v.Note, text)
	}
	require.Positive(t, good)
	require.Positive(t, bad)
}

// python says e in the words of b85decode.
func python(e *base85.DecodeError) string {
	if e.Overflow {
		return fmt.Sprintf("base85 overflow in hunk starting at byte %d", e.Offset)
	}
	return fmt.Sprintf("bad base85 character at position %d", e.Offset)
}

// TestEveryByteEverywhere puts each byte at each place of a text of several
// groups: all but the alphabet must be refused, at their place.
func TestEveryByteEverywhere(t *testing.T) {
	text := strings.Repeat("0", 33)
	for at := range len(text) {
		for c := range 256 {
			b := []byte(text)
			b[at] = byte(c)
			_, err := base85.AppendDecode(nil, b)
			require.Equal(t, err, base85.Check(b))
			if strings.IndexByte("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~", byte(c)) < 0 {
				require.Equal(t, &base85.DecodeError{Offset: at, Byte: byte(c)}, err)
			} else if err != nil {
				require.Equal(t, &base85.DecodeError{Offset: at, Byte: byte(c), Overflow: true}, err)
				require.Zero(t, at%5, "one digit overflows at the top only")
				require.Greater(t, byte(c), byte('{'))
			}
		}
	}
}

// TestAppend holds the appending functions to leave what is before alone,
// to use the room there is, and to give a failed text no length.
func TestAppend(t *testing.T) {
	room := make([]byte, 3, 64)
	copy(room, "abc")
	plain := []byte("\x00\x01\x02\x03\x04\xff\xfe\xfd\xfc")
	text := base85.AppendEncode(room, plain)
	require.Equal(t, "abc009C61p", string(text[:10]))
	require.Same(t, &room[0], &text[0])

	got, err := base85.AppendDecode(room, text[3:3])
	require.NoError(t, err)
	require.Equal(t, "abc", string(got))

	long := append(bytes.Repeat([]byte("0"), 40), ' ')
	got, err = base85.AppendDecode(room, long)
	require.EqualError(t, err, "base85: byte 0x20 at offset 40 is no digit")
	require.Equal(t, "abc", string(got))
	_, err = base85.DecodeInPlace([]byte("00000|NsC1"))
	require.EqualError(t, err, "base85: the group at offset 5 stands for more than 32 bits")

	require.Nil(t, base85.AppendEncode(nil, nil))
	got, err = base85.AppendDecode(nil, nil)
	require.NoError(t, err)
	require.Nil(t, got)
}

// TestLengths holds the two lengths to each other.
func TestLengths(t *testing.T) {
	for n := range 1000 {
		require.Equal(t, n, base85.DecodedLen(base85.EncodedLen(n)))
		require.Len(t, base85.AppendEncode(nil, make([]byte, n)), base85.EncodedLen(n))
	}
}

// TestNoAllocations holds the functions to the room that they are given.
func TestNoAllocations(t *testing.T) {
	plain := make([]byte, 1000)
	text := make([]byte, 0, base85.EncodedLen(len(plain)))
	out := make([]byte, 0, len(plain))
	require.Zero(t, testing.AllocsPerRun(100, func() {
		text = base85.AppendEncode(text[:0], plain)
		out, _ = base85.AppendDecode(out[:0], text)
		_ = base85.Check(text)
		_, _ = base85.DecodeInPlace(text)
	}))
}

func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Add(bytes.Repeat([]byte{0, 1, 0x80}, 11))
	f.Fuzz(func(t *testing.T, plain []byte) {
		text := base85.AppendEncode(nil, plain)
		require.Len(t, text, base85.EncodedLen(len(plain)))
		require.Equal(t, len(plain), base85.DecodedLen(len(text)))
		got, err := base85.AppendDecode(nil, text)
		require.NoError(t, err)
		require.True(t, bytes.Equal(plain, got))
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("0000"))
	f.Add([]byte("|NsC0|NsC0{{"))
	f.Add([]byte("|NsC0|NsC1{{~~~ ~~"))
	f.Add([]byte("00000000000000000000000000000000|"))
	f.Fuzz(func(t *testing.T, text []byte) {
		kept := bytes.Clone(text)
		got, err := base85.AppendDecode([]byte("ab"), text)
		require.Equal(t, err, base85.Check(text))
		require.Equal(t, kept, text, "the text is only read")
		inPlace, errInPlace := base85.DecodeInPlace(text)
		require.Equal(t, err, errInPlace)
		want, wantErr := slow(kept)
		require.Equal(t, wantErr, err)
		require.Equal(t, "ab"+string(want), string(got))
		require.Equal(t, string(want), string(inPlace))
	})
}

// slow decodes by the definition: a digit at a time, base 85.
func slow(text []byte) ([]byte, error) {
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
	out := []byte{}
	for at := 0; at < len(text); at += 5 {
		v := uint64(0)
		end := min(at+5, len(text))
		for i := at; i < at+5; i++ {
			digit := 84
			if i < end {
				if digit = strings.IndexByte(alphabet, text[i]); digit < 0 {
					return nil, &base85.DecodeError{Offset: i, Byte: text[i]}
				}
			}
			v = v*85 + uint64(digit)
		}
		if v > 0xffffffff {
			return nil, &base85.DecodeError{Offset: at, Byte: text[at], Overflow: true}
		}
		four := []byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}
		out = append(out, four[:end-at-1]...)
	}
	return out, nil
}

// sizes are those of a small message, of a socket buffer, and of a payload
// that does not fit the caches near the core.
var sizes = []int{16, 128, 1 << 10, 8 << 10, 64 << 10, 1 << 20}

// random returns n bytes, the same in each run.
func random(n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// Throughput is in plain bytes a second for both directions and packages.
func BenchmarkEncode(b *testing.B) {
	for _, n := range sizes {
		plain := random(n)
		text := make([]byte, ascii85.MaxEncodedLen(n))
		b.Run(fmt.Sprintf("base85/%d", n), func(b *testing.B) {
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				text = base85.AppendEncode(text[:0], plain)
			}
		})
		text = text[:cap(text)]
		b.Run(fmt.Sprintf("ascii85/%d", n), func(b *testing.B) {
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				ascii85.Encode(text, plain)
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, n := range sizes {
		plain := random(n)
		text := base85.AppendEncode(nil, plain)
		out := make([]byte, n+16)
		b.Run(fmt.Sprintf("base85/%d", n), func(b *testing.B) {
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := base85.AppendDecode(out[:0], text); err != nil {
					b.Fatal(err)
				}
			}
		})
		other := make([]byte, ascii85.MaxEncodedLen(n))
		other = other[:ascii85.Encode(other, plain)]
		b.Run(fmt.Sprintf("ascii85/%d", n), func(b *testing.B) {
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := ascii85.Decode(out, other, true); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkDecodeInPlace counts the copy that gives each round its text, and
// reports that copy alone beside it.
func BenchmarkDecodeInPlace(b *testing.B) {
	for _, n := range sizes {
		text := base85.AppendEncode(nil, random(n))
		work := make([]byte, len(text))
		b.Run(fmt.Sprintf("copy+decode/%d", n), func(b *testing.B) {
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				copy(work, text)
				if _, err := base85.DecodeInPlace(work); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("copy/%d", n), func(b *testing.B) {
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				copy(work, text)
			}
		})
	}
}
