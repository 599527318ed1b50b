package line_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/charset"
	"github.com/serpy-go/serpy/protocol/line"
)

// wireOf makes a valid wire of a number.
func wireOf(how uint16) line.Wire {
	w := line.Wire{
		EOL:     []string{"", "\r\n", "\r", ";"}[how&3],
		MaxLine: []int{0, 7, 30, 2}[how>>2&3],
		Charset: []*charset.Charset{nil, charset.ASCII, charset.Latin1, charset.UTF8, windows1252, shiftJIS, nil, nil}[how>>4&7],
		Long:    line.Long(how >> 7 & 3 % 3),
		Blocks:  how>>9&1 != 0,
	}
	if how>>10&1 != 0 {
		w.Ends = anyEnd
	}
	if w.Long == line.Cut && w.Validate() != nil {
		w.Long = line.Drop
	}
	if (w.Charset == shiftJIS || w.Charset == windows1252) && w.EOL == ";" {
		w.EOL = " "
	}
	return w
}

// FuzzDecode holds the decoder to: no panic, nothing beyond the limits, and the same
// however the stream is cut.
func FuzzDecode(f *testing.F) {
	for i, s := range streams {
		f.Add([]byte(s.stream), uint16(i), uint16(3), uint16(5))
		f.Add([]byte(s.stream), uint16(1<<9|i), uint16(30), uint16(1))
		f.Add([]byte(s.stream), uint16(1<<10|i<<2), uint16(9), uint16(2))
	}
	f.Fuzz(func(t *testing.T, stream []byte, how, limit, step uint16) {
		w := wireOf(how)
		w.Match(stream)
		most := int(limit%100) + 3
		whole := received(t, w, most, string(stream))
		for _, m := range whole.all {
			require.LessOrEqual(t, len(m.data), most)
		}
		var cuts []int
		for at := int(step%16) + 1; at < len(stream); at += int(step%16) + 1 {
			cuts = append(cuts, at)
		}
		parts := received(t, w, most, string(stream), cuts...)
		require.Equal(t, whole.all, parts.all)
		require.Equal(t, fmt.Sprint(whole.err), fmt.Sprint(parts.err))
	})
}

// FuzzRoundTrip holds the encoder to: what Check lets pass comes out again.
func FuzzRoundTrip(f *testing.F) {
	for i, s := range streams {
		f.Add([]byte(s.stream), uint16(i), byte(i&3))
		f.Add(bytes.TrimRight([]byte(s.stream), "\r\n"), uint16(1<<9|i<<4), byte(0))
	}
	f.Fuzz(func(t *testing.T, payload []byte, how uint16, typ byte) {
		w := wireOf(how)
		m := protocol.Meta{Type: protocol.Type(typ % 5)}
		b, err := w.NewEncoder().Append(nil, frame(m, string(payload)))
		if failed := w.Check(&m, payload); failed != nil {
			require.Error(t, err)
			return
		}
		require.NoError(t, err)
		r := received(t, w, 0, string(b))
		require.Len(t, r.all, 1, "%q", b)
		if m.Type == protocol.Bytes || m.Type == protocol.Text {
			require.Equal(t, string(payload), r.all[0].data)
		}
	})
}
