package serpy2

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// appendFloat appends what Python's float.hex() makes of v: 0x1. and 13 digits, p and
// the exponent with its sign, and no leading zeros in it. Of a NaN nothing else is kept.
func appendFloat(dst []byte, v float64) []byte {
	switch {
	case math.IsNaN(v):
		return append(dst, "nan"...)
	case math.Signbit(v):
		dst = append(dst, '-')
		v = -v
	}
	if math.IsInf(v, 1) {
		return append(dst, "inf"...)
	}
	if v == 0 {
		return append(dst, "0x0.0p+0"...)
	}
	bits := math.Float64bits(v)
	lead, exponent, mantissa := byte('1'), int(bits>>52)-1023, bits&(1<<52-1)
	if exponent == -1023 {
		lead, exponent = '0', -1022
	}
	dst = append(dst, '0', 'x', lead, '.')
	for shift := 48; shift >= 0; shift -= 4 {
		dst = append(dst, "0123456789abcdef"[mantissa>>shift&15])
	}
	if dst = append(dst, 'p'); exponent >= 0 {
		dst = append(dst, '+')
	}
	return strconv.AppendInt(dst, int64(exponent), 10)
}

// maxFloat bounds the text of a float, in bytes. Python's has 24 at most.
const maxFloat = 1 << 10

var errFloat = errors.New("a float that is too large")

// parseFloat reads what Python's float.fromhex() does: a hexadecimal number whose 0x,
// point and exponent may be left out, inf, infinity or nan in any case, with a sign and
// white space around.
func parseFloat(text []byte) (float64, error) {
	s := bytes.Trim(text, " \t\n\v\f\r")
	wrong := func() (float64, error) { return 0, fmt.Errorf("not a float: %.60q", text) }
	if len(text) > maxFloat || len(s) == 0 {
		return wrong()
	}
	number := make([]byte, 0, len(s)+8)
	if s[0] == '-' || s[0] == '+' {
		number = append(number, s[0])
		s = s[1:]
	}
	switch string(bytes.ToLower(s)) {
	case "inf", "infinity":
		return math.Inf(1 - 2*bytes.Count(number, []byte{'-'})), nil
	case "nan":
		return math.NaN(), nil
	}
	if len(s) > 1 && s[0] == '0' && s[1]|0x20 == 'x' {
		s = s[2:]
	}
	number = append(number, "0x"...)
	mantissa, exponent, hasExponent := bytes.Cut(bytes.ToLower(s), []byte{'p'})
	if !hasExponent {
		exponent = []byte{'0'}
	}
	if !isMantissa(mantissa) || !isExponent(exponent) {
		return wrong()
	}
	number = append(append(append(number, mantissa...), 'p'), exponent...)
	v, err := strconv.ParseFloat(string(number), 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, errFloat
	case err != nil:
		return wrong()
	}
	return v, nil
}

// isMantissa says whether b is hexadecimal digits with one point at most.
func isMantissa(b []byte) bool {
	points := bytes.Count(b, []byte{'.'})
	return points <= 1 && len(b) > points && len(bytes.Trim(b, "0123456789abcdef.")) == 0
}

// isExponent says whether b is decimal digits, with a sign perhaps.
func isExponent(b []byte) bool {
	if len(b) > 0 && (b[0] == '+' || b[0] == '-') {
		b = b[1:]
	}
	return len(b) > 0 && len(bytes.Trim(b, "0123456789")) == 0
}
