package protocol

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/serpy-go/serpy/protocol/internal/crc32c"
)

// Preface is what each side of a native link sends first (SPEC.md 2.1). Its
// first byte is no text, and its line ends do not survive a link that mends
// line ends.
const Preface = "\x89SPY\r\n\x1a\n"

// Sizes of frames (SPEC.md 3.1), in bytes.
const (
	// HeadSize is the length of a frame's head.
	HeadSize = 32
	// MaxCount bounds the units of a frame.
	MaxCount = 1<<16 - 1
	// MaxHello bounds the body of a Hello and of a Refuse: whoever sends one is
	// not known yet.
	MaxHello = 4 << 10
	// MaxControl bounds the body of every other control frame.
	MaxControl = 48 << 10
)

// Bits of the numbers that a head carries (SPEC.md 3.2).
const (
	FirstBits      = 32
	ReceivedBits   = 32
	ProcessedBits  = 24
	LimitUnitsBits = 24
	LimitBytesBits = 24
	// LimitBytesUnit is the number of bytes that one step of LimitBytes is
	// worth; the count is rounded down to it.
	LimitBytesUnit = 256
)

// NoSum says that the body has no checksum; both sides agreed to that.
const NoSum Flags = 2

// Sum goes on with a CRC-32C over b; begin with 0.
func Sum(sum uint32, b []byte) uint32 { return crc32c.Update(sum, b) }

// Native is the wire of SPEC.md.
type Native struct{}

var _ Codec = Native{}

// Name is "native".
func (Native) Name() string { return "native" }

// Caps says that the native wire can do all that a session asks for.
func (Native) Caps() Caps {
	return Caps{Acks: Numbered, Resume: true, Flow: true, Correlates: true, CleanBinary: true, Metadata: true, Blobs: true}
}

// Match compares with the preface.
func (Native) Match(first []byte) Match {
	n := min(len(first), len(Preface))
	switch {
	case string(first[:n]) != Preface[:n]:
		return No
	case n < len(Preface):
		return More
	}
	return Yes
}

// Check accepts every message.
func (Native) Check(*Meta, []byte) error { return nil }

// NewEncoder makes the encoder of one link; it is a Sealer.
func (Native) NewEncoder() Encoder { return &nativeEncoder{} }

// NewDecoder makes the decoder of one link. Frames are bounded by MaxBody, whatever
// the limit: large payloads travel as fragments.
func (Native) NewDecoder(int) Decoder { return &nativeDecoder{} }

type nativeEncoder struct{ begun bool }

// Append refuses what a decoder would.
func (e *nativeEncoder) Append(dst []byte, f *Frame) ([]byte, error) {
	if err := checkHead(f, len(f.Body)); err != nil {
		return dst, err
	}
	if !e.begun {
		e.begun = true
		dst = append(dst, Preface...)
	}
	dst = append(dst, make([]byte, HeadSize)...)
	e.Seal((*[HeadSize]byte)(dst[len(dst)-HeadSize:]), f, len(f.Body), Sum(0, f.Body))
	return append(dst, f.Body...), nil
}

func (e *nativeEncoder) Seal(head *[HeadSize]byte, f *Frame, bodyLen int, bodySum uint32) {
	if f.Flags&NoSum != 0 {
		bodySum = 0
	}
	// Each number is cut to the bits of its field; SPEC.md 3.2 says how the
	// reader finds the rest.
	le := binary.LittleEndian
	le.PutUint64(head[0:], uint64(f.Kind)<<4|uint64(f.Flags&0xf)|uint64(f.Lane)<<8|uint64(bodyLen)<<16|uint64(f.Count)<<40) //nolint:gosec // bounded by MaxBody
	le.PutUint32(head[7:], uint32(f.First))                                                                                 //nolint:gosec // cut on purpose
	le.PutUint32(head[11:], uint32(f.Received))                                                                             //nolint:gosec // cut on purpose
	le.PutUint32(head[15:], uint32(f.Processed))                                                                            //nolint:gosec // cut on purpose
	le.PutUint32(head[18:], uint32(f.LimitUnits))                                                                           //nolint:gosec // cut on purpose
	bytes := f.LimitBytes / LimitBytesUnit
	head[21], head[22], head[23] = byte(bytes), byte(bytes>>8), byte(bytes>>16) //nolint:gosec // cut on purpose
	le.PutUint32(head[24:], bodySum)
	le.PutUint32(head[28:], Sum(0, head[:28]))
}

type nativeDecoder struct{ begun bool }

func (d *nativeDecoder) Decode(b []byte) (f Frame, n int, err error) {
	if !d.begun {
		if n, err = matchPreface(b); err != nil {
			return Frame{}, 0, err
		}
		f, used, err := d.frame(b[n:])
		if err != nil {
			return Frame{}, 0, err
		}
		d.begun = true
		return f, n + used, nil
	}
	return d.frame(b)
}

