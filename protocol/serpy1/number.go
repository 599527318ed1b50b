package serpy1

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"

	"github.com/serpy-go/serpy/protocol"
)

// appendNumber appends what Python's str() makes of an Int or a Float, given as its 8
// bytes: the original sends numbers so.
func appendNumber(dst []byte, t protocol.Type, bits []byte) []byte {
	v := binary.LittleEndian.Uint64(bits)
	if t == protocol.Float {
		return appendFloat(dst, math.Float64frombits(v))
	}
	return strconv.AppendInt(dst, int64(v), 10) //nolint:gosec // two's complement, both ways
}

// appendFloat writes the shortest digits that read back to v, with an exponent below
// -4 and from 16 on, and otherwise with a point: 2.5, 1.0, 1e+22, 1e-05, nan, -inf.
func appendFloat(dst []byte, v float64) []byte {
	switch {
	case math.IsNaN(v):
		return append(dst, "nan"...)
	case math.IsInf(v, 1):
		return append(dst, "inf"...)
	case math.IsInf(v, -1):
		return append(dst, "-inf"...)
	}
	var room [32]byte
	short := strconv.AppendFloat(room[:0], v, 'e', -1, 64)
	exponent, _ := strconv.Atoi(string(short[bytes.IndexByte(short, 'e')+1:])) // it was just written
	if exponent < -4 || exponent >= 16 {
		return append(dst, short...)
	}
	start := len(dst)
	if dst = strconv.AppendFloat(dst, v, 'f', -1, 64); bytes.IndexByte(dst[start:], '.') < 0 {
		dst = append(dst, ".0"...)
	}
	return dst
}
