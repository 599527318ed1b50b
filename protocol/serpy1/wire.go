// Package serpy1 is the wire of serpy, version 1: the Python program that this
// library is named after, and takes the place of. A Go peer on this wire talks to the
// original in either role.
//
// A stream is a run of blocks, each ended by one byte 1F. There is no greeting, no
// version, no length and no escape; each direction has a mode, 0 at the start, which
// the command SETMODE changes. What this package does better than the original
// without leaving its wire:
//
//   - It says SETMODE before the first message of every link, mode 0 too: an original
//     that lost its link goes on in the old mode.
//   - A payload that would break the framing travels as base85. What cannot travel
//     at all is refused by Check, not lost.
//   - An acknowledgement means that the message was accepted. The original sends one
//     as soon as it has seen the end of a text, and then may not be able to read it.
//   - Acknowledgements are counted: the n-th of a link belongs to its n-th
//     acknowledged message.
//   - Bad base85 drops one message, and says so; the original goes deaf.
//   - Pickles are bytes (Type Pickle), and are never run. The package pickle below
//     this one reads those of plain types.
//
// The original reads at its leisure: it looks every 50 ms, and what arrives right
// before the end of the link is lost to it. A link is therefore kept open for Linger
// after the last byte, and never half-closed.
package serpy1

import (
	"bytes"
	"errors"
	"time"

	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/base85"
)

// The bytes that the wire gives a meaning.
const (
	soh = 0x01 // begins a command
	eot = 0x04 // ends an acknowledged message
	us  = 0x1f // ends a block
)

// The commands, each a block.
const (
	setMode = "\x01SETMODE" // and the digit
	ackMode = "\x01ACKMODCG"
	ackEOT  = "\x01ACKEOT!!"
)

// Modes of the wire. The lowest bit asks for an acknowledgement.
const (
	modePlain  = 0
	modeBase85 = 2
	modePickle = 4
	modeMost   = 5
	modeAcked  = 1
)

// Wire is the codec. The zero value speaks to an original as it comes.
type Wire struct {
	// ReceiveMode is the mode, 0 to 5, in which a link's first message is read
	// if no SETMODE comes before it. An original that reconnected goes on in its
	// old mode without saying so; 0 is right for every other.
	ReceiveMode uint8
	// SendPickles lets messages of Type Pickle be sent, as bytes that the caller
	// made. An original runs whatever it gets so: see Check.
	SendPickles bool
}

var (
	_ protocol.Codec    = Wire{}
	_ protocol.Lingerer = Wire{}
	_ protocol.Opener   = (*encoder)(nil)
	_ protocol.Finisher = (*decoder)(nil)
)

// Name is "serpy".
func (Wire) Name() string { return "serpy" }

// Caps says that acknowledgements are counted, that nothing survives a lost link,
// and that the framing takes some bytes for itself.
func (Wire) Caps() protocol.Caps { return protocol.Caps{Acks: protocol.Counted} }

// serpy2Magic begins every message of serpy2.
const serpy2Magic = "\xde\xca\xfe\xca\xfe"

// Match says Yes to nearly everything: an original's first message begins with
// whatever its application sends. Only what begins as the native wire or serpy2 do is
// said No to. Among several wires this one therefore stands last.
func (Wire) Match(first []byte) protocol.Match {
	for _, other := range []string{protocol.Preface, serpy2Magic} {
		n := min(len(first), len(other))
		switch {
		case string(first[:n]) != other[:n]:
		case n < len(other):
			return protocol.More
		default:
			return protocol.No
		}
	}
	return protocol.Yes
}

// Linger is how long a link stays open, reading, after its last byte was written:
// the original loses what it has not looked at when the link ends.
func (Wire) Linger(int) time.Duration { return 500 * time.Millisecond }

// The reasons of Check.
var (
	errEmpty    = errors.New("a message without a byte is lost in the modes without an acknowledgement: send it acked")
	errUnclean  = errors.New("the payload has bytes that the wire takes for its own: send it as base85")
	errNumber   = errors.New("a number has 8 bytes")
	errPickles  = errors.New("an original runs the pickles that it gets: Wire.SendPickles allows to send one")
	errProtocol = errors.New("not a pickle of protocol 2 to 5")
)

// Check says why a message cannot travel, or nil. A payload with a byte 1F, or in
// mode Acked 04, or that begins with 01, has to go as base85. An empty one needs an
// acknowledged mode. A pickle needs SendPickles and has to be of protocol 2 to 5,
// which every Python from 3.8 on reads. An Int or a Float has 8 bytes, and travels as
// the text that Python's str() makes of it, as the original's do; Text travels as it
// is, and all else beside the payload is left out.
func (w Wire) Check(m *protocol.Meta, payload []byte) error {
	is85 := m.Mode.IsBase85()
	switch m.Type {
	case protocol.Int, protocol.Float:
		if n := len(payload); !is85 && n != 8 || is85 && n != base85.EncodedLen(8) {
			return errNumber
		}
		return nil
	case protocol.Pickle:
		if !w.SendPickles {
			return errPickles
		}
		return checkPickle(payload, is85)
	case protocol.Bytes, protocol.Text:
	}
	switch {
	case len(payload) == 0 && !m.Mode.IsAcked():
		return errEmpty
	case !is85 && !clean(payload, m.Mode.IsAcked()):
		return errUnclean
	}
	return nil
}

// checkPickle looks at how a pickle begins.
func checkPickle(payload []byte, is85 bool) (err error) {
	if is85 {
		if payload, err = base85.AppendDecode(nil, payload[:min(len(payload), 5)]); err != nil {
			return err
		}
	}
	if len(payload) < 3 || payload[0] != 0x80 || payload[1] < 2 || payload[1] > 5 {
		return errProtocol
	}
	return nil
}

// clean says whether a payload may stand in a block as it is.
func clean(payload []byte, acked bool) bool {
	return (len(payload) == 0 || payload[0] != soh) &&
		bytes.IndexByte(payload, us) < 0 &&
		(!acked || bytes.IndexByte(payload, eot) < 0)
}

// NewEncoder makes the encoder of one link.
func (Wire) NewEncoder() protocol.Encoder { return &encoder{mode: unsaid} }

// NewDecoder makes the decoder of one link. A payload of more than limit bytes, or a
// block that cannot be one of less, is the end of the link.
func (w Wire) NewDecoder(limit int) protocol.Decoder {
	return &decoder{mode: min(w.ReceiveMode, modeMost), limit: max(limit, 0)}
}
