package protocol

import (
	"encoding/binary"
	"math"
	"unicode/utf8"
)

// Version is the version of the wire that this package speaks.
const Version = 1

// An ID names a session, or the life of a process; 128 bits that nobody guesses.
type ID [16]byte

// IsZero reports whether the ID was never set.
func (id ID) IsZero() bool { return id == ID{} }

// Feature is a bit of what a Hello offers; a listener answers with those that
// both sides offer (SPEC.md 5.1).
type Feature uint64

// FeatureNoSum offers to leave out the checksums of bodies: the transport below
// already checks its bytes.
const FeatureNoSum Feature = 1

// FeatureBlob offers blobs: the sender of the Hello takes frames of KindBlob.
const FeatureBlob Feature = 2

// AckWhen says which of a peer's numbers resolve receipts.
type AckWhen uint8

const (
	// OnReceipt resolves a receipt when the peer's process has the message.
	OnReceipt AckWhen = iota
	// OnProcessed resolves it when the peer's application called Ack.
	OnProcessed
)

// Counts is where one lane of a session stands, as a Hello or a Refuse says it.
type Counts struct {
	Lane       uint8
	Received   uint64 // highest unit received
	Processed  uint64 // highest unit processed
	Taken      uint64 // highest unit that the application took
	LimitUnits uint64 // highest unit there is room for
	LimitBytes uint64 // highest count of unit bytes there is room for
}

// Hello opens or resumes a session (SPEC.md 5.1). The dialler's names the session;
// the listener answers with its own.
type Hello struct {
	MinVersion, MaxVersion uint8

	Session  ID     // drawn by the dialler
	Secret   ID     // drawn by the dialler, sent by it alone
	Link     uint64 // raised by the dialler with each link; from 1
	Instance ID     // the sender's process and life
	Opening  ID     // listener: drawn when it opened this session
	Seen     ID     // dialler: the Opening that it was told; zero before

	Name  string // what the sender calls itself; not to be trusted
	Build string // of the library

	Features    Feature
	MaxMessage  uint64 // payload bytes that the sender accepts
	Heartbeat   uint64 // milliseconds between its signs of life; 0: none
	AckWhen     AckWhen
	Resumed     bool   // listener: the session was there
	BaseID      uint64 // ID of the message that comes first in the session, less one
	Redelivered uint64 // units at the start of the session that may have been processed before

	Lanes []Counts
}

// Lane finds the counts of a lane, zero if there are none.
func (h *Hello) Lane(lane uint8) Counts { return laneOf(h.Lanes, lane) }

func laneOf(lanes []Counts, lane uint8) Counts {
	for _, c := range lanes {
		if c.Lane == lane {
			return c
		}
	}
	return Counts{Lane: lane}
}

// Keys of the fields of a Hello and of a Refuse (SPEC.md 5.1, 5.2).
const (
	helloVersions    = mandatory | 1
	helloSession     = mandatory | 2
	helloSecret      = mandatory | 3
	helloLink        = mandatory | 4
	helloInstance    = mandatory | 5
	helloSeen        = 6
	helloName        = 7
	helloBuild       = 8
	helloFeatures    = 9
	helloMaxMessage  = 10
	helloHeartbeat   = 11
	helloAckWhen     = mandatory | 12
	helloResumed     = mandatory | 13
	helloBaseID      = mandatory | 14
	helloRedelivered = mandatory | 15
	fieldLane        = mandatory | 16
	refuseCode       = mandatory | 17
	refuseReason     = 18
	helloOpening     = mandatory | 20
)

// Bounds of what control frames say.
const (
	// MaxText bounds names and reasons, in bytes.
	MaxText = 1024
	// MaxHeartbeat bounds Hello.Heartbeat, in milliseconds: a day.
	MaxHeartbeat = 24 * 60 * 60 * 1000
	// MaxNumber bounds the numbers and counts of a session.
	MaxNumber = 1 << 62
)

