// Package blob is large payloads as pure state machines: a [Sender] cuts one blob
// into chunks, a [Receiver] puts it together, and both go on after a lost link, or
// in a later session, where they stopped.
//
// A blob is state by offset: every frame about it can be said again without harm, so
// blobs are neither numbered nor kept, as messages are. After a cut the sender repeats
// its offer, the receiver answers with what it has, and the sender goes on there.
//
// The machines hold numbers and sums, never data; they do no I/O, start no goroutine and
// look at no clock. They are not safe for concurrent use: the caller's mutex guards them.
// The frames are [protocol.Blob]; SPEC.md 10 says what they mean.
//
// Applications use [Info], [Options], [Progress], [Result] and the errors, with
// SendBlob, SendFile and ReceiveBlob of a Connection.
package blob

import (
	"time"

	"github.com/serpy-go/serpy/protocol"
)

// Chunk is the size of each chunk but the last, in bytes.
const Chunk = protocol.BlobChunk

// Info says what a blob is. All of it is told to the receiver, who must not trust it.
type Info struct {
	// Name is at most 1024 bytes on the wire. Who saves the blob as a file holds it
	// to stricter rules: see the package blob/file.
	Name string
	// Size is in bytes. Sending, 0 means: to be found out by Len, Stat or Seek, or
	// unknown; negative: unknown. Received, it is -1 where the sender does not know. A
	// wrong one ends the blob with ErrSize on both sides.
	Size int64
	// MediaType is free text, as image/tiff. At most 1024 bytes.
	MediaType string
	// Attributes have the bounds of a message's Header: 32 names, 4 KiB.
	Attributes map[string]string
	// Time is the application's: when the data was captured, or a file changed.
	Time time.Time
}

// Options of sending or saving a blob. Nil or zero is the default everywhere.
type Options struct {
	// Progress is called on the goroutine of the caller, at most 10 times a second,
	// and once at the end. A slow one slows its blob down and nothing else.
	Progress func(Progress)
	// Overwrite lets SaveTo replace a file of the same name. Otherwise the blob is
	// refused with ErrExists.
	Overwrite bool
	// KeepPartial is how long what was saved of an unfinished blob may wait to be
	// gone on with: 7 days if zero, for ever if negative.
	KeepPartial time.Duration
}

// Progress is how far one blob has come.
type Progress struct {
	Bytes     int64         // that the receiver has, what it had before included
	Total     int64         // -1: unknown
	Rate      float64       // bytes a second, of the last seconds
	Remaining time.Duration // at that rate; -1: unknown
}

// Result is what became of a blob.
type Result struct {
	Path    string        // of the file, where one was saved or sent
	Bytes   int64         // size of the blob
	Resumed int64         // of those, how many the receiver already had when the blob was offered
	Digest  [32]byte      // see Digest; the same on both sides
	Elapsed time.Duration // from the call to its end
}

// ToWire is what an offer says for i, in a session. Attributes are taken as they are;
// CheckInfo says whether they may.
func (i *Info) ToWire() protocol.BlobInfo {
	o := protocol.BlobInfo{Name: i.Name, MediaType: i.MediaType}
	if i.Size >= 0 {
		o.Size, o.Sized = uint64(i.Size), true
	}
	if len(i.Attributes) > 0 {
		o.Attributes = protocol.AppendHeader(nil, i.Attributes)
	}
	if !i.Time.IsZero() {
		o.Time = i.Time.UnixNano()
	}
	return o
}

// FromWire is what an offer says, for the application.
func FromWire(o *protocol.BlobInfo) Info {
	i := Info{Name: o.Name, Size: -1, MediaType: o.MediaType}
	if o.Sized {
		i.Size = int64(o.Size) //nolint:gosec // at most MaxBlob
	}
	if len(o.Attributes) > 0 {
		i.Attributes, _ = protocol.DecodeHeader(o.Attributes) // the decoder of the offer has checked them
	}
	if o.Time != 0 {
		i.Time = time.Unix(0, o.Time)
	}
	return i
}

// CheckInfo says why i cannot be offered, or nil.
func CheckInfo(i *Info) error {
	switch {
	case len(i.Name) > protocol.MaxText:
		return &InfoError{Field: "Name", Reason: "longer than 1024 bytes"}
	case len(i.MediaType) > protocol.MaxText:
		return &InfoError{Field: "MediaType", Reason: "longer than 1024 bytes"}
	case i.Size > protocol.MaxBlob:
		return &InfoError{Field: "Size", Reason: "more than 2^56 bytes"}
	case len(i.Attributes) > protocol.MaxHeaderNames:
		return &InfoError{Field: "Attributes", Reason: "more than 32 names"}
	}
	b := protocol.AppendHeader(nil, i.Attributes)
	if _, err := protocol.DecodeHeader(b); err != nil {
		return &InfoError{Field: "Attributes", Reason: "not UTF-8, or more than 4096 bytes"}
	}
	return nil
}
