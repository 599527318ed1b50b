// Package protocol turns frames into bytes and bytes into frames.
//
// It is pure: no sockets, no goroutines, no clock. A [Codec] describes one wire;
// [Native] is the wire of SPEC.md, and the packages below this one hold the wires
// of older programs. Sessions and connections know a wire by its [Caps] alone.
//
// Between the layers messages travel as runs: units back to back, in the one
// form of SPEC.md 4 (see [AppendUnit] and [NextUnit]). The native wire sends a
// run as it is kept; every other wire translates it when it is written, and
// translates back what it reads, so that queues hold one form only.
package protocol

// AckKind says how the acknowledgements of a wire name what they confirm.
type AckKind uint8

const (
	// NoAcks is a wire without acknowledgements.
	NoAcks AckKind = iota
	// Counted acknowledgements carry no number: the n-th of a link stands for
	// the n-th acknowledged message of that link. The number in a frame is then
	// how many there were, of the link.
	Counted
	// Numbered acknowledgements name the highest unit that they confirm.
	Numbered
)

// Caps is what a wire can express. A session reads Caps and nothing else of a
// wire, so that no promise depends on a name.
type Caps struct {
	Acks        AckKind // how receipts are resolved, if at all
	Resume      bool    // a Hello exists: what is unconfirmed survives a lost link; without one a wire is foreign
	Flow        bool    // a Limit is carried: the reader never has to stop reading
	Correlates  bool    // a reply names its request
	CleanBinary bool    // any byte may stand in a payload without base85
	Metadata    bool    // Type, Tag, Time and Header are carried
	Blobs       bool    // frames of KindBlob exist; whether the peer takes them, its Hello says
	OneMessage  bool    // a link carries one message and ends
	MaxPayload  int     // bytes in one message; 0: no limit of the wire's own
}

// Match is the answer to "are these the first bytes of this wire?".
type Match uint8

const (
	// No says that these bytes belong to another wire.
	No Match = iota
	// More says that too few bytes are there to tell.
	More
	// Yes says that this wire begins like that.
	Yes
)

// A Codec describes one wire. It holds no state of a link and may be used from
// any goroutine.
type Codec interface {
	// Name is short and lower case, for logs and for Peer.Wire.
	Name() string
	Caps() Caps
	// Match judges the first bytes that a dialler sent.
	Match(first []byte) Match
	// Check says why a message cannot travel on this wire, or nil: ErrTooLarge,
	// or what the wire cannot say. m.Mode says whether the payload is base85
	// text; m.Header, m.Tag and m.Time never hinder.
	Check(m *Meta, payload []byte) error
	// NewEncoder and NewDecoder make one of each per link; their state dies
	// with it. The decoder believes no payload larger than limit bytes.
	NewEncoder() Encoder
	NewDecoder(limit int) Decoder
}

// An Encoder writes the frames of one link. One goroutine at a time.
type Encoder interface {
	// Append appends the bytes of f to dst. f.Body is a run in the form of
	// SPEC.md 4, or the body of a control frame. Neither f nor its Body is kept.
	Append(dst []byte, f *Frame) ([]byte, error)
}

// A Sealer is an Encoder whose wire carries runs as they are kept, behind a head
// of HeadSize bytes: the head alone is written anew at each write.
type Sealer interface {
	Encoder
	// Seal writes the head of f. bodySum is the CRC-32C of the body, which
	// was computed once; it is ignored where checksums were agreed away.
	Seal(head *[HeadSize]byte, f *Frame, bodyLen int, bodySum uint32)
}

// A Decoder reads the frames of one link. One goroutine at a time.
type Decoder interface {
	// Decode takes one frame from the front of b and says how many bytes it
	// used, whatever the error. ErrShort asks for those that it did not use,
	// with more behind them; a DroppedError is told, and the link goes on;
	// every other error is the end of the link. f.Body is a part of b on the
	// native wire, and memory of its own on every other.
	Decode(b []byte) (f Frame, n int, err error)
}
