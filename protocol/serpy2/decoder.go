package serpy2

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/serpy-go/serpy/protocol"
)

// A decoder reads one direction of a link.
type decoder struct {
	limit  int // bytes of a body
	resync bool
	left   int // bytes that were not used, when the last call said that it was short

	// Of a large message that is not whole.
	open bool
	head head
	got  int    // bytes of its body
	sum  uint32 // of these
	body []byte // behind room; nil: of a type that is not known
}

// A head says what follows.
type head struct {
	kind byte
	sum  uint32
	size int
}

// Decode takes messages, as many as fit a frame. One with a wrong sum, an unknown type
// or a value that is none is a *protocol.DroppedError, as are, with Wire.Resync, bytes
// that begin no message.
func (d *decoder) Decode(b []byte) (protocol.Frame, int, error) {
	if d.open {
		return d.goOn(b)
	}
	var r run
	at := 0
	for !r.full() {
		n, err := d.next(&r, b[at:])
		if err != nil && r.count > 0 { // what is whole goes first; it comes again
			break
		}
		at += n
		if err != nil {
			d.left = len(b) - at
			return protocol.Frame{}, at, err
		}
	}
	return protocol.Frame{Kind: protocol.KindData, Count: r.count, Body: r.buf}, at, nil
}

// next takes a message from the front of b. Nothing of the decoder changes with an
// error, if the run has messages.
func (d *decoder) next(r *run, b []byte) (n int, err error) {
	h, err := d.headOf(b)
	if err != nil {
		return d.skip(b, err)
	}
	end := headSize + h.size
	if len(b) < end {
		return d.begin(r, b, h)
	}
	body := b[headSize:end:end]
	if err := h.check(sum(0, body)); err != nil {
		return end, err
	}
	var room [8]byte
	meta, payload, err := h.value(body, room[:])
	if err != nil {
		return end, err
	}
	if !r.add(meta, payload, len(b)) {
		return 0, protocol.ErrShort // of room
	}
	return end, nil
}

// errMagic is returned where no message begins.
var errMagic = errors.New("not the beginning of a message")

// headOf reads a head.
func (d *decoder) headOf(b []byte) (h head, err error) {
	if n := min(len(b), len(magic)); string(b[:n]) != magic[:n] {
		return h, errMagic
	}
	if len(b) < headSize {
		return h, protocol.ErrShort
	}
	size := binary.LittleEndian.Uint32(b[10:])
	h = head{kind: b[len(magic)], sum: binary.LittleEndian.Uint32(b[6:])}
	most := d.limit
	if h.kind == typeInt || h.kind == typeFloat {
		most = max(most, maxNumber) // as a payload it has 8 bytes
	}
	if uint64(size) > uint64(most) {
		return h, fmt.Errorf("a message of %d bytes: %w, at most %d are allowed", size, protocol.ErrTooLarge, most)
	}
	h.size = int(size)
	return h, nil
}

// maxNumber is how long a number may always be, in bytes.
const maxNumber = 64

// skip makes of bytes that begin no message what the wire is set to.
func (d *decoder) skip(b []byte, err error) (n int, _ error) {
	switch {
	case !errors.Is(err, errMagic):
		return 0, err
	case !d.resync:
		return 0, fmt.Errorf("%w: %q", err, b[:min(len(b), headSize)])
	}
	if n = bytes.Index(b, []byte(magic)); n < 0 {
		n = len(b)
		for keep := len(magic) - 1; keep > 0; keep-- {
			if bytes.HasSuffix(b, []byte(magic[:keep])) {
				n -= keep
				break
			}
		}
	}
	return n, &protocol.DroppedError{Err: fmt.Errorf("skipped %d bytes that begin no message: %q", n, b[:min(n, headSize)])}
}

// begin keeps what is there of a large message.
func (d *decoder) begin(r *run, b []byte, h head) (n int, err error) {
	if len(b) <= protocol.MaxLeft || r.count > 0 {
		return 0, protocol.ErrShort
	}
	d.open, d.head, d.got, d.sum, d.body = true, h, 0, 0, nil
	if h.known() {
		d.body = make([]byte, room, room+min(h.size, 2*len(b)))
	}
	d.keep(b[headSize:])
	return len(b), protocol.ErrShort
}