// AppendHello appends the body of a Hello. Texts are cut to MaxText, and a longer
// Heartbeat to MaxHeartbeat.
func AppendHello(dst []byte, h *Hello) []byte {
	dst = append(dst, helloVersions, 2, h.MinVersion, h.MaxVersion)
	for _, f := range []struct {
		key byte
		id  *ID
	}{{helloSession, &h.Session}, {helloSecret, &h.Secret}, {helloInstance, &h.Instance}, {helloOpening, &h.Opening}, {helloSeen, &h.Seen}} {
		if !f.id.IsZero() {
			dst = appendField(dst, f.key, f.id[:])
		}
	}
	for _, f := range []struct {
		key byte
		v   uint64
	}{
		{helloLink, h.Link},
		{helloFeatures, uint64(h.Features)},
		{helloMaxMessage, h.MaxMessage},
		{helloHeartbeat, min(h.Heartbeat, MaxHeartbeat)},
		{helloAckWhen, uint64(h.AckWhen)},
		{helloResumed, bit(h.Resumed)},
		{helloBaseID, h.BaseID},
		{helloRedelivered, h.Redelivered},
	} {
		if f.v != 0 {
			dst = appendUint(dst, f.key, f.v)
		}
	}
	for _, f := range []struct {
		key byte
		s   string
	}{{helloName, h.Name}, {helloBuild, h.Build}} {
		if f.s != "" {
			dst = appendField(dst, f.key, Clip(f.s))
		}
	}
	return appendLanes(dst, h.Lanes)
}

