package serpy2

import (
	"encoding/binary"
	"errors"
	"math"
	"unicode/utf8"

	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/base85"
)

// An encoder writes one direction of a link, and keeps nothing.
type encoder struct{}

// errFragment says that a run was made for a wire with fragments.
var errFragment = errors.New("serpy2 carries messages whole, and this is a fragment")

// Append writes the units of f.Body. Control that this wire has no word for is written
// as nothing.
func (encoder) Append(dst []byte, f *protocol.Frame) ([]byte, error) {
	if f.Kind != protocol.KindData {
		return dst, nil
	}
	for run := f.Body; len(run) > 0; {
		u, rest, err := protocol.NextWhole(run)
		if err != nil {
			return dst, err
		}
		if dst, err = appendUnit(dst, &u); err != nil {
			return dst, err
		}
		run = rest
	}
	return dst, nil
}

// appendUnit writes a message. Gaps and the end of a direction have no words here.
func appendUnit(dst []byte, u *protocol.Unit) ([]byte, error) {
	switch {
	case u.Flags&(protocol.UnitGap|protocol.UnitEnd) != 0:
		return dst, nil
	case u.Flags&(protocol.UnitMore|protocol.UnitContinued) != 0:
		return dst, errFragment
	}
	meta, err := protocol.DecodeMeta(u.Meta)
	if err != nil {
		return dst, err
	}
	start := len(dst)
	dst = append(dst, magic...)
	dst = append(dst, make([]byte, headSize-len(magic))...)
	body := len(dst)
	if u.Flags&protocol.UnitBase85 == 0 {
		dst = append(dst, u.Payload...)
	} else if dst, err = base85.AppendDecode(dst, u.Payload); err != nil {
		return dst[:start], err
	}
	kind := kindOf(meta.Type, dst[body:])
	if kind == typeFloat {
		bits := binary.LittleEndian.Uint64(dst[body:])
		dst = appendFloat(dst[:body], math.Float64frombits(bits))
	}
	if uint64(len(dst)-body) > math.MaxUint32 { //nolint:gosec // not negative
		return dst[:start], protocol.ErrTooLarge
	}
	dst[start+len(magic)] = kind
	binary.LittleEndian.PutUint32(dst[start+6:], sum(0, dst[body:]))
	binary.LittleEndian.PutUint32(dst[start+10:], uint32(len(dst)-body)) //nolint:gosec // bounded
	return dst, nil
}

// kindOf is the type that a payload goes by: one that is not what its Type says goes as
// bytes, because the original would go deaf.
func kindOf(t protocol.Type, payload []byte) byte {
	switch {
	case t == protocol.Int && len(payload) == 8:
		return typeInt
	case t == protocol.Float && len(payload) == 8:
		return typeFloat
	case t == protocol.Text && utf8.Valid(payload):
		return typeText
	}
	return typeBytes
}
