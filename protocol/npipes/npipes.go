// Package npipes is the wire of npipes, the Python library for Windows named pipes:
// one message of text a connection, in one write on a pipe of message type.
//
// A message is, in four fields of which the numbers are big endian,
//
//	4 bytes  message length: of what follows but 4, so the payload's length and 8
//	4 bytes  data length: of the payload, n
//	n bytes  the text, in ASCII
//	4 bytes  CRC-32 (IEEE) of the text, or 0 where the sender computes none
//
// and the connection ends behind it. [Wire.Append] and [Wire.Parse] are that
// message; as a protocol.Codec the Wire carries one message a link. Who opens the
// pipe, and in which order, is package transport's (Meet).
package npipes

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"unicode/utf8"

	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/charset"
)

const (
	// MaxMessage is the most bytes of a message: the original reads once, so many.
	MaxMessage = 65536
	// MaxPayload is the most bytes of an encoded text.
	MaxPayload = MaxMessage - overhead

	overhead  = 12 // two lengths and the CRC
	headBytes = 8  // the lengths
	uncounted = 4  // what the message length does not count: itself
)

// DefaultPipe is the name that the original uses where none is given.
const DefaultPipe = "IPC_PIPE_DEFAULT"

// Verify says what is asked of the CRC of a received message.
type Verify uint8

const (
	// ByCRC is Require where Wire.CRC is true, and otherwise Ignore, as the
	// original does.
	ByCRC Verify = iota
	// Ignore takes any CRC.
	Ignore
	// Require takes the right CRC only. A peer that sends none can say the
	// empty text only.
	Require
	// Present takes the right CRC, and 0 for one that was not computed.
	Present
)

// CRCOf says what the CRC is computed over. For ASCII and Latin-1 both are the same.
type CRCOf uint8

const (
	// CodePoints is what the original does: the low 8 bits of each code point.
	CodePoints CRCOf = iota
	// Payload is the bytes on the wire.
	Payload
)

// Order is the byte order of the numbers.
type Order uint8

const (
	// Big is that of the original's IPC class, which lets nobody choose.
	Big Order = iota
	// Little is for peers that use its Message class alone and ask for it.
	Little
	// Machine is this machine's, which the original calls native.
	Machine
)

// OrderOf is the Order of the original's words big, little, network and native, in
// upper or lower case. (The original takes every other word for native.)
func OrderOf(word string) (Order, error) {
	switch strings.ToLower(word) {
	case "big", "network":
		return Big, nil
	case "little":
		return Little, nil
	case "native":
		return Machine, nil
	}
	return Big, fmt.Errorf("byte order %q: want big, little, network or native", word)
}

type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

func (o Order) bytes() byteOrder {
	switch o {
	case Little:
		return binary.LittleEndian
	case Machine:
		return binary.NativeEndian
	default:
		return binary.BigEndian
	}
}

// Wire is the wire of npipes. The zero value is what the original's IPC class with
// crc=False speaks, Wire{CRC: true} what it speaks by default. It is comparable, and
// safe from any goroutine.
type Wire struct {
	// CRC sends the CRC, and requires the peer's unless Verify says otherwise.
	CRC bool
	// Verify is what is asked of the peer's.
	Verify Verify
	// CRCOf is what it is computed over.
	CRCOf CRCOf
	// Charset is how the text is written; nil is charset.ASCII, the only one
	// that the original's IPC class has. charset.Raw carries any bytes.
	Charset *charset.Charset
	// Order is the byte order of the numbers.
	Order Order
	// AnyLength takes any message length of a peer, as the original does, and
	// goes by the data length alone.
	AnyLength bool
}

// Reasons why a message is none.
var (
	errShort    = errors.New("npipes: the message is cut short")
	errBehind   = errors.New("npipes: bytes behind the message")
	errCRC      = errors.New("npipes: wrong CRC")
	errTooLarge = fmt.Errorf("npipes: %w", protocol.ErrTooLarge)
	errBase85   = fmt.Errorf("npipes: base85: %w", errors.ErrUnsupported)
	errSecond   = errors.New("npipes: a second message on one connection")
)

