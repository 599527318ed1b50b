package blob

import "github.com/serpy-go/serpy/protocol"

// An outcome is how a blob ended, or that it has not, and what of that has to be said.
// Sender and Receiver share it.
type outcome struct {
	name   string
	yours  bool // ours is the receiver's side
	cause  *AbortError
	done   bool
	digest Digest // of the whole, once it is known
	seen   bool   // the peer knows: nothing is said again

	openDue  bool // an offer or an accept
	endDue   bool
	abortDue bool
	seenDue  bool
	answered bool // seen was said to what the peer said at the end
}

func (o *outcome) comeUp() {
	o.abortDue = o.cause != nil && !o.cause.Remote && !o.seen
}

// abort ends the blob here; false if it has ended.
func (o *outcome) abort(code protocol.BlobCode, reason string) bool {
	if o.cause != nil || o.done {
		return false
	}
	o.cause = &AbortError{Name: o.name, Code: code, Reason: protocol.Clip(reason)}
	o.abortDue = true
	return true
}

// abortedByPeer takes an Abort. Both sides may have said one: each keeps its own cause.
func (o *outcome) abortedByPeer(f *protocol.Blob) {
	o.seenDue = true
	if o.cause == nil && !o.done {
		o.cause = &AbortError{Name: o.name, Code: f.Code, Reason: f.Reason, Remote: true}
		o.openDue, o.endDue = false, false
	}
}

// ending fills the frame that says how it ended, if one is due.
func (o *outcome) ending(f *protocol.Blob) bool {
	f.Yours = o.yours
	switch {
	case o.seenDue:
		o.seenDue, o.answered = false, true
		f.Op = protocol.BlobSeen
	case o.abortDue:
		o.abortDue = false
		f.Op, f.Code, f.Reason = protocol.BlobAbort, o.cause.Code, o.cause.Reason
	default:
		return false
	}
	return true
}

func (o *outcome) endingDue() bool { return o.seenDue || o.abortDue }

func (o *outcome) aborted() bool { return o.cause != nil }

// Finished says whether the blob has ended, and how: nil, if the receiver has all of it,
// checked; else an *AbortError.
func (o *outcome) Finished() (err error, finished bool) { //nolint:revive // the error is the answer, not its failure
	if o.cause != nil {
		return o.cause, true
	}
	return nil, o.done
}

// Digest is the digest of the whole, once the blob is done.
func (o *outcome) Digest() [32]byte { return o.digest }

// Forget says that the blob has ended and nothing has to be said of it any more, on a
// later link neither: the caller may drop the machine. Answer answers for those that were
// dropped.
func (o *outcome) Forget() bool {
	if o.seenDue || o.abortDue {
		return false
	}
	if o.cause != nil && o.cause.Remote {
		return o.answered
	}
	if o.cause != nil {
		return o.seen
	}
	return o.done && (o.seen || o.answered)
}

// Answer is what has to be said to a frame about a blob that this side had, and dropped; nil:
// nothing. The peer repeats how a blob ended until it is answered.
func Answer(f *protocol.Blob) *protocol.Blob {
	if f.Op != protocol.BlobAbort && f.Op != protocol.BlobDone {
		return nil
	}
	return &protocol.Blob{Op: protocol.BlobSeen, ID: f.ID, Yours: !f.Yours}
}
