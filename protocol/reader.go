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

// text takes a length and as many bytes, at most MaxText.
func (r *reader) text() []byte {
	v := r.bytes()
	if len(v) > MaxText {
		r.fail()
		return nil
	}
	return v
}

// all takes what is left, which is at most limit bytes.
func (r *reader) all(limit int) []byte {
	if len(r.b) > limit {
		r.fail()
	}
	v := r.b
	r.b = nil
	return v
}

// number takes a uvarint of at most limit.
func (r *reader) number(limit uint64) uint64 {
	v := r.uvarint()
	if v > limit {
		r.fail()
		return 0
	}
	return v
}

func (r *reader) fail() { r.b, r.bad = nil, true }

// appendBytes is the counterpart of reader.bytes.
func appendBytes[T ~string | ~[]byte](dst []byte, v T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(v)))
	return append(dst, v...)
}