func (w Wire) charset() *charset.Charset {
	if w.Charset == nil {
		return charset.ASCII
	}
	return w.Charset
}

// Append appends the message of a text (of any bytes, for charset.Raw). The error is
// errors.ErrUnsupported where the charset cannot write it, and names the bounds where
// it is longer than MaxPayload; dst then is as it was.
func (w Wire) Append(dst, text []byte) ([]byte, error) {
	start := len(dst)
	var lengths [headBytes]byte
	out, err := w.charset().Encode(append(dst, lengths[:]...), text)
	if err != nil {
		return dst[:start], err
	}
	n := len(out) - start - headBytes
	if n > MaxPayload {
		return dst[:start], fmt.Errorf("%w: a text of %d bytes; at most %d fit", errTooLarge, n, MaxPayload)
	}
	order := w.Order.bytes()
	order.PutUint32(out[start:], uint32(n+overhead-uncounted)) //nolint:gosec // at most MaxMessage
	order.PutUint32(out[start+4:], uint32(n))                  //nolint:gosec // at most MaxPayload
	var sum uint32
	if w.CRC {
		sum = w.sum(text, out[start+headBytes:])
	}
	return order.AppendUint32(out, sum), nil
}

// sum is the CRC of a text and the payload that it is on the wire.
func (w Wire) sum(text, payload []byte) uint32 {
	if w.CRCOf == Payload || !w.charset().IsText() {
		return crc32.ChecksumIEEE(payload)
	}
	var low [256]byte // piecewise, so that it takes no memory by the text's length
	sum, n := uint32(0), 0
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		text = text[size:]
		low[n] = byte(r) //nolint:gosec // the low 8 bits are what is wanted
		if n++; n == len(low) || len(text) == 0 {
			sum, n = crc32.Update(sum, crc32.IEEETable, low[:n]), 0
		}
	}
	return sum
}

// Parse reads the one message that b is, and gives its text in memory of its own. The
// text of an empty message is empty and not nil; everything else that the original
// answers by an empty text is an error here.
func (w Wire) Parse(b []byte) (text []byte, err error) {
	size, err := w.size(b, MaxPayload)
	switch {
	case err != nil:
		return nil, err
	case len(b) < size:
		return nil, errShort
	case len(b) > size:
		return nil, errBehind
	}
	payload := b[headBytes : size-4]
	text, err = w.charset().Decode(make([]byte, 0, len(payload)), payload)
	if err != nil {
		return nil, err
	}
	got := w.Order.bytes().Uint32(b[size-4:])
	if !w.verified(got, text, payload) {
		return nil, fmt.Errorf("%w: %08x", errCRC, got)
	}
	return text, nil
}

func (w Wire) verified(got uint32, text, payload []byte) bool {
	switch {
	case w.Verify == Ignore, w.Verify == ByCRC && !w.CRC, w.Verify == Present && got == 0:
		return true
	default:
		return got == w.sum(text, payload)
	}
}

// size is how many bytes the message at the front of b has, at most limit of them
// payload. It is errShort as long as nothing speaks against b but its length.
func (w Wire) size(b []byte, limit int) (int, error) {
	if len(b) < headBytes {
		return 0, errShort
	}
	order := w.Order.bytes()
	message, data := order.Uint32(b), order.Uint32(b[4:])
	switch {
	case uint64(data) > uint64(max(limit, 0)):
		return 0, fmt.Errorf("%w: a payload of %d bytes; at most %d are taken", errTooLarge, data, limit)
	case !w.AnyLength && message != data+overhead-uncounted:
		return 0, fmt.Errorf("npipes: a message length of %d for %d bytes of data", message, data)
	}
	return int(data) + overhead, nil
}
