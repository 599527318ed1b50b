package protocol_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
)

// seed gives a target the vectors of SPEC.md and the hostile rows of its kind.
func seed(f *testing.F, kinds ...string) {
	f.Helper()
	for _, row := range hostile {
		for _, kind := range kinds {
			if row.kind == kind && len(row.bytes) < 2000 {
				f.Add(row.bytes)
			}
		}
	}
}

// reencodes holds a decoder to two laws: it decodes what its encoder makes of what
// it decoded to the same, in bytes that do not change any more; and these are not
// longer than the bytes that came, which may be written wastefully.
func reencodes[T any](t *testing.T, b []byte, decode func([]byte) (T, error), encode func([]byte, T) []byte) {
	t.Helper()
	v, err := decode(b)
	if err != nil {
		var e *protocol.Error
		require.ErrorAs(t, err, &e)
		require.NotEmpty(t, e.Section)
		return
	}
	canonical := encode(nil, v)
	again, err := decode(canonical)
	require.NoError(t, err)
	require.Equal(t, v, again)
	require.Equal(t, canonical, encode(nil, again))
	// A Refuse always says a reason, and so is two bytes longer at most.
	require.LessOrEqual(t, len(canonical), len(b)+2)
}

func FuzzNextUnit(f *testing.F) {
	seed(f, "unit", "run")
	f.Add(appendUnit(nil, protocol.Unit{Flags: protocol.UnitMore, Meta: field(0x85, 9), Payload: []byte("abc")}))
	f.Fuzz(func(t *testing.T, b []byte) {
		requireRow(t, b)
		n, err := protocol.CountUnits(b)
		units, rest := 0, b
		for len(rest) > 0 {
			u, after, err := protocol.NextUnit(rest)
			if err != nil {
				var e *protocol.Error
				require.ErrorAs(t, err, &e)
				break
			}
			used := len(rest) - len(after)
			require.Positive(t, used)
			require.LessOrEqual(t, used, protocol.MaxUnit)
			require.Equal(t, after, rest[used:])
			require.Equal(t, u.Flags&protocol.UnitMeta != 0, len(u.Meta) > 0)
			require.LessOrEqual(t, len(u.Payload), protocol.FragmentSize)
			canonical := appendUnit(nil, u)
			require.LessOrEqual(t, len(canonical), used)
			if len(canonical) == used {
				require.Equal(t, rest[:used], canonical)
			}
			again, none, err := protocol.NextUnit(canonical)
			require.NoError(t, err)
			require.Empty(t, none)
			require.Equal(t, u, again)
			units, rest = units+1, after
		}
		require.Equal(t, units, n)
		require.Equal(t, len(rest) > 0, err != nil)
	})
}

func FuzzDecodeMeta(f *testing.F) {
	seed(f, "meta")
	r := seeded()
	for range 20 {
		m := metaOf(r)
		f.Add(m.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		reencodes(t, b, func(b []byte) (protocol.Meta, error) {
			m, err := protocol.DecodeMeta(b)
			if len(m.Header) == 0 {
				m.Header = nil // an empty one is left away
			}
			return m, err
		}, func(dst []byte, m protocol.Meta) []byte { return m.Append(dst) })
	})
}

func FuzzDecodeHeader(f *testing.F) {
	seed(f, "header")
	f.Fuzz(func(t *testing.T, b []byte) {
		reencodes(t, b, protocol.DecodeHeader, protocol.AppendHeader)
	})
}

func FuzzDecodeGap(f *testing.F) {
	seed(f, "gap")
	f.Add(protocol.AppendGap(nil, protocol.Gap{First: 3, Last: 9, Count: 7, Reason: 1}))
	f.Fuzz(func(t *testing.T, b []byte) { reencodes(t, b, protocol.DecodeGap, protocol.AppendGap) })
}