// Clip cuts a text to MaxText bytes, and no character of UTF-8 in two.
func Clip(s string) string {
	if len(s) <= MaxText {
		return s
	}
	n := MaxText
	for n > MaxText-utf8.UTFMax && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

func appendLanes(dst []byte, lanes []Counts) []byte {
	for _, c := range lanes {
		var b []byte
		b = append(b, c.Lane)
		for _, v := range []uint64{c.Received, c.Processed, c.Taken, c.LimitUnits, c.LimitBytes} {
			b = binary.AppendUvarint(b, v)
		}
		dst = appendField(dst, fieldLane, b)
	}
	return dst
}

// DecodeHello reads the body of a Hello. An error is an *Error.
func DecodeHello(b []byte) (h Hello, err error) {
	f := fieldsOf(b)
	for f.next() {
		h.take(&f)
	}
	if err := f.err("5.1", "a Hello"); err != nil {
		return Hello{}, err
	}
	switch {
	case h.MaxVersion < h.MinVersion || h.MinVersion == 0:
		return Hello{}, Errorf("5.1", "a Hello with versions %d to %d", h.MinVersion, h.MaxVersion)
	case h.Session.IsZero() || h.Instance.IsZero():
		return Hello{}, Errorf("5.1", "a Hello without a session or an instance")
	}
	return h, nil
}

func (h *Hello) take(f *fields) {
	v := &f.v
	switch f.key {
	case helloVersions:
		h.MinVersion, h.MaxVersion = v.byte(), v.byte()
	case helloSession:
		h.Session = v.id()
	case helloSecret:
		h.Secret = v.id()
	case helloInstance:
		h.Instance = v.id()
	case helloSeen:
		h.Seen = v.id()
	case helloOpening:
		h.Opening = v.id()
	case helloLink:
		h.Link = v.uvarint()
	case helloName:
		h.Name = string(v.all(MaxText))
	case helloBuild:
		h.Build = string(v.all(MaxText))
	case helloFeatures:
		h.Features = Feature(v.uvarint())
	case helloMaxMessage:
		h.MaxMessage = v.uvarint()
	case helloHeartbeat:
		h.Heartbeat = v.number(MaxHeartbeat)
	case helloAckWhen:
		h.AckWhen = AckWhen(v.number(uint64(OnProcessed))) //nolint:gosec // bounded
	case helloResumed:
		h.Resumed = v.number(1) == 1
	case helloBaseID:
		h.BaseID = v.number(MaxNumber)
	case helloRedelivered:
		h.Redelivered = v.number(MaxNumber)
	case fieldLane:
		h.Lanes = f.lane(h.Lanes)
	default:
		f.unknown()
	}
}

// id takes an ID, which is never zero on the wire.
func (r *reader) id() (id ID) {
	if len(r.b) < len(id) {
		r.fail()
		return id
	}
	r.b = r.b[copy(id[:], r.b):]
	r.bad = r.bad || id.IsZero()
	return id
}

// lane takes the counts of a lane, of which there is one field each.
func (f *fields) lane(lanes []Counts) []Counts {
	v := &f.v
	f.again = false
	c := Counts{Lane: v.byte()}
	for _, n := range []*uint64{&c.Received, &c.Processed, &c.Taken, &c.LimitUnits, &c.LimitBytes} {
		*n = v.number(MaxNumber)
	}
	if c.LimitBytes%LimitBytesUnit != 0 || len(lanes) > 0 && lanes[len(lanes)-1].Lane >= c.Lane {
		v.fail()
	}
	return append(lanes, c)
}

// Code says why a session was refused or closed (SPEC.md 6).
type Code uint32

// The codes of Refuse and Close.
const (
	CodeNormal       Code = 0 // the application closed; ends the connection
	CodeGoingAway    Code = 1 // the process ends or restarts; the dialler comes again
	CodeBusy         Code = 2 // too many; the dialler comes again, later
	CodeRefused      Code = 3 // not allowed; final
	CodeWrongVersion Code = 4 // no version in common; final
	CodeStale        Code = 5 // a link number that is not above the present one
	CodeUnknown      Code = 6 // no such session here: it is lost
	CodeProtocol     Code = 7 // a rule of the wire was broken
	CodeError        Code = 8 // the application's handler ended with an error; ends the connection
	CodeEvicted      Code = 9 // a bound of the listener pushed the session out
)

// Final reports whether trying again is no use.
func (c Code) Final() bool {
	return c == CodeRefused || c == CodeWrongVersion
}

func (c Code) String() string {
	names := [...]string{"normal", "going away", "busy", "refused", "wrong version", "stale link", "unknown session", "protocol error", "error", "evicted"}
	if int(c) < len(names) {
		return names[c]
	}
	return "unknown code"
}

// Refuse turns a Hello away (SPEC.md 5.2), or tells how a session ended that the
// dialler wants to resume: then Lanes has its final counts.
type Refuse struct {
	Code   Code
	Reason string
	Closed bool // the session was closed, with Code, as the peer asked or by itself
	Lanes  []Counts
}

const refuseClosed = mandatory | 19

// AppendRefuse appends the body of a Refuse.
func AppendRefuse(dst []byte, f *Refuse) []byte {
	dst = appendUint(dst, refuseCode, uint64(f.Code))
	dst = appendField(dst, refuseReason, Clip(f.Reason))
	if f.Closed {
		dst = appendUint(dst, refuseClosed, 1)
	}
	return appendLanes(dst, f.Lanes)
}

// DecodeRefuse reads the body of a Refuse. An error is an *Error.
func DecodeRefuse(b []byte) (r Refuse, err error) {
	f := fieldsOf(b)
	for f.next() {
		switch f.key {
		case refuseCode:
			r.Code = Code(f.v.number(math.MaxUint32)) //nolint:gosec // bounded
		case refuseReason:
			r.Reason = string(f.v.all(MaxText))
		case refuseClosed:
			r.Closed = f.v.number(1) == 1
		case fieldLane:
			r.Lanes = f.lane(r.Lanes)
		default:
			f.unknown()
		}
	}
	if err := f.err("5.2", "a Refuse"); err != nil {
		return Refuse{}, err
	}
	if !f.has(refuseCode) {
		return Refuse{}, Errorf("5.2", "a Refuse without a code")
	}
	return r, nil
}
