package protocol

import "encoding/binary"

// A reader takes fields from the front of b; the first that is not there sets
// bad, and what is read afterwards is zero.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

// bytes takes a length and as many bytes.
func (r *reader) bytes() []byte {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) fail() { r.b, r.bad = nil, true }

// appendBytes is the counterpart of reader.bytes.
func appendBytes[T ~string | ~[]byte](dst []byte, v T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(v)))
	return append(dst, v...)
}

// Fields are how everything optional is written (SPEC.md 2.4): a key, a length,
// and as many bytes. A reader skips keys that it does not know, unless mandatory
// is set in them: then it refuses the whole.
const mandatory = 0x80

// field takes the next key and value; ok is false at the end.
func (r *reader) field() (key byte, value reader, ok bool) {
	if len(r.b) == 0 {
		return 0, reader{}, false
	}
	key = r.byte()
	value.b = r.bytes()
	return key, value, !r.bad
}

func appendUint(dst []byte, key byte, v uint64) []byte {
	dst = append(dst, key, byte(uvarintLen(v))) //nolint:gosec // at most 10
	return binary.AppendUvarint(dst, v)
}

func appendField[T ~string | ~[]byte](dst []byte, key byte, v T) []byte {
	return appendBytes(append(dst, key), v)
}
