package serpy

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"github.com/serpy-go/serpy/protocol"
)

// Mode says who is told of a message and how its payload looks on the wire. It
// never decides whether the message arrives: see docs/guarantees.md.
type Mode = protocol.Mode

// The modes.
const (
	// Plain messages are kept until the peer has them; nobody waits for it.
	Plain = protocol.Plain
	// Acked messages have a [Receipt].
	Acked = protocol.Acked
	// Base85 is Plain with a payload of printable characters on the wire, a
	// quarter longer.
	Base85 = protocol.Base85
	// Base85Acked is Acked with a payload of printable characters.
	Base85Acked = protocol.Base85Acked
)

// Type says how a message's Data is to be read. A wire without types sends Data
// alone.
type Type = protocol.Type

// The types. Int and Float are 8 bytes, little endian; a Pickle is handed over
// raw and never run.
const (
	Bytes  = protocol.Bytes
	Text   = protocol.Text
	Int    = protocol.Int
	Float  = protocol.Float
	Pickle = protocol.Pickle
)

// Header is names and values beside the payload. Nil costs nothing. At most 32
// names and 4 KiB as encoded; names and values are UTF-8. It is encoded, sorted by
// name, before the send returns.
type Header map[string]string

// A Message is a value: it may be copied, kept, and sent on as it was received.
// The zero Message is an empty, plain one.
type Message struct {
	// Data is the payload. A send copies it, unless NoCopy is set. Received
	// Data is never nil, has no capacity beyond its length, and is the
	// caller's for good; small messages share a chunk of memory, so one that
	// is kept keeps up to 1 MiB alive: Clone what you keep for long.
	Data []byte
	// Mode is Plain unless said otherwise. On a wire that cannot carry Data as
	// it is, Plain goes as Base85 and Acked as Base85Acked.
	Mode Mode
	// Type is Bytes unless said otherwise.
	Type Type
	// NoCopy sends Data without a copy: nobody may write to it (reading is
	// fine) until the Receipt resolves or Flush returns. It pays from some
	// 16 KiB. False when received.
	NoCopy bool
	// Redelivered marks a received message that an application may have
	// processed before, in an earlier session. Ignored by sends.
	Redelivered bool
	// Tag is the application's: which stream, which command. KeepLatest keeps
	// the newest message of each Tag.
	Tag uint32
	// Time is when the payload was captured, by the sender's clock, with the
	// precision of a nanosecond. The zero Time is not sent.
	Time time.Time
	// Header is nil unless said otherwise.
	Header Header
	// ID is, of a received message, the sender's count 1, 2, 3 …, also over
	// messages that it dropped; the same when redelivered, and unique together
	// with Peer().Instance. Ignored by sends; 0 on a wire without numbers.
	ID uint64
	// Gap tells of messages that are missing right before this one; nil: none.
	// Ignored by sends.
	Gap *Gap

	origin      *Connection
	chunk       *chunk
	unit        uint64 // the last of the message
	correlation uint64
	epoch       uint32
	first       uint32 // how many units came before unit
	wire        uint32 // bytes of all of them
	role        protocol.Role
}

// A Gap stands in the stream where messages are missing. Where several reasons meet at
// one place it is one Gap over all of them, with the gravest: LostWithSession.
type Gap struct {
	First, Last uint64 // the IDs of the first and the last that are missing
	Count       uint64 // how many are missing; 0: not known (the peer restarted)
	Reason      GapReason
}

func (g Gap) String() string {
	if g.Count == 0 {
		return "messages may be missing, " + g.Reason.String()
	}
	return fmt.Sprintf("%d missing (%d to %d), %v", g.Count, g.First, g.Last, g.Reason)
}

// GapReason says why messages are missing.
type GapReason uint8

const (
	// DroppedBySender is a policy of the sender's queue.
	DroppedBySender GapReason = iota
	// DroppedByReceiver is a policy of this side's receive queue.
	DroppedByReceiver
	// LostWithSession are messages that may be lost with an earlier session.
	LostWithSession

	gapReasons = 3
)

func (r GapReason) String() string {
	switch r {
	case DroppedBySender:
		return "dropped by the sender"
	case DroppedByReceiver:
		return "dropped by the receiver"
	case LostWithSession:
		return "lost with the session"
	}
	return "for a reason unknown here"
}