func FuzzDecodeHello(f *testing.F) {
	seed(f, "hello")
	r := seeded()
	for range 20 {
		h := helloOf(r)
		f.Add(protocol.AppendHello(nil, &h))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		reencodes(t, b, protocol.DecodeHello, func(dst []byte, h protocol.Hello) []byte { return protocol.AppendHello(dst, &h) })
	})
}

func FuzzDecodeRefuse(f *testing.F) {
	seed(f, "refuse")
	f.Add(protocol.AppendRefuse(nil, &protocol.Refuse{Code: 2, Reason: "busy", Closed: true, Lanes: []protocol.Counts{{Received: 7}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		reencodes(t, b, protocol.DecodeRefuse, func(dst []byte, r protocol.Refuse) []byte { return protocol.AppendRefuse(dst, &r) })
	})
}

func FuzzDecodeNacks(f *testing.F) {
	seed(f, "nacks")
	f.Add([]byte("\x07\x02no\x08\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		reencodes(t, b, protocol.DecodeNacks, func(dst []byte, nacks []protocol.Nack) []byte {
			for _, n := range nacks {
				dst = protocol.AppendNack(dst, n)
			}
			return dst
		})
	})
}

func FuzzDecodeClose(f *testing.F) {
	seed(f, "close")
	f.Add([]byte("\x00\x03bye\x07\x02no"))
	f.Fuzz(func(t *testing.T, b []byte) { reencodes(t, b, protocol.DecodeClose, protocol.AppendClose) })
}

// FuzzDecode reads a link, cut in two anywhere: whatever the bytes, each frame is
// within them, a part of them, and written again it has the same bytes; where it was cut
// makes no difference. mend gives the heads true sums, so that the fuzzer is not
// stopped by them.
func FuzzDecode(f *testing.F) {
	b, _ := talk(f)
	f.Add(b, uint16(50), false)
	f.Add(b, uint16(3), true)
	for _, row := range hostile {
		if row.kind == "frame" || row.kind == "first" {
			f.Add(row.bytes, uint16(9), true)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, cut uint16, mend bool) {
		if b = bytes.Clone(b); mend {
			mendSums(b)
		}
		whole, err := readAll(t, b, len(b))
		parts, errParts := readAll(t, b, int(cut)%(len(b)+1))
		require.Equal(t, whole, parts)
		// How the peer began is told from what had come.
		if !errors.Is(err, protocol.ErrForeign) {
			require.Equal(t, err, errParts)
		}
	})
}

func readAll(t *testing.T, b []byte, cut int) (frames []protocol.Frame, err error) {
	t.Helper()
	dec, enc := protocol.Native{}.NewDecoder(0), protocol.Native{}.NewEncoder()
	from, again := 0, []byte(nil)
	for _, to := range []int{cut, len(b)} {
		var rest []byte
		rest, err = read(dec, b[from:to], func(f protocol.Frame) {
			require.Equal(t, len(f.Body), cap(f.Body))
			frames = append(frames, f)
			var err error
			again, err = enc.Append(again, &f)
			require.NoError(t, err)
		})
		from = to - len(rest)
		require.Len(t, again, from)
		if err != nil {
			break
		}
	}
	for i, at := 0, len(protocol.Preface); i < len(frames); i++ {
		if frames[i].Flags&protocol.NoSum == 0 { // else a sum that nobody looks at may stand there
			end := at + protocol.HeadSize + len(frames[i].Body)
			require.Equal(t, b[at:end], again[at:end])
		}
		at += protocol.HeadSize + len(frames[i].Body)
	}
	return frames, err
}

// mendSums gives each frame of a link the sums that it should have.
func mendSums(b []byte) {
	le := binary.LittleEndian
	for at := len(protocol.Preface); at+protocol.HeadSize <= len(b); {
		head := b[at : at+protocol.HeadSize]
		end := min(at+protocol.HeadSize+int(head[2])+int(head[3])<<8+int(head[4])<<16, len(b))
		le.PutUint32(head[24:], protocol.Sum(0, b[at+protocol.HeadSize:end]))
		le.PutUint32(head[28:], protocol.Sum(0, head[:28]))
		at = end
	}
}
