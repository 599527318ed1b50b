package protocol

import (
	"encoding/binary"
	"math"
)

// Ping asks for a Pong; times are the sender's clock, in nanoseconds since 1970
// UTC (SPEC.md 5.3).
type Ping struct{ Sent int64 }

// Pong answers a Ping: with the four times the asker knows the round trip and how
// far the clocks are apart.
type Pong struct {
	Sent     int64 // of the Ping
	Received int64 // when the answerer read it
	Answered int64 // when the answerer wrote this
}

// AppendPing appends the body of a Ping.
func AppendPing(dst []byte, p Ping) []byte { return binary.AppendVarint(dst, p.Sent) }

// DecodePing reads the body of a Ping. What stands behind it is left to later
// versions. An error is an *Error.
func DecodePing(b []byte) (p Ping, err error) {
	r := reader{b: b}
	p.Sent = r.varint()
	if r.bad {
		return Ping{}, Errorf("5.3", "a Ping is malformed")
	}
	return p, nil
}

// AppendPong appends the body of a Pong.
func AppendPong(dst []byte, p Pong) []byte {
	for _, t := range []int64{p.Sent, p.Received, p.Answered} {
		dst = binary.AppendVarint(dst, t)
	}
	return dst
}

// DecodePong reads the body of a Pong. What stands behind it is left to later
// versions. An error is an *Error.
func DecodePong(b []byte) (p Pong, err error) {
	r := reader{b: b}
	p = Pong{Sent: r.varint(), Received: r.varint(), Answered: r.varint()}
	if r.bad {
		return Pong{}, Errorf("5.3", "a Pong is malformed")
	}
	return p, nil
}

// A Nack names one unit that the application refused, and why (SPEC.md 5.4).
type Nack struct {
	Unit   uint64
	Reason string
}

// AppendNack appends one entry to the body of a Nack frame, which has one or more.
func AppendNack(dst []byte, n Nack) []byte {
	dst = binary.AppendUvarint(dst, n.Unit)
	return appendBytes(dst, Clip(n.Reason))
}

// DecodeNacks reads the body of a Nack or a Seen frame: one entry or more. An error
// is an *Error.
func DecodeNacks(b []byte) (nacks []Nack, err error) {
	r := reader{b: b}
	for len(r.b) > 0 {
		n := Nack{Unit: r.number(MaxNumber), Reason: string(r.text())}
		if r.bad || n.Unit == 0 {
			return nil, Errorf("5.4", "a Nack is malformed")
		}
		nacks = append(nacks, n)
	}
	if len(nacks) == 0 {
		return nil, Errorf("5.4", "a Nack that names no unit")
	}
	return nacks, nil
}

// Close ends the session (SPEC.md 5.5); the head's numbers are final, and pass the
// refused units that it lists.
type Close struct {
	Code   Code
	Reason string
	Nacks  []Nack // that the peer may not know of
}

// AppendClose appends the body of a Close. The caller lists no more Nacks than
// MaxControl has room for.
func AppendClose(dst []byte, c Close) []byte {
	dst = binary.AppendUvarint(dst, uint64(c.Code))
	dst = appendBytes(dst, Clip(c.Reason))
	for _, n := range c.Nacks {
		dst = AppendNack(dst, n)
	}
	return dst
}

// DecodeClose reads the body of a Close. An error is an *Error.
func DecodeClose(b []byte) (c Close, err error) {
	r := reader{b: b}
	c.Code, c.Reason = Code(r.number(math.MaxUint32)), string(r.text()) //nolint:gosec // bounded
	if r.bad {
		return Close{}, Errorf("5.5", "a Close is malformed")
	}
	if len(r.b) > 0 {
		if c.Nacks, err = DecodeNacks(r.b); err != nil {
			return Close{}, err
		}
	}
	return c, nil
}
