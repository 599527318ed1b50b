package protocol_test

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
)

// decoders are all that takes a peer's bytes, by the names that SPEC.md's vectors
// use. "first" is a decoder of frames that has read nothing yet.
var decoders = map[string]func(testing.TB, []byte) error{
	"first": func(_ testing.TB, b []byte) error { _, _, err := protocol.Native{}.NewDecoder(0).Decode(b); return err },
	"frame": func(tb testing.TB, b []byte) error {
		tb.Helper()
		_, _, err := begun(tb).Decode(b)
		return err
	},
	"unit":   func(_ testing.TB, b []byte) error { _, _, err := protocol.NextUnit(b); return err },
	"run":    func(_ testing.TB, b []byte) error { _, err := protocol.CountUnits(b); return err },
	"meta":   func(_ testing.TB, b []byte) error { _, err := protocol.DecodeMeta(b); return err },
	"header": func(_ testing.TB, b []byte) error { _, err := protocol.DecodeHeader(b); return err },
	"gap":    func(_ testing.TB, b []byte) error { _, err := protocol.DecodeGap(b); return err },
	"hello":  func(_ testing.TB, b []byte) error { _, err := protocol.DecodeHello(b); return err },
	"refuse": func(_ testing.TB, b []byte) error { _, err := protocol.DecodeRefuse(b); return err },
	"ping":   func(_ testing.TB, b []byte) error { _, err := protocol.DecodePing(b); return err },
	"pong":   func(_ testing.TB, b []byte) error { _, err := protocol.DecodePong(b); return err },
	"nacks":  func(_ testing.TB, b []byte) error { _, err := protocol.DecodeNacks(b); return err },
	"close":  func(_ testing.TB, b []byte) error { _, err := protocol.DecodeClose(b); return err },
	"blob":   func(_ testing.TB, b []byte) error { _, err := protocol.DecodeBlob(b); return err },
}

// requireSection holds err to name a section of SPEC.md.
func requireSection(t *testing.T, section string, err error) {
	t.Helper()
	var e *protocol.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, section, e.Section, err.Error())
	require.Contains(t, err.Error(), e.Reason+" (SPEC.md "+section+")")
}

// begun makes a decoder that has read the preface and a Hello.
func begun(tb testing.TB) protocol.Decoder {
	tb.Helper()
	b, err := protocol.Native{}.NewEncoder().Append(nil, &protocol.Frame{Kind: protocol.KindHello})
	require.NoError(tb, err)
	dec := protocol.Native{}.NewDecoder(0)
	_, n, err := dec.Decode(b)
	require.NoError(tb, err)
	require.Equal(tb, len(b), n)
	return dec
}

// sealed writes a frame whose head mend may have spoilt; the sums are right.
func sealed(f *protocol.Frame, mend func(head []byte)) []byte {
	var head [protocol.HeadSize]byte
	protocol.Native{}.NewEncoder().(protocol.Sealer).Seal(&head, f, len(f.Body), protocol.Sum(0, f.Body))
	if mend != nil {
		mend(head[:])
		binary.LittleEndian.PutUint32(head[28:], protocol.Sum(0, head[:28]))
	}
	return append(head[:], f.Body...)
}

// length puts the length of a body into a head.
func length(n int) func([]byte) {
	return func(head []byte) { head[2], head[3], head[4] = byte(n), byte(n>>8), byte(n>>16) }
}

// count puts the number of units into a head.
func count(n uint16) func([]byte) {
	return func(head []byte) { binary.LittleEndian.PutUint16(head[5:], n) }
}

// read takes frames from b until it is short, and gives what is left.
func read(dec protocol.Decoder, b []byte, each func(protocol.Frame)) ([]byte, error) {
	for {
		f, n, err := dec.Decode(b)
		switch {
		case errors.Is(err, protocol.ErrShort):
			return b, nil
		case err != nil:
			return b, err
		}
		each(f)
		b = b[n:]
	}
}

// seeded gives a random source that is the same in each run.
func seeded() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

// number draws a number of any size, small ones and bounds often.
func number(r *rand.Rand, most uint64) uint64 {
	if r.IntN(4) == 0 {
		return most - min(most, r.Uint64N(3))
	}
	v := r.Uint64() >> r.UintN(64)
	if v > most {
		v %= most + 1
	}
	return v
}

func bytesOf(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func idOf(r *rand.Rand) (id protocol.ID) {
	copy(id[:], bytesOf(r, len(id)))
	id[0] |= 1
	return id
}

// oneOf draws the zero value every other time.
func oneOf[T any](r *rand.Rand, v T) (zero T) {
	if r.IntN(2) == 0 {
		return zero
	}
	return v
}
