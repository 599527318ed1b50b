package protocol

import (
	"encoding/binary"
	"maps"
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

// DecodeMeta reads the metadata of a unit. Header stays a part of b.
func DecodeMeta(b []byte) (m Meta, err error) {
	r := reader{b: b}
	for {
		key, v, ok := r.field()
		if !ok {
			break
		}
		if err := m.field(key, &v); err != nil {
			return Meta{}, err
		}
		if v.bad {
			r.bad = true
		}
	}
	if r.bad {
		return Meta{}, Errorf("4.2", "the metadata of a unit is malformed")
	}
	return m, nil
}

func (m *Meta) field(key byte, v *reader) error {
	switch key {
	case metaType:
		m.Type = Type(v.byte())
	case metaTag:
		tag := v.uvarint()
		v.bad = v.bad || tag > 1<<32-1
		m.Tag = uint32(tag) //nolint:gosec // checked above
	case metaTime:
		if len(v.b) != 8 {
			v.fail()
			return nil
		}
		m.Time = int64(binary.LittleEndian.Uint64(v.b)) //nolint:gosec // two's complement, both ways
	case metaHeader:
		if m.Header = v.b; len(m.Header) > MaxHeader {
			return Errorf("4.3", "a header of %d bytes", len(m.Header))
		}
	case metaSize:
		size := v.uvarint()
		v.bad = v.bad || size > 1<<40
		m.Size = int(min(size, 1<<31-1)) //nolint:gosec // bounded
	case metaRequest, metaReply, metaFailure:
		m.Role, m.Correlation = Role(key-metaRequest)+Request, v.uvarint()
	default:
		if key&mandatory != 0 {
			return Errorf("2.4", "the metadata field %#x is mandatory and not known here", key)
		}
	}
	return nil
}

// AppendHeader appends a header's names and values, sorted by name.
func AppendHeader(dst []byte, h map[string]string) []byte {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		dst = appendBytes(dst, name)
		dst = appendBytes(dst, h[name])
	}
	return dst
}

// MaxHeaderNames is the most names that a header may have.
const MaxHeaderNames = 32

// DecodeHeader reads what AppendHeader made. Names and values are copies.
func DecodeHeader(b []byte) (map[string]string, error) {
	r := reader{b: b}
	h := make(map[string]string)
	for len(r.b) > 0 {
		name, value := r.bytes(), r.bytes()
		if r.bad || len(h) == MaxHeaderNames || !utf8.Valid(name) || !utf8.Valid(value) {
			return nil, Errorf("4.3", "a header is malformed")
		}
		h[string(name)] = string(value)
	}
	if r.bad {
		return nil, Errorf("4.3", "a header is malformed")
	}
	return h, nil
}
