package protocol

// Kind tells frames apart (SPEC.md 3.1).
type Kind uint8

// The kinds of frames. Data frames without units are bare acknowledgements.
const (
	KindData   Kind = 1 // units, or none: then it carries acks and Limit only
	KindHello  Kind = 2 // opens or resumes a session
	KindRefuse Kind = 3 // answers a Hello that is turned away
	KindPing   Kind = 4 // asks for a Pong
	KindPong   Kind = 5 // answers a Ping
	KindNack   Kind = 6 // names units that the application refused
	KindClose  Kind = 7 // ends the session
	KindSeen   Kind = 8 // answers a Nack: the sender of the units knows
	KindBlob   Kind = 9 // a part of a blob, or what is said about one
)

// KindAnswer stands on no wire: a foreign Decoder found that the wire demands bytes in
// return at once. They are the Body, which is written as it is, before anything else.
const KindAnswer Kind = 16

// Known reports whether the kind is one of this version's.
func (k Kind) Known() bool { return k >= KindData && k <= KindBlob }

func (k Kind) String() string {
	if k == KindAnswer {
		return "answer"
	}
	names := [...]string{"none", "data", "hello", "refuse", "ping", "pong", "nack", "close", "seen", "blob"}
	if int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}

// Flags stand in a frame's head (SPEC.md 3.1).
type Flags uint8

// AckNow asks the receiver for an acknowledgement as soon as it has read what is
// at hand: somebody waits for it.
const AckNow Flags = 1

// Replies says that at least one unit of the run belongs to a Reply or a Failure:
// the receiver looks for it without waiting for its application to read.
const Replies Flags = 4

// A Frame is what one Encode or Decode moves: a run of units, or control.
//
// The numbers are whole when a frame is written. A decoded frame holds what the
// wire carries, the low bits named by SPEC.md 3.2; the session knows the rest. Of a
// foreign wire Received alone has a meaning: see Counted.
type Frame struct {
	Kind  Kind
	Flags Flags
	Lane  uint8
	Count int // units in Body, of a data frame

	First      uint64 // number of the first unit; of a frame without units: of the next one
	Received   uint64 // highest unit received by the sender of this frame
	Processed  uint64 // highest unit processed by its application
	LimitUnits uint64 // highest unit that it has room for
	LimitBytes uint64 // highest count of unit bytes since the session's start that it has room for

	Sum  uint32 // of Body, which was checked; 0 if it has none, and but for a blob's
	Body []byte // a run (SPEC.md 4), or the body of a control frame (SPEC.md 5)
}
