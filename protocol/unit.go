package protocol

import (
	"encoding/binary"
	"math/bits"
)

// Sizes of the native wire (SPEC.md 2 to 4).
const (
	// FragmentSize is the most payload bytes in one unit; a longer payload
	// travels as several units.
	FragmentSize = 64 << 10
	// GroupSize is the length at which a group closes, in bytes.
	GroupSize = 64 << 10
	// MaxHeader is the most bytes that an encoded Header may have.
	MaxHeader = 4 << 10
	// MaxUnit bounds a unit: its framing, metadata and payload.
	MaxUnit = FragmentSize + MaxHeader + 256
	// MaxBody bounds the body of a frame: one byte less than GroupSize, and
	// a unit.
	MaxBody = GroupSize + MaxUnit
	// minUnit is the length of the smallest unit.
	minUnit = 2
	// maxFraming is the length and the flags in front of a unit.
	maxFraming = 4
	// maxMeta bounds the metadata of a unit: a header, and what else there is.
	maxMeta = MaxHeader + 128
)

// UnitFlags stand behind the length of a unit (SPEC.md 4.1).
type UnitFlags uint8

const (
	// UnitAcked marks a message whose sender holds a receipt.
	UnitAcked UnitFlags = 1 << iota
	// UnitBase85 marks a payload that is base85 text on the wire.
	UnitBase85
	// UnitMeta says that metadata stands in front of the payload.
	UnitMeta
	// UnitMore says that the next unit continues this message.
	UnitMore
	// UnitContinued says that this unit continues the message before.
	UnitContinued
	// UnitGap is a record of dropped messages; its payload is a Gap.
	UnitGap
	// UnitEnd says that the sender will send no more messages.
	UnitEnd
	unitReserved
)

// A Unit is what has a number: a message, a fragment of one, a Gap, or the end.
type Unit struct {
	Flags   UnitFlags
	Meta    []byte // encoded metadata, for DecodeMeta; nil: none
	Payload []byte // as on the wire: base85 text where Flags say so
}

// AppendUnit appends a unit to a run. The payload has at most FragmentSize bytes,
// unless the run is one of a foreign wire, and meta, which is what Meta.Append made or
// nil, at most MaxHeader and 128.
func AppendUnit(dst []byte, flags UnitFlags, meta, payload []byte) []byte {
	dst = AppendUnitHead(dst, flags, meta, len(payload))
	return append(dst, payload...)
}

// AppendUnitHead appends all of a unit but its payload, of which only the length
// has to be known.
func AppendUnitHead(dst []byte, flags UnitFlags, meta []byte, payload int) []byte {
	n := payload
	if len(meta) > 0 {
		flags |= UnitMeta
		n += uvarintLen(uint64(len(meta))) + len(meta)
	}
	dst = binary.AppendUvarint(dst, uint64(n)) //nolint:gosec // a length is not negative
	dst = append(dst, byte(flags))
	if len(meta) > 0 {
		dst = binary.AppendUvarint(dst, uint64(len(meta)))
		dst = append(dst, meta...)
	}
	return dst
}

// MaxSmall is the most payload bytes for AppendSmall, and SmallFraming the most that it
// puts in front of them.
const (
	MaxSmall     = 1<<14 - 1
	SmallFraming = 3
)

// AppendSmall is AppendUnit for a payload of at most MaxSmall bytes without metadata.
func AppendSmall(dst []byte, flags UnitFlags, payload []byte) []byte {
	if n := len(payload); n < 0x80 {
		dst = append(dst, byte(n), byte(flags))
	} else {
		dst = append(dst, byte(n)|0x80, byte(n>>7), byte(flags)) //nolint:gosec // at most MaxSmall
	}
	return append(dst, payload...)
}

// UnitLen is the number of bytes that AppendUnit appends.
func UnitLen(meta, payload int) int {
	n := payload
	if meta > 0 {
		n += uvarintLen(uint64(meta)) + meta
	}
	return uvarintLen(uint64(n)) + 1 + n //nolint:gosec // a length is not negative
}

