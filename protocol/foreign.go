package protocol

import (
	"encoding/binary"
	"math"
	"time"
)

// What the wires of other programs need beside Codec, Encoder and Decoder. A wire
// without a Hello (Caps.Resume is false) is called foreign here.
//
// A foreign Encoder gets data frames alone. Those with units (Count > 0) hold whole
// messages, walked by NextWhole. On a wire with Counted acknowledgements a frame
// without units says how many of the peer's acknowledged messages were accepted on
// this link (Received, a total since the link's start): the encoder writes those that
// it has not written. Metadata that the wire lacks is left out.
//
// A foreign Decoder is given what the link brought, and called until it says ErrShort.
// It takes what it is given: with ErrShort, n bytes were used too, and no more than
// MaxLeft may be left, so that nothing is looked at twice and the caller's buffer stays
// small. A message that is not whole stays with the decoder, in memory that grows with
// the bytes that came and never by an announced length, up to the limit. A frame's Body
// is fresh memory, which the caller keeps. It may hold many messages, at most MaxCount,
// and each is one unit, however large (see AppendUnit; the payload of a unit with
// UnitBase85 is base85 text, which was found valid). Acknowledgements are a frame
// without units, whose Received is how many were seen since the link's start.

// MaxLeft bounds the bytes that a foreign decoder leaves unused when it says ErrShort.
const MaxLeft = 1 << 10

// A DroppedError says that bad input was dropped, as the rules of the wire want it, and
// that the link goes on. It becomes an event; every other error but ErrShort ends the
// link. What came before is returned first: a frame beside an error is not looked at.
type DroppedError struct{ Err error }

func (e *DroppedError) Error() string { return e.Err.Error() }

func (e *DroppedError) Unwrap() error { return e.Err }

// An Opener is an Encoder of a wire on which the side that dialled says something
// before it has anything to say: a listener of several wires knows it by that.
type Opener interface {
	// Open appends what is written first.
	Open(dst []byte) []byte
}

// A Lingerer is a Codec of a wire whose peers lose what is behind them when the link
// ends: it has to stay open, and read, for a time after the last write.
type Lingerer interface {
	// Linger is for how long, when so many messages were written that the peer may
	// still have to take, one of them at least.
	Linger(queued int) time.Duration
}

// A Finisher is a Decoder that has something to say when the peer has ended the link:
// the frame that the last bytes are, or a DroppedError for bytes that no message
// follows from. Without units and without an error there is nothing. It is called once.
type Finisher interface {
	Finish() (Frame, error)
}

// NextWhole takes a unit from the front of a run of a foreign wire, and gives what is
// behind it: a whole message, of any size. Apart from that it is NextUnit.
func NextWhole(run []byte) (u Unit, rest []byte, err error) {
	n, at := binary.Uvarint(run)
	if at <= 0 || n >= uint64(len(run)-at) { //nolint:gosec // at is not beyond run; one byte more for the flags
		return Unit{}, nil, Errorf("4.1", "a unit is cut short")
	}
	u.Flags = UnitFlags(run[at])
	at++
	end := at + int(n) //nolint:gosec // less than len(run)
	u.Payload, rest = run[at:end:end], run[end:]
	if u.Flags&^(UnitAcked|UnitBase85) != 0 {
		if err := u.split(math.MaxInt); err != nil {
			return Unit{}, nil, err
		}
	}
	return u, rest, nil
}

// EachMessage calls f for each message of a run of a foreign wire, in order, until it
// fails. Gaps and the end of a direction, for which such wires have no words, are left
// out. The metadata are f's until it returns.
func EachMessage(run []byte, f func(m *Meta, payload []byte) error) error {
	var m Meta
	for len(run) > 0 {
		u, rest, err := NextWhole(run)
		if err != nil {
			return err
		}
		run = rest
		if u.Flags&(UnitGap|UnitEnd) != 0 {
			continue
		}
		if m, err = DecodeMeta(u.Meta); err != nil {
			return err
		}
		m.Mode = ModeOf(u.Flags)
		if err := f(&m, u.Payload); err != nil {
			return err
		}
	}
	return nil
}