// keep takes a part of the body of the large message.
func (d *decoder) keep(part []byte) {
	d.got += len(part)
	if d.body == nil {
		return
	}
	d.sum = sum(d.sum, part)
	if need := len(d.body) + len(part); need > cap(d.body) { // at most doubled, and never beyond its end
		grown := make([]byte, len(d.body), min(room+d.head.size, 2*need))
		copy(grown, d.body)
		d.body = grown
	}
	d.body = append(d.body, part...)
}

// goOn takes more of the large message. Where it is text or bytes, its memory is the
// run.
func (d *decoder) goOn(b []byte) (protocol.Frame, int, error) {
	n := min(len(b), d.head.size-d.got)
	d.keep(b[:n])
	if d.got < d.head.size {
		d.left = 0
		return protocol.Frame{}, n, protocol.ErrShort
	}
	memory := d.body
	d.open, d.body = false, nil
	if err := d.head.check(d.sum); err != nil {
		return protocol.Frame{}, n, err
	}
	var number [8]byte
	meta, payload, err := d.head.value(memory[room:], number[:])
	if err != nil {
		return protocol.Frame{}, n, err
	}
	f := protocol.Frame{Kind: protocol.KindData, Count: 1}
	if len(payload) == len(memory)-room {
		f.Body = own(meta, memory)
	} else {
		f.Body = protocol.AppendUnit(nil, 0, meta, payload)
	}
	return f, n, nil
}

// Finish says that the link ended inside a message, which is dropped.
func (d *decoder) Finish() (protocol.Frame, error) {
	n := d.left
	if d.open {
		n += headSize + d.got
	}
	if n > 0 {
		return protocol.Frame{}, &protocol.DroppedError{Err: fmt.Errorf("the link ended inside a message, of which %d bytes had come", n)}
	}
	return protocol.Frame{}, nil
}

func (h *head) known() bool {
	return h.kind == typeInt || h.kind == typeFloat || h.kind == typeText || h.kind == typeBytes
}

// check holds a body to its head.
func (h *head) check(sum uint32) error {
	switch {
	case !h.known():
		return dropped("a message of type %#02x, which is not known", h.kind)
	case sum != h.sum:
		return dropped("the sum of a message is %#x, and its head says %#x", sum, h.sum)
	}
	return nil
}

func dropped(format string, args ...any) error {
	return &protocol.DroppedError{Err: fmt.Errorf(format, args...)}
}

// Metadata of the types.
var (
	intMeta   = (&protocol.Meta{Type: protocol.Int}).Append(nil)
	floatMeta = (&protocol.Meta{Type: protocol.Float}).Append(nil)
	textMeta  = (&protocol.Meta{Type: protocol.Text}).Append(nil)
)

// value gives a body as a payload and its metadata; room is for a number.
func (h *head) value(body, room []byte) (meta, payload []byte, err error) {
	switch h.kind {
	case typeInt:
		v, ok := integer(body)
		if !ok {
			return nil, nil, dropped("an int of more than 64 bits, of %d bytes", len(body))
		}
		binary.LittleEndian.PutUint64(room, v)
		return intMeta, room, nil
	case typeFloat:
		v, err := parseFloat(body)
		if err != nil {
			return nil, nil, &protocol.DroppedError{Err: err}
		}
		binary.LittleEndian.PutUint64(room, math.Float64bits(v))
		return floatMeta, room, nil
	case typeText:
		if !utf8.Valid(body) {
			return nil, nil, dropped("a text that is not UTF-8, of %d bytes", len(body))
		}
		return textMeta, body, nil
	}
	return nil, body, nil
}

// integer reads a signed number of any length, little endian, as the 64 bits of an
// int64. ok is false if it does not fit them.
func integer(b []byte) (v uint64, ok bool) {
	if len(b) == 0 {
		return 0, true
	}
	sign := byte(int8(b[len(b)-1]) >> 7) //nolint:gosec // all bits are the highest
	room := [8]byte{sign, sign, sign, sign, sign, sign, sign, sign}
	n := copy(room[:], b)
	for _, c := range b[n:] {
		if c != sign {
			return 0, false
		}
	}
	return binary.LittleEndian.Uint64(room[:]), room[7]>>7 == sign&1
}
