package protocol

import "encoding/binary"

// Fields are how everything optional is written (SPEC.md 2.4): a key, a length,
// and as many bytes. A reader skips keys that it does not know, unless mandatory
// is set in them: then it refuses the whole.
const mandatory = 0x80

// fields walks over the fields of b. Its user reads v to its end, or calls unknown.
type fields struct {
	rest reader
	key  byte
	v    reader // the value of the present field

	seen    [4]uint64 // keys that stood before, of those that are known
	again   bool      // the present one is among them
	bad     bool
	refused bool // a mandatory field is not known here; it is key
}

func fieldsOf(b []byte) fields { return fields{rest: reader{b: b}} }

// next moves to the next field. It is false at the end, and at the first field that
// is not as it should be.
func (f *fields) next() bool {
	f.bad = f.bad || f.v.bad || len(f.v.b) > 0 || f.again
	if f.bad || f.refused || len(f.rest.b) == 0 {
		return false
	}
	f.key = f.rest.byte()
	f.v.b = f.rest.bytes()
	if f.rest.bad {
		f.bad = true
		return false
	}
	bit := uint64(1) << (f.key & 63)
	f.again = f.seen[f.key>>6]&bit != 0
	f.seen[f.key>>6] |= bit
	return true
}

// unknown skips the present field, which may stand more than once.
func (f *fields) unknown() {
	f.refused = f.key&mandatory != 0
	f.v.b, f.again = nil, false
}

// has reports whether a field stood among those that were walked over.
func (f *fields) has(key byte) bool { return f.seen[key>>6]>>(key&63)&1 != 0 }

// err says what was wrong with the fields of what, which section describes.
func (f *fields) err(section, what string) error {
	switch {
	case f.refused:
		return Errorf("2.4", "%s has a mandatory field %#x, which is not known here", what, f.key)
	case f.rest.bad:
		return Errorf(section, "%s is cut short", what)
	case f.bad:
		return Errorf(section, "the field %#x of %s is malformed or stands twice", f.key, what)
	}
	return nil
}

func appendUint(dst []byte, key byte, v uint64) []byte {
	dst = append(dst, key, byte(uvarintLen(v))) //nolint:gosec // at most 10
	return binary.AppendUvarint(dst, v)
}

func appendField[T ~string | ~[]byte](dst []byte, key byte, v T) []byte {
	return appendBytes(append(dst, key), v)
}