func (d *nativeDecoder) frame(b []byte) (f Frame, n int, err error) {
	if len(b) < HeadSize {
		return Frame{}, 0, ErrShort
	}
	le := binary.LittleEndian
	if le.Uint32(b[28:]) != Sum(0, b[:28]) {
		return Frame{}, 0, Errorf("3.1", "the checksum of a head does not match")
	}
	size := int(b[2]) | int(b[3])<<8 | int(b[4])<<16
	f = Frame{
		Kind: Kind(b[0] >> 4), Flags: Flags(b[0] & 0xf), Lane: b[1],
		Count: int(le.Uint16(b[5:])),
		First: uint64(le.Uint32(b[7:])), Received: uint64(le.Uint32(b[11:])),
		Processed:  uint64(le.Uint32(b[15:])) & (1<<ProcessedBits - 1),
		LimitUnits: uint64(le.Uint32(b[18:])) & (1<<LimitUnitsBits - 1),
		LimitBytes: (uint64(le.Uint32(b[20:])) >> 8) * LimitBytesUnit,
	}
	if err := checkHead(&f, size); err != nil {
		return Frame{}, 0, err
	}
	switch {
	case !d.begun && f.Kind != KindHello && f.Kind != KindRefuse:
		return Frame{}, 0, Errorf("2.1", "the first frame is a %v frame", f.Kind)
	case len(b)-HeadSize < size:
		return Frame{}, 0, ErrShort
	}
	n = HeadSize + size
	f.Body = b[HeadSize:n:n]
	sum := le.Uint32(b[24:])
	if f.Kind == KindBlob {
		f.Sum = sum
	}
	if f.Flags&NoSum == 0 && sum != Sum(0, f.Body) {
		return Frame{}, 0, Errorf("3.1", "the checksum of a body does not match")
	}
	return f, n, nil
}

// checkHead holds what a head says to SPEC.md 3.1.
func checkHead(f *Frame, size int) error {
	most := MaxControl
	switch f.Kind {
	case KindData, KindBlob:
		most = MaxBody
	case KindHello, KindRefuse:
		most = MaxHello
	case KindPing, KindPong, KindNack, KindClose, KindSeen:
	default:
		return Errorf("3.1", "a frame of kind %d, which this version does not know", f.Kind)
	}
	switch {
	case f.Flags&^(AckNow|NoSum|Replies) != 0:
		return Errorf("3.1", "a frame with flags %#x, which this version does not know", byte(f.Flags))
	case f.Flags&NoSum != 0 && most == MaxHello:
		return Errorf("3.1", "a %v frame without a checksum", f.Kind)
	case size > most:
		return Errorf("3.1", "a body of %d bytes, at most %d are allowed", size, most)
	case f.Kind != KindData && f.Count != 0:
		return Errorf("3.1", "a %v frame with %d units", f.Kind, f.Count)
	case f.Count < 0 || f.Count > MaxCount || size < minUnit*f.Count || f.Count == 0 && size > 0 && f.Kind == KindData:
		return Errorf("3.1", "%d units in %d bytes", f.Count, size)
	}
	return nil
}

// matchPreface says how long the preface is, or what the peer sent instead.
func matchPreface(b []byte) (int, error) {
	switch (Native{}).Match(b) {
	case Yes:
		return len(Preface), nil
	case More:
		return 0, ErrShort
	case No:
	}
	for _, mangled := range []string{
		"\x89SPY",          // the rest is not as it was: line ends, an end-of-file mark
		"\x09SPY",          // the eighth bit is gone
		"\x89\xd3\xd0\xd9", // the eighth bit is a parity, or always set
		"\xc2\x89SPY",      // taken for Latin-1 and made UTF-8
		"\xef\xbf\xbdSPY",  // taken for UTF-8 and replaced
		"?SPY",             // taken for ASCII and replaced
		"SPY\r",            // or left out
		"SPY\n",
	} {
		if bytes.HasPrefix(b, []byte(mangled)) {
			return 0, ErrMangled
		}
		if bytes.HasPrefix([]byte(mangled), b) {
			return 0, ErrShort
		}
	}
	return 0, &foreignError{first: bytes.Clone(b[:min(len(b), 16)])}
}

// A foreignError shows how the peer began.
type foreignError struct{ first []byte }

func (e *foreignError) Error() string {
	for _, known := range []struct{ prefix, what string }{
		{"GET ", "HTTP"},
		{"POST ", "HTTP"},
		{"HEAD ", "HTTP"},
		{"PUT ", "HTTP"},
		{"HTTP/", "HTTP"},
		{"PRI ", "HTTP/2"},
		{"\x16\x03", "TLS"},
		{"\x15\x03", "TLS"},
		{"SSH-", "SSH"},
		{"\xde\xca\xfe\xca\xfe", "serpy2"},
		{"\x01SETMODE", "serpy"},
	} {
		if bytes.HasPrefix(e.first, []byte(known.prefix)) {
			return "the peer speaks " + known.what
		}
	}
	return ErrForeign.Error() + ": it began with " + quote(e.first)
}

func (e *foreignError) Is(target error) bool { return target == ErrForeign }

func quote(b []byte) string {
	const hex = "0123456789abcdef"
	out := []byte{'"'}
	for _, c := range b {
		if c >= ' ' && c < 0x7f && c != '"' && c != '\\' {
			out = append(out, c)
			continue
		}
		out = append(out, '\\', 'x', hex[c>>4], hex[c&15])
	}
	return string(append(out, '"'))
}

// Expand finds the number whose low bits a head carried: the first one from near
// upwards that ends in them (SPEC.md 3.2). ok is false if that is half the range
// away or more: then the number moved backwards.
func Expand(low uint64, bits uint, near uint64) (v uint64, ok bool) {
	mask := uint64(1)<<bits - 1
	ahead := (low - near) & mask
	return near + ahead, ahead <= mask/2
}

// IsShort reports whether err asks for more bytes.
func IsShort(err error) bool { return errors.Is(err, ErrShort) }
