package charset

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/serpy-go/serpy/protocol"
)

// AppendText appends the text in UTF-8 that a wire of texts sends for a payload: its
// digits for an Int and a Float (the fewest that read back as the same number; "NaN",
// "+Inf" and "-Inf"), and for Text and Bytes the payload itself. The error is
// errors.ErrUnsupported: a pickle, or a number that has not 8 bytes.
func AppendText(dst []byte, t protocol.Type, payload []byte) ([]byte, error) {
	switch t {
	case protocol.Bytes, protocol.Text:
		return append(dst, payload...), nil
	case protocol.Int, protocol.Float:
		if len(payload) != 8 {
			return dst, fmt.Errorf("a value of type %v with %d bytes: %w", t, len(payload), errors.ErrUnsupported)
		}
		v := binary.LittleEndian.Uint64(payload)
		if t == protocol.Int {
			return strconv.AppendInt(dst, int64(v), 10), nil //nolint:gosec // two's complement
		}
		return strconv.AppendFloat(dst, math.Float64frombits(v), 'g', -1, 64), nil
	case protocol.Pickle:
	}
	return dst, fmt.Errorf("type %v on a wire of texts: %w", t, errors.ErrUnsupported)
}
