package base85

import (
	"encoding/binary"
	"slices"
)

// notDigit is what the tables hold for a byte that is no digit. It is above
// 32 bits, as is a group that overflows, and five of them still fit 64: one
// comparison of a group's sum finds both.
const notDigit = 1 << 40

// weights holds, for each place in a group, what a byte at that place
// stands for: adding five replaces four multiplications that wait for one another.
var weights = func() (w [5][256]uint64) {
	place := uint64(1)
	for i := 4; i >= 0; i-- {
		for c := range w[i] {
			w[i][c] = notDigit
		}
		for v := range len(alphabet) {
			w[i][alphabet[v]] = uint64(v) * place
		}
		place *= base
	}
	return w
}()

// DecodedLen returns the exact number of bytes that a valid text of n
// characters stands for.
func DecodedLen(n int) int {
	return n/5*4 + max(n%5-1, 0)
}

// AppendDecode appends what the text src stands for to dst and returns the
// extended slice. It accepts exactly what Python's b85decode accepts: a lone
// character behind the last full group stands for nothing, and an unfinished
// group need not be the one that an encoder writes; white space is an error. It allocates only where dst has too
// little room, and at most once. The free capacity of dst must not overlap
// src.
//
// On a *DecodeError dst is returned with the length that it had; its free
// capacity may have been written to.
func AppendDecode(dst, src []byte) ([]byte, error) {
	start := len(dst)
	size := DecodedLen(len(src))
	dst = slices.Grow(dst, size)[:start+size]
	if err := decode(dst[start:], src); err != nil {
		return dst[:start], err
	}
	return dst, nil
}

// DecodeInPlace overwrites the text b from its beginning with what it stands
// for, and returns that part of b; what lies behind it is left undefined. It
// accepts what AppendDecode accepts and allocates nothing.
//
// On a *DecodeError it returns nil, and all of b is undefined.
func DecodeInPlace(b []byte) ([]byte, error) {
	size := DecodedLen(len(b))
	if err := decode(b[:size], b); err != nil {
		return nil, err
	}
	return b[:size], nil
}

// Check says what is wrong with a text that AppendDecode would refuse, by the same
// *DecodeError, or nil. It writes nothing and allocates nothing but the error.
func Check(src []byte) error {
	r := 0
	for ; len(src)-r >= 10; r += 10 {
		s := src[r : r+10 : r+10]
		a := weights[0][s[0]] + weights[1][s[1]] + weights[2][s[2]] + weights[3][s[3]] + weights[4][s[4]]
		b := weights[0][s[5]] + weights[1][s[6]] + weights[2][s[7]] + weights[3][s[8]] + weights[4][s[9]]
		if (a|b)>>32 != 0 {
			break // The loop below says which of the two, and where.
		}
	}
	for ; r < len(src); r += 5 {
		if _, n, ok := lastGroup(src[r:]); !ok {
			return fault(src[r:r+n], r)
		}
	}
	return nil
}

// lastGroup gives the value of the first group of src, padded where it is cut
// short, and its length.
func lastGroup(src []byte) (v uint64, n int, ok bool) {
	group := [5]byte{'~', '~', '~', '~', '~'}
	n = copy(group[:], src)
	for i, c := range group {
		v += weights[i][c]
	}
	return v, n, v>>32 == 0
}

// decode fills dst, of exactly DecodedLen(len(src)) bytes, with what src
// stands for. dst may begin where src begins: every group is read and checked
// before it is written, and its bytes end before its text does.
func decode(dst, src []byte) error {
	r, w := 0, 0
	for ; len(src)-r >= 10; r, w = r+10, w+8 {
		s := src[r : r+10 : r+10]
		a := weights[0][s[0]] + weights[1][s[1]] + weights[2][s[2]] + weights[3][s[3]] + weights[4][s[4]]
		b := weights[0][s[5]] + weights[1][s[6]] + weights[2][s[7]] + weights[3][s[8]] + weights[4][s[9]]
		if (a|b)>>32 != 0 {
			break // The loop below says which of the two, and where.
		}
		binary.BigEndian.PutUint64(dst[w:], a<<32|b)
	}
	for r < len(src) {
		v, n, ok := lastGroup(src[r:])
		if !ok {
			return fault(src[r:r+n], r)
		}
		var out [4]byte
		binary.BigEndian.PutUint32(out[:], uint32(v)) //nolint:gosec // lastGroup found it to fit
		w += copy(dst[w:], out[:n-1])
		r += n
	}
	return nil
}

// fault says what is wrong with a group of text at offset.
func fault(group []byte, offset int) error {
	for i, c := range group {
		if weights[0][c] == notDigit {
			return &DecodeError{Offset: offset + i, Byte: c}
		}
	}
	return &DecodeError{Offset: offset, Byte: group[0], Overflow: true}
}
