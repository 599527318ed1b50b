package protocol

import (
	"bytes"
	"encoding/binary"
	"maps"
	"math"
	"slices"
	"unicode/utf8"
)

// Mode says who is told of a message and how its payload looks on the wire. It
// never decides whether the message arrives.
type Mode uint8

const (
	// Plain messages are kept until the peer has them; nobody waits for it.
	Plain Mode = iota
	// Acked messages have a receipt.
	Acked
	// Base85 is Plain with a payload of printable characters on the wire.
	Base85
	// Base85Acked is Acked with a payload of printable characters on the wire.
	Base85Acked
)

// IsAcked reports whether messages of this mode have a receipt.
func (m Mode) IsAcked() bool { return m == Acked || m == Base85Acked }

// IsBase85 reports whether payloads of this mode are base85 on the wire.
func (m Mode) IsBase85() bool { return m == Base85 || m == Base85Acked }

// Valid reports whether m is one of the four modes.
func (m Mode) Valid() bool { return m <= Base85Acked }

func (m Mode) String() string {
	names := [...]string{"plain", "acked", "base85", "acked-base85"}
	if int(m) < len(names) {
		return names[m]
	}
	return "unknown"
}

// ModeOf is the Mode that a unit's flags stand for.
func ModeOf(f UnitFlags) Mode {
	m := Plain
	if f&UnitAcked != 0 {
		m = Acked
	}
	if f&UnitBase85 != 0 {
		m += Base85
	}
	return m
}

// Flags are the unit flags that stand for m.
func (m Mode) Flags() UnitFlags {
	var f UnitFlags
	if m.IsAcked() {
		f |= UnitAcked
	}
	if m.IsBase85() {
		f |= UnitBase85
	}
	return f
}

// Type says how the payload of a message is to be read.
type Type uint8

const (
	// Bytes is a payload without a type.
	Bytes Type = iota
	// Text is UTF-8.
	Text
	// Int is a signed integer of 8 bytes, little endian.
	Int
	// Float is an IEEE 754 number of 8 bytes, little endian.
	Float
	// Pickle is a Python pickle, handed over raw and never run.
	Pickle
)

func (t Type) String() string {
	names := [...]string{"bytes", "text", "int", "float", "pickle"}
	if int(t) < len(names) {
		return names[t]
	}
	return "unknown"
}

// Role tells requests and replies from other messages.
type Role uint8

const (
	// Ordinary messages are neither.
	Ordinary Role = iota
	// Request asks for a Reply with the same Correlation.
	Request
	// Reply answers a Request.
	Reply
	// Failure answers a Request: the application refused it; the payload is
	// the reason.
	Failure
)

// Meta is what a message carries beside its payload. The zero Meta costs nothing
// on the wire.
type Meta struct {
	Mode        Mode
	Type        Type
	Role        Role
	Tag         uint32
	Time        int64  // nanoseconds since 1970 UTC; 0: none
	Correlation uint64 // of a Request, Reply or Failure
	Header      []byte // what AppendHeader made; nil: none
	Size        int    // bytes of the whole payload on the wire, in the first of several fragments; otherwise 0
}

// Keys of the metadata fields (SPEC.md 4.2).
const (
	metaType    = 1
	metaTag     = 2
	metaTime    = 3
	metaHeader  = 4
	metaSize    = mandatory | 5
	metaRequest = mandatory | 6
	metaReply   = mandatory | 7
	metaFailure = mandatory | 8
)

// Append appends the fields of m, which are none for a plain message.
func (m *Meta) Append(dst []byte) []byte {
	if m.Type != Bytes {
		dst = append(dst, metaType, 1, byte(m.Type))
	}
	if m.Tag != 0 {
		dst = appendUint(dst, metaTag, uint64(m.Tag))
	}
	if m.Time != 0 {
		dst = append(dst, metaTime, 8)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(m.Time)) //nolint:gosec // two's complement, both ways
	}
	if len(m.Header) > 0 {
		dst = appendField(dst, metaHeader, m.Header)
	}
	if m.Size != 0 {
		dst = appendUint(dst, metaSize, uint64(m.Size)) //nolint:gosec // a length is not negative
	}
	if m.Role != Ordinary {
		dst = appendUint(dst, metaRequest+byte(m.Role)-byte(Request), m.Correlation)
	}
	return dst
}

// maxSize is the most that a Size may say, in bytes.
const maxSize = 1 << 40

// DecodeMeta reads the metadata of a unit. Header stays a part of b, and is nil or
// not empty; Mode is not in it: see ModeOf. An error is an *Error.
func DecodeMeta(b []byte) (m Meta, err error) {
	f := fieldsOf(b)
	for f.next() {
		m.take(&f)
	}
	if err := f.err("4.2", "the metadata of a unit"); err != nil {
		return Meta{}, err
	}
	return m, nil
}

func (m *Meta) take(f *fields) {
	v := &f.v
	switch f.key {
	case metaType:
		m.Type = Type(v.byte())
	case metaTag:
		m.Tag = uint32(v.number(math.MaxUint32)) //nolint:gosec // bounded
	case metaTime:
		m.Time = v.time()
	case metaHeader:
		m.Header = v.all(MaxHeader)
	case metaSize:
		// Where an int is too small for it, so is the memory.
		m.Size = int(min(v.number(maxSize), math.MaxInt))
		v.bad = v.bad || m.Size == 0
	case metaRequest, metaReply, metaFailure:
		v.bad = m.Role != Ordinary
		m.Role, m.Correlation = Role(f.key-metaRequest)+Request, v.uvarint()
	default:
		f.unknown()
	}
}

// time takes 8 bytes, little endian.
func (r *reader) time() int64 {
	if len(r.b) < 8 {
		r.fail()
		return 0
	}
	v := binary.LittleEndian.Uint64(r.b)
	r.b = r.b[8:]
	return int64(v) //nolint:gosec // two's complement, both ways
}

// AppendHeader appends a header's names and values, sorted by name. The caller
// holds it to MaxHeader, MaxHeaderNames and UTF-8.
func AppendHeader(dst []byte, h map[string]string) []byte {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		dst = appendBytes(dst, name)
		dst = appendBytes(dst, h[name])
	}
	return dst
}

// MaxHeaderNames is the most names that a header may have.
const MaxHeaderNames = 32

// DecodeHeader reads what AppendHeader made. Names and values are copies. A header
// that is too large, not sorted, or has a name twice is an *Error.
func DecodeHeader(b []byte) (map[string]string, error) {
	if len(b) > MaxHeader {
		return nil, Errorf("4.3", "a header of %d bytes", len(b))
	}
	r := reader{b: b}
	h := make(map[string]string)
	var last []byte
	for len(r.b) > 0 {
		name, value := r.bytes(), r.bytes()
		switch {
		case r.bad:
			return nil, Errorf("4.3", "a header is cut short")
		case !utf8.Valid(name) || !utf8.Valid(value):
			return nil, Errorf("4.3", "a name or a value of a header is not UTF-8")
		case len(h) > 0 && bytes.Compare(name, last) <= 0:
			return nil, Errorf("4.3", "the names of a header are not in order, each once")
		case len(h) == MaxHeaderNames:
			return nil, Errorf("4.3", "a header has more than %d names", MaxHeaderNames)
		}
		h[string(name)], last = string(value), name
	}
	return h, nil
}
