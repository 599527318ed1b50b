// Package serpy2 is the wire of serpy2, the Python program that sends values with
// their type: ints, floats, texts and bytes. A Go peer on this wire talks to the
// original in either role.
//
// A message is a head of 14 bytes (a magic, a type, a sum, a length) and a body. There
// is no greeting, no mode, no acknowledgement. Values come and go by Type: an Int and a
// Float as 8 bytes, little endian, a Text as UTF-8. What this package does better than
// the original without leaving its wire:
//
//   - A message whose sum, type or value is wrong is dropped, and told. The original
//     goes deaf at most of them.
//   - Bytes that begin no message end the link, or are skipped up to the next magic and
//     told. The original throws away whatever it holds, good messages too.
//   - A length is no reason to take memory, and one beyond the limit ends the link.
//   - All messages that came are handed over at once, in time that grows with their
//     bytes. The original takes one every 10 ms, which is why a link is kept open for
//     Linger after the last byte.
package serpy2

import (
	"errors"
	"math"
	"time"
	"unicode/utf8"

	"github.com/serpy-go/serpy/protocol"
)

// The head of a message.
const (
	magic    = "\xde\xca\xfe\xca\xfe"
	headSize = 14
)

// Types of the wire.
const (
	typeInt   = 0x01
	typeFloat = 0x11
	typeText  = 0x21
	typeBytes = 0x81
)

// Wire is the codec. The zero value is right for the original.
type Wire struct {
	// Resync skips bytes that begin no message, up to the next that may, and
	// tells how many: otherwise they end the link. A magic that stands in a body
	// is then taken for a head where the stream was cut inside it.
	Resync bool
}

var (
	_ protocol.Codec    = Wire{}
	_ protocol.Lingerer = Wire{}
	_ protocol.Finisher = (*decoder)(nil)
)

// Name is "serpy2".
func (Wire) Name() string { return "serpy2" }

// maxBody is what the length of a message can say, in bytes, as far as an int can.
const maxBody = min(math.MaxUint32, math.MaxInt)

// Caps says that nothing is acknowledged, and that any payload travels as it is.
func (Wire) Caps() protocol.Caps {
	return protocol.Caps{CleanBinary: true, MaxPayload: maxBody}
}

// Match compares with the magic.
func (Wire) Match(first []byte) protocol.Match {
	n := min(len(first), len(magic))
	switch {
	case string(first[:n]) != magic[:n]:
		return protocol.No
	case n < len(magic):
		return protocol.More
	}
	return protocol.Yes
}

// Linger is how long a link stays open, reading, after its last byte was written: the
// original takes a message every 10 ms, and loses what it has not taken when the link
// ends.
func (Wire) Linger(queued int) time.Duration {
	return 200*time.Millisecond + time.Duration(queued)*10*time.Millisecond
}

// The reasons of Check.
var (
	errMode   = errors.New("serpy2 has neither acknowledgements nor base85: send it plain")
	errNumber = errors.New("a number has 8 bytes")
	errText   = errors.New("a text is UTF-8")
)

// Check says why a message cannot travel, or nil: the mode is Plain, an Int and a Float
// have 8 bytes, a Text is UTF-8. A Pickle travels as bytes, and what else is beside the
// payload is left out. Messages above 4 MiB take the original seconds.
func (Wire) Check(m *protocol.Meta, payload []byte) error {
	switch {
	case m.Mode != protocol.Plain:
		return errMode
	case uint64(len(payload)) > math.MaxUint32:
		return protocol.ErrTooLarge
	case (m.Type == protocol.Int || m.Type == protocol.Float) && len(payload) != 8:
		return errNumber
	case m.Type == protocol.Text && !utf8.Valid(payload):
		return errText
	}
	return nil
}

// NewEncoder makes the encoder of one link.
func (Wire) NewEncoder() protocol.Encoder { return encoder{} }

// NewDecoder makes the decoder of one link. A body of more than limit bytes is the end
// of the link.
func (w Wire) NewDecoder(limit int) protocol.Decoder {
	return &decoder{limit: max(limit, 0), resync: w.Resync}
}
