package blob

import "github.com/serpy-go/serpy/protocol"

// A Receiver is one blob on its way in, in one session. It is told what the links bring
// and what the application took, and says what to answer. It holds no data: the caller
// queues what Handle returns, which is never more than the window.
//
// The order of a caller: NewReceiver; Accept when the application wants it, or Abort;
// Handle for each frame; Taken as data leaves the queue; when Complete, and the
// application has it, Finish.
type Receiver struct {
	id     uint64
	info   protocol.BlobInfo
	window int64

	offered   bool // on this link
	wanted    bool // the application accepted
	accepted  bool // and on this link that was said
	short     bool // a chunk was short: it was the last
	has       int64
	taken     int64
	limit     int64 // as it was last said
	state     Digest
	complete  bool
	resumed   int64
	doneDue   bool
	creditDue bool
	reportDue bool
	said      int64 // what it has, as that was last said
	outcome
}

// NewReceiver makes the receiver of an offer that the present link brought; LinkUp is for
// later links. The window is how many bytes the caller has
// room for, between Chunk and protocol.MaxBlobWindow.
func NewReceiver(offer *protocol.Blob, window int) *Receiver {
	r := &Receiver{id: offer.ID, info: offer.Info, window: min(max(int64(window), Chunk), protocol.MaxBlobWindow)}
	r.name, r.yours, r.offered = offer.Info.Name, true, true
	if offer.Info.Attributes != nil { // the offer is a part of what was read
		r.info.Attributes = append([]byte(nil), offer.Info.Attributes...)
	}
	return r
}

// ID of the blob.
func (r *Receiver) ID() uint64 { return r.id }

// Info is what the offer says.
func (r *Receiver) Info() *protocol.BlobInfo { return &r.info }

// Accept asks for the blob, from an offset on: 0, or what there is of the same source from
// an earlier session, which ends with a chunk, and the state of its digest. It may be
// called once, also while no link is up.
func (r *Receiver) Accept(offset int64, state Digest) {
	if r.wanted || r.aborted() {
		return
	}
	r.wanted, r.openDue = true, r.offered
	r.has, r.taken, r.resumed, r.state = offset, offset, offset, state
}

// LinkUp says that a link carries the session now. The sender will repeat its offer.
func (r *Receiver) LinkUp() {
	r.LinkDown()
	r.comeUp()
	r.doneDue = r.done && !r.seen
}

// LinkDown says that the link is gone.
func (r *Receiver) LinkDown() {
	r.offered, r.accepted = false, false
	r.openDue, r.creditDue, r.reportDue, r.doneDue, r.abortDue, r.seenDue = false, false, false, false, false, false
}

// Handle takes a frame about this blob that its sender said, its offer again too, and returns
// the data to queue for the application, which is a part of f. An error is a rule of
// the wire that the sender broke: the link has to end. A sender that lies about the blob
// itself has it aborted, and the link lives: see Finished.
func (r *Receiver) Handle(f *protocol.Blob) (data []byte, err error) {
	if f.Yours || f.ID != r.id {
		return nil, protocol.Errorf("10.1", "blob %d was given a frame (%v) of blob %d", r.id, f.Op, f.ID)
	}
	switch f.Op {
	case protocol.BlobAbort:
		r.abortedByPeer(f)
		r.creditDue, r.reportDue = false, false
	case protocol.BlobSeen:
		r.seen = r.seen || r.aborted() || r.done
	case protocol.BlobOffer:
		return nil, r.offeredAgain(f)
	case protocol.BlobData:
		return r.chunk(f)
	case protocol.BlobEnd:
		return nil, r.end(f)
	case protocol.BlobAccept, protocol.BlobCredit, protocol.BlobDone:
		return nil, protocol.Errorf("10.1", "a frame (%v) of the receiver of a blob, from its sender", f.Op)
	}
	return nil, nil
}

// offeredAgain is the offer at the start of a link.
func (r *Receiver) offeredAgain(f *protocol.Blob) error {
	if !sameOffer(&r.info, &f.Info) || r.offered {
		return protocol.Errorf("10.2", "the offer of blob %d changed, or stands twice", r.id)
	}
	r.offered = true
	r.openDue = r.wanted && r.cause == nil && !r.done
	return nil
}

func sameOffer(a, b *protocol.BlobInfo) bool {
	return a.Name == b.Name && a.Sized == b.Sized && a.Size == b.Size && a.Keyed == b.Keyed && a.First == b.First &&
		a.Modified == b.Modified && a.MediaType == b.MediaType && a.Time == b.Time && string(a.Attributes) == string(b.Attributes)
}

