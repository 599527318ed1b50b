package blob

import (
	"errors"
	"strconv"

	"github.com/serpy-go/serpy/protocol"
)

// The causes for which a blob ends before its end; compare with errors.Is. Either side
// may find them, and the other one is told: both see the same cause, in an *AbortError.
var (
	ErrCancelled     = errors.New("cancelled by its sender")
	ErrRejected      = errors.New("rejected by its receiver")
	ErrSource        = errors.New("the source could not be read")
	ErrSourceChanged = errors.New("the source changed")
	ErrSize          = errors.New("not as many bytes as was said")
	ErrOffset        = errors.New("data at a wrong offset")
	ErrDigest        = errors.New("the digest does not match")
	ErrName          = errors.New("not a name that a file may have")
	ErrExists        = errors.New("a file of that name exists")
	ErrBusy          = errors.New("another blob of that name is being received")
	ErrDiskFull      = errors.New("no space left to keep it")
	ErrSink          = errors.New("the receiver could not keep it")
	ErrTooMany       = errors.New("too many blobs wait to be accepted")
	ErrLost          = errors.New("the source cannot be read again from where the receiver is")
)

var causes = [...]error{
	protocol.BlobCancelled: ErrCancelled, protocol.BlobRejected: ErrRejected,
	protocol.BlobSourceFailed: ErrSource, protocol.BlobSourceChanged: ErrSourceChanged,
	protocol.BlobBadSize: ErrSize, protocol.BlobBadOffset: ErrOffset, protocol.BlobBadDigest: ErrDigest,
	protocol.BlobBadName: ErrName, protocol.BlobExists: ErrExists, protocol.BlobBusy: ErrBusy,
	protocol.BlobDiskFull: ErrDiskFull, protocol.BlobSinkFailed: ErrSink, protocol.BlobTooMany: ErrTooMany,
	protocol.BlobLost: ErrLost,
}

// Cause is the error that stands for a code; ErrRejected for one that a later version
// says.
func Cause(code protocol.BlobCode) error {
	if int(code) < len(causes) {
		return causes[code]
	}
	return ErrRejected
}

// CodeOf is the code that stands for the cause of err, or otherwise if it is none.
func CodeOf(err error, otherwise protocol.BlobCode) protocol.BlobCode {
	for code, cause := range causes {
		if errors.Is(err, cause) {
			return protocol.BlobCode(code)
		}
	}
	return otherwise
}

// An AbortError says why a blob ended before its end. It is the cause of its Code, so
// errors.Is(err, ErrDiskFull) and the like tell them apart on both sides.
type AbortError struct {
	Name   string // of the blob
	Code   protocol.BlobCode
	Reason string // of whoever ended it; if the peer, not to be trusted
	Remote bool   // the peer ended it
}

func (e *AbortError) Error() string {
	s := "blob " + strconv.Quote(e.Name) + ": " + Cause(e.Code).Error()
	if e.Reason != "" {
		s += ": " + strconv.Quote(e.Reason)
	}
	if e.Remote {
		s += " (said the peer)"
	}
	return s
}

// Unwrap is the cause.
func (e *AbortError) Unwrap() error { return Cause(e.Code) }

// An InfoError says why an Info cannot be offered; nothing of it was sent.
type InfoError struct{ Field, Reason string }

func (e *InfoError) Error() string { return "blob: " + e.Field + " is " + e.Reason }