// TextMessage makes a plain message of Type Text.
func TextMessage(s string) Message { return Message{Data: []byte(s), Type: Text} }

// ValueMessage makes a plain message of an int, int64, float64, string or
// []byte (which is not copied here, but by the send). Another type is an error.
func ValueMessage(v any) (Message, error) {
	switch v := v.(type) {
	case int:
		return numberMessage(Int, uint64(v)), nil //nolint:gosec // two's complement, both ways
	case int64:
		return numberMessage(Int, uint64(v)), nil //nolint:gosec // two's complement, both ways
	case float64:
		return numberMessage(Float, math.Float64bits(v)), nil
	case string:
		return TextMessage(v), nil
	case []byte:
		return Message{Data: v}, nil
	}
	return Message{}, fmt.Errorf("serpy: a message has no form for a %T: give an int, int64, float64, string or []byte", v)
}

func numberMessage(t Type, bits uint64) Message {
	return Message{Data: binary.LittleEndian.AppendUint64(nil, bits), Type: t}
}

// Value gives Data as an int64, float64, string or []byte, by Type. Data that
// does not fit its Type, or a type unknown here, is an error.
func (m Message) Value() (any, error) {
	switch m.Type {
	case Bytes, Pickle:
		return m.Data, nil
	case Text:
		if !utf8.Valid(m.Data) {
			return nil, fmt.Errorf("serpy: a text message is not UTF-8: %.40q", m.Data)
		}
		return string(m.Data), nil
	case Int, Float:
		if len(m.Data) != 8 {
			return nil, fmt.Errorf("serpy: a message of type %v has %d bytes instead of 8", m.Type, len(m.Data))
		}
		bits := binary.LittleEndian.Uint64(m.Data)
		if m.Type == Float {
			return math.Float64frombits(bits), nil
		}
		return int64(bits), nil //nolint:gosec // two's complement, both ways
	}
	return nil, fmt.Errorf("serpy: a message of type %d, which is not known here", m.Type)
}

// String gives Data as text, whatever its Type.
func (m Message) String() string { return string(m.Data) }

// Clone gives a copy with Data of its own, of exactly the size that it needs.
func (m Message) Clone() Message {
	m.Data = bytes.Clone(m.Data)
	if m.Data == nil {
		m.Data = []byte{}
	}
	m.chunk = nil
	return m
}

// Release says that Data is not used any more: its memory may serve for other
// messages. It is optional, and doubles the speed of large flows. Call it at most
// once for a received message and all its copies; a Clone is not affected.
func (m Message) Release() {
	if m.chunk != nil {
		m.chunk.release(1)
	}
}

// Ack says that the application is done with a received message. Where this side
// acknowledges when processed ([OnProcessed]) every message needs it, whatever
// its Mode, in any order and from any goroutine; the first of Ack and Nack counts.
// Otherwise, and on messages that were not received, it does nothing.
func (m Message) Ack() {
	if m.origin != nil {
		m.origin.processed(&m, "", false)
	}
}

// Nack says that the application is done with a message and refuses it: it is not
// sent again, unless the session is lost before the sender knows, and its sender gets a [NackError] with the reason, of which at most
// 1 KiB is sent. To a Request the refusal is the answer, whatever the AckWhen;
// otherwise it needs [OnProcessed], as Ack does.
func (m Message) Nack(reason string) {
	if m.origin == nil {
		return
	}
	if m.role == protocol.Request {
		m.origin.fail(&m, reason)
	}
	m.origin.processed(&m, reason, true)
}

// Reply answers a Request with r, and implies Ack. To a message that is no
// Request it is an ordinary send to where the message came from. It waits for room
// as SendMessage does.
func (m Message) Reply(ctx context.Context, r Message) error {
	if m.origin == nil {
		return fmt.Errorf("serpy: reply: the message was not received: %w", ErrUnsupported)
	}
	r.role, r.correlation = protocol.Ordinary, 0
	if m.role == protocol.Request {
		r.role, r.correlation = protocol.Reply, m.correlation
	}
	if _, err := m.origin.send(ctx, &r, true, "reply"); err != nil {
		return err
	}
	m.Ack()
	return nil
}
