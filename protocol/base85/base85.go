// Package base85 writes and reads the base85 text of RFC 1924's alphabet in
// the form of Python's base64.b85encode and b85decode: groups of four bytes,
// big endian, as five digits, most significant first; a last group of n bytes
// (n below 4) as its first n+1 digits; no short forms and no line breaks.
//
// The text holds no control character, space, quote, comma, dot, slash, colon,
// bracket or backslash, which is why wires that give such bytes a meaning of
// their own carry binary payloads in it. It is a quarter longer than what it
// stands for.
//
// All functions are safe for concurrent use; none keeps its arguments.
package base85

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// alphabet lists the digits by value.
const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"

const (
	base   = 85
	square = base * base
)

// pairs holds the two digits of every value below 85*85, the more significant
// one in the low byte: two digits a look-up and a third of the divisions.
// At 14 KiB it stays in the first-level cache.
var pairs = func() (p [square]uint16) {
	for v := range p {
		p[v] = uint16(alphabet[v/base]) | uint16(alphabet[v%base])<<8
	}
	return p
}()

// EncodedLen returns the length of the text of n bytes. It is exact for any
// n from 0 to four fifths of the largest int.
func EncodedLen(n int) int {
	size := n / 4 * 5
	if rest := n % 4; rest > 0 {
		size += rest + 1
	}
	return size
}

// AppendEncode appends the text of src to dst and returns the extended slice.
// It allocates only where dst has too little room, and at most once. The free
// capacity of dst must not overlap src.
func AppendEncode(dst, src []byte) []byte {
	start := len(dst)
	size := EncodedLen(len(src))
	dst = slices.Grow(dst, size)[:start+size]
	encode(dst[start:], src)
	return dst
}

// encode fills dst, of exactly EncodedLen(len(src)) bytes, with src's text.
func encode(dst, src []byte) {
	for len(src) >= 8 && len(dst) >= 10 {
		v := binary.BigEndian.Uint64(src)
		a, b := uint32(v>>32), uint32(v) //nolint:gosec // the two halves.
		ah, bh := a/square, b/square
		at, bt := ah/square, bh/square
		binary.LittleEndian.PutUint64(dst,
			uint64(alphabet[at])|
				uint64(pairs[ah-at*square])<<8|
				uint64(pairs[a-ah*square])<<24|
				uint64(alphabet[bt])<<40|
				uint64(pairs[bh-bt*square])<<48)
		binary.LittleEndian.PutUint16(dst[8:], pairs[b-bh*square])
		dst, src = dst[10:], src[8:]
	}
	for len(src) > 0 {
		var group [4]byte
		n := copy(group[:], src)
		v := binary.BigEndian.Uint32(group[:])
		var text [5]byte
		for i := len(text) - 1; i >= 0; i-- {
			text[i] = alphabet[v%base]
			v /= base
		}
		copy(dst, text[:n+1])
		src = src[n:]
		dst = dst[n+1:]
	}
}

// A DecodeError says which part of a text is not base85.
type DecodeError struct {
	// Offset is the place of the character that is no digit, or, where
	// Overflow is set, of the first character of its group; in bytes from
	// the beginning of the text.
	Offset int
	// Byte is the character at Offset.
	Byte byte
	// Overflow says that all characters of the group are digits, but stand
	// for more than 32 bits.
	Overflow bool
}

// Error implements error.
func (e *DecodeError) Error() string {
	if e.Overflow {
		return fmt.Sprintf("base85: the group at offset %d stands for more than 32 bits", e.Offset)
	}
	return fmt.Sprintf("base85: byte %#02x at offset %d is no digit", e.Byte, e.Offset)
}
