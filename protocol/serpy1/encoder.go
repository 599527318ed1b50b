package serpy1

import (
	"errors"

	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/base85"
)

// unsaid is no mode: no SETMODE was written yet.
const unsaid = 0xff

// An encoder writes one direction of a link.
type encoder struct {
	mode    uint8  // said last
	acks    uint64 // written
	scratch []byte // of numbers
}

// errFragment says that a run was made for a wire with fragments.
var errFragment = errors.New("serpy carries messages whole, and this is a fragment")

// Open says SETMODE, so that the listener knows the wire before there is a message.
func (e *encoder) Open(dst []byte) []byte { return e.say(dst, modePlain) }

// Append writes the acknowledgements that f.Received asks for and the units of f.Body,
// with a SETMODE wherever the mode changes, or an answer of the decoder's as it is.
// Control that this wire has no word for is written as nothing.
func (e *encoder) Append(dst []byte, f *protocol.Frame) ([]byte, error) {
	switch f.Kind {
	case protocol.KindAnswer:
		return append(dst, f.Body...), nil
	case protocol.KindData:
	default:
		return dst, nil
	}
	for ; e.acks < f.Received; e.acks++ {
		dst = append(dst, ackEOT...)
		dst = append(dst, us)
	}
	for run := f.Body; len(run) > 0; {
		u, rest, err := protocol.NextWhole(run)
		if err != nil {
			return dst, err
		}
		if dst, err = e.unit(dst, &u); err != nil {
			return dst, err
		}
		run = rest
	}
	return dst, nil
}

// unit writes a message. Gaps and the end of a direction have no words here.
func (e *encoder) unit(dst []byte, u *protocol.Unit) ([]byte, error) {
	switch {
	case u.Flags&(protocol.UnitGap|protocol.UnitEnd) != 0:
		return dst, nil
	case u.Flags&(protocol.UnitMore|protocol.UnitContinued) != 0:
		return dst, errFragment
	}
	payload, is85 := u.Payload, u.Flags&protocol.UnitBase85 != 0
	mode := uint8(modePlain)
	if u.Meta != nil {
		meta, err := protocol.DecodeMeta(u.Meta)
		if err != nil {
			return dst, err
		}
		switch meta.Type {
		case protocol.Int, protocol.Float:
			if payload, err = e.number(payload, meta.Type, is85); err != nil {
				return dst, err
			}
		case protocol.Pickle:
			mode = modePickle
		case protocol.Bytes, protocol.Text:
		}
	}
	acked := u.Flags&protocol.UnitAcked != 0
	if mode == modePlain && (is85 || !clean(payload, acked)) {
		mode = modeBase85
	}
	if acked {
		mode |= modeAcked
	}
	dst = e.say(dst, mode)
	if mode >= modeBase85 && !is85 {
		dst = base85.AppendEncode(dst, payload)
	} else {
		dst = append(dst, payload...)
	}
	if acked {
		dst = append(dst, eot)
	}
	return append(dst, us), nil
}

// say writes a SETMODE if the mode changes, and before the first message.
func (e *encoder) say(dst []byte, mode uint8) []byte {
	if e.mode == mode {
		return dst
	}
	e.mode = mode
	dst = append(dst, setMode...)
	return append(dst, '0'+mode, us)
}

// number gives the text of a number, as base85 if it came so.
func (e *encoder) number(payload []byte, t protocol.Type, is85 bool) ([]byte, error) {
	var room [8]byte
	bits := payload
	if is85 {
		if len(payload) != base85.EncodedLen(len(room)) {
			return nil, errNumber
		}
		var err error
		if bits, err = base85.AppendDecode(room[:0], payload); err != nil {
			return nil, err
		}
	}
	if len(bits) != len(room) {
		return nil, errNumber
	}
	var text [32]byte
	str := appendNumber(text[:0], t, bits)
	if e.scratch = append(e.scratch[:0], str...); is85 {
		e.scratch = base85.AppendEncode(e.scratch[:0], str)
	}
	return e.scratch, nil
}