// chunk takes data.
func (r *Receiver) chunk(f *protocol.Blob) ([]byte, error) {
	if r.aborted() {
		return nil, nil // the sender does not know yet
	}
	n, at := int64(len(f.Data)), int64(f.Offset) //nolint:gosec // bounded by the decoder
	switch {
	case !r.accepted:
		return nil, protocol.Errorf("10.3", "data of blob %d, which was not accepted", r.id)
	case at+n > r.limit:
		return nil, protocol.Errorf("10.3", "data of blob %d up to %d, and its limit is %d", r.id, at+n, r.limit)
	case r.complete || r.done || at != r.has || r.short || n > Chunk:
		r.Abort(protocol.BlobBadOffset, "data where none was due")
		return nil, nil
	case r.info.Sized && at+n > int64(r.info.Size): //nolint:gosec // at most MaxBlob
		r.Abort(protocol.BlobBadSize, "more data than was offered")
		return nil, nil
	}
	r.has += n
	r.short = n < Chunk
	sum := f.Sum
	if !f.Summed {
		sum = protocol.Sum(0, f.Data)
	}
	r.state.Add(sum, int(n))
	return f.Data, nil
}

// end takes the size and the digest.
func (r *Receiver) end(f *protocol.Blob) error {
	size := int64(f.Offset) //nolint:gosec // bounded by the decoder
	switch {
	case r.aborted() || r.complete || r.done:
		return nil
	case !r.accepted:
		return protocol.Errorf("10.3", "the end of blob %d, which was not accepted", r.id)
	case size != r.has || r.info.Sized && f.Offset != r.info.Size:
		r.Abort(protocol.BlobBadSize, "it ended elsewhere")
	case f.Digest != r.state.Final(size):
		r.Abort(protocol.BlobBadDigest, "what arrived is not what was sent")
	default:
		r.complete, r.digest, r.creditDue = true, f.Digest, false
	}
	return nil
}

// Taken says that n bytes left the queue: there is room for as many more.
func (r *Receiver) Taken(n int) {
	r.taken += int64(n)
	if !r.accepted || r.complete || r.aborted() {
		return
	}
	room := r.taken + r.window
	stuck := r.limit-r.has < Chunk && room-r.has >= Chunk // its sender may wait for less
	r.creditDue = r.creditDue || stuck || room-r.limit >= min(r.window/4, 4*Chunk)
}

// Report says that the sender asked what has arrived: a credit is due, though there may
// be no more room. It waits for it before it sends more.
func (r *Receiver) Report() {
	r.reportDue = r.reportDue || r.accepted && r.has > r.said && !r.aborted() && !r.done
}

// Complete says that all has arrived, and the digest matches.
func (r *Receiver) Complete() bool { return r.complete }

// Has is how many bytes have arrived, what was there before included; state is that of
// the digest there. Resumed is what Accept said.
func (r *Receiver) Has() (bytes, resumed int64, state Digest) { return r.has, r.resumed, r.state }

// Finish says that the application has all of a Complete blob, and has kept it, if that is
// what it does: the sender is told that it is done.
func (r *Receiver) Finish() {
	if r.complete && r.cause == nil && !r.done {
		r.done, r.doneDue, r.reportDue = true, true, false
	}
}

// Next appends the body of the frame that has to be said now; false: none.
func (r *Receiver) Next(dst []byte) ([]byte, bool) {
	f := protocol.Blob{ID: r.id, Yours: true}
	switch {
	case r.ending(&f):
	case r.doneDue:
		r.doneDue = false
		f.Op = protocol.BlobDone
	case r.openDue:
		r.openDue, r.creditDue, r.reportDue, r.accepted = false, false, false, true
		f.Op, f.Digest = protocol.BlobAccept, r.state
		f.Offset, f.Limit = r.room()
	case r.creditDue || r.reportDue:
		r.creditDue, r.reportDue = false, false
		f.Op = protocol.BlobCredit
		f.Offset, f.Limit = r.room()
	default:
		return dst, false
	}
	return protocol.AppendBlob(dst, &f), true
}

func (r *Receiver) room() (has, limit uint64) {
	r.limit, r.said = r.taken+r.window, r.has
	return uint64(r.has), uint64(r.limit) //nolint:gosec // not negative
}

// Due says whether Next has a frame.
func (r *Receiver) Due() bool {
	return r.endingDue() || r.doneDue || r.openDue || r.creditDue || r.reportDue
}

// Abort ends the blob, if it has not ended. The sender is told.
func (r *Receiver) Abort(code protocol.BlobCode, reason string) {
	if r.abort(code, reason) {
		r.openDue, r.creditDue, r.reportDue, r.doneDue = false, false, false, false
	}
}