func uvarintLen(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

// NextUnit takes a unit from the front of a run and gives what is behind it. The
// unit's slices are parts of run, with no capacity beyond their length; they hold
// at most MaxHeader and 128 bytes of metadata and FragmentSize bytes of payload. An
// error is an *Error: the run is not of a peer that keeps to SPEC.md 4.
func NextUnit(run []byte) (u Unit, rest []byte, err error) {
	if len(run) < minUnit {
		return Unit{}, nil, Errorf("4.1", "a unit is cut short")
	}
	// Lengths of one and two bytes are nearly all; they are read by hand.
	n, at := uint64(run[0]), 1
	if n >= 0x80 {
		if run[1] < 0x80 {
			n, at = n&0x7f|uint64(run[1])<<7, 2
		} else if n, at = binary.Uvarint(run); at <= 0 || at >= maxFraming {
			return Unit{}, nil, Errorf("4.1", "the length of a unit is malformed")
		}
	}
	if n >= uint64(len(run)-at) { //nolint:gosec // at is not beyond run; one byte more for the flags
		return Unit{}, nil, Errorf("4.1", "a unit of %d bytes does not fit its group", n)
	}
	u.Flags = UnitFlags(run[at])
	at++
	end := at + int(n) //nolint:gosec // less than len(run)
	u.Payload, rest = run[at:end:end], run[end:]
	// Most units are small and plain; all others are looked at twice.
	if u.Flags&^(UnitAcked|UnitBase85) != 0 || n > FragmentSize {
		if err := u.split(FragmentSize); err != nil {
			return Unit{}, nil, err
		}
	}
	return u, rest, nil
}

// NextPlain is NextUnit for the units that nearly all are: a short, whole message
// without metadata, plain or acked, behind which another unit stands. ok is false for
// all others.
func NextPlain(run []byte) (payload, rest []byte, acked, ok bool) {
	if len(run) < minUnit+1 {
		return nil, nil, false, false
	}
	n, at := int(run[0]), 1
	if n >= 0x80 {
		n, at = n&0x7f|int(run[1])<<7, 2
		if run[1] >= 0x80 {
			return nil, nil, false, false
		}
	}
	flags, end := UnitFlags(run[at]), at+1+n
	if flags&^UnitAcked != 0 || end >= len(run) {
		return nil, nil, false, false
	}
	return run[at+1 : end : end], run[end:], flags != 0, true
}

// PlainRow finds the units at the front of a run that NextPlain would take one after
// another, as long as they are alike: all plain or all acked, with heads of one length. It
// gives how many, at most len(starts)-1 of them, and in starts where each begins and where
// the last one ends; starts[0] is 0. run has at most 65,535 bytes, framing is the length
// of a head.
func PlainRow(run []byte, starts []uint16) (n, framing int, acked bool) {
	var first UnitFlags
	for at := 0; n+1 < len(starts) && at+minUnit < len(run); n++ {
		size, head := int(run[at]), 2
		if size >= 0x80 {
			size, head = size&0x7f|int(run[at+1])<<7, 3
			if run[at+1] >= 0x80 {
				break
			}
		}
		flags, end := UnitFlags(run[at+head-1]), at+head+size
		if n == 0 {
			framing, first = head, flags
		}
		if flags&^UnitAcked != 0 || flags != first || head != framing || end >= len(run) {
			break
		}
		starts[n+1], at = uint16(end), end //nolint:gosec // within run
	}
	return n, framing, first != 0
}

// split parts the metadata from the payload, which has at most so many bytes, and
// holds the flags to SPEC.md 4.1.
func (u *Unit) split(most int) error {
	f := u.Flags
	if f&UnitMeta != 0 {
		n, at := binary.Uvarint(u.Payload)
		switch {
		case at <= 0 || n > uint64(len(u.Payload)-at): //nolint:gosec // at is not beyond it
			return Errorf("4.2", "the metadata of a unit is longer than the unit")
		case n == 0 || n > maxMeta:
			return Errorf("4.2", "metadata of %d bytes", n)
		}
		end := at + int(n)
		u.Meta, u.Payload = u.Payload[at:end:end], u.Payload[end:]
	}
	switch {
	case f&unitReserved != 0:
		return Errorf("4.1", "a unit has flags that this version does not know: %#x", byte(f))
	case len(u.Payload) > most:
		return Errorf("4.1", "a unit with a payload of %d bytes", len(u.Payload))
	case f&UnitGap != 0 && f != UnitGap, f&UnitEnd != 0 && (f != UnitEnd || len(u.Payload) > 0):
		return Errorf("4.1", "a gap record or an end that is something else besides: %#x", byte(f))
	case f&(UnitContinued|UnitMeta) == UnitContinued|UnitMeta, f&(UnitMore|UnitContinued|UnitMeta) == UnitMore:
		return Errorf("4.1", "the first fragment of a message has metadata, and no other has: %#x", byte(f))
	case f&(UnitMore|UnitContinued) != 0 && len(u.Payload) == 0:
		return Errorf("4.1", "an empty fragment")
	}
	return nil
}

// CountUnits walks a run and counts its units.
func CountUnits(run []byte) (n int, err error) {
	for len(run) > 0 {
		if _, run, err = NextUnit(run); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// A Gap says which messages are missing, by their IDs (SPEC.md 4.4).
type Gap struct {
	First, Last uint64 // the first and the last ID that are missing
	Count       uint64 // how many are; 0: not known
	Reason      uint8  // serpy.GapReason
}

// AppendGap appends the payload of a unit with UnitGap.
func AppendGap(dst []byte, g Gap) []byte {
	dst = binary.AppendUvarint(dst, g.First)
	dst = binary.AppendUvarint(dst, g.Last)
	dst = binary.AppendUvarint(dst, g.Count)
	return append(dst, g.Reason)
}

// DecodeGap reads the payload of a unit with UnitGap.
func DecodeGap(b []byte) (g Gap, err error) {
	r := reader{b: b}
	g = Gap{First: r.uvarint(), Last: r.uvarint(), Count: r.uvarint(), Reason: r.byte()}
	switch {
	case r.bad || len(r.b) > 0:
		return Gap{}, Errorf("4.4", "a gap record is malformed")
	case g.Last < g.First || g.Count > g.Last-g.First+1:
		return Gap{}, Errorf("4.4", "a gap from %d to %d cannot hold %d messages", g.First, g.Last, g.Count)
	}
	return g, nil
}
