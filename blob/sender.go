package blob

import (
	"github.com/serpy-go/serpy/protocol"
)

// A Sender is one blob on its way out, in one session. It is told what the links bring
// and what was read of the source, and says what to read, what to send and when the blob
// is done. See [Receiver] for the other side.
//
// The order of a caller: NewSender; LinkUp; then, whenever it may write, Next for the
// frame that is due, or else Want, read, Sent, and the chunk if Sent says so. A chunk
// must be written before Next is asked again.
type Sender struct {
	id   uint64
	info protocol.BlobInfo

	told     bool // an offer was written, on whatever link
	offered  bool // and on this one
	accepted bool // the offer of this link was answered

	// What was sent and may be asked for again: sums of the chunks from base to high.
	base   int64
	before Digest // at base
	sent   []sent
	high   int64 // end of the last chunk that was ever sent
	next   int64 // where this link goes on
	limit  int64
	has    int64 // what the receiver has
	began  bool  // an offer was accepted, on whatever link
	check  *prefix

	ended   bool // the source ended, at high
	resumed int64
	outcome
}

// A sent chunk, until the receiver has it.
type sent struct {
	end   int64
	sum   uint32
	after Digest
}

// A prefix that the receiver has of an earlier session, and that is compared with the
// source before anything is sent.
type prefix struct {
	to   int64
	want Digest
	at   int64
	have Digest
}

// NewSender makes the sender of a blob that was given an ID, which rises by one with
// each blob of the session. If info.Keyed, a receiver that has a part of the same
// source, from an earlier session, is gone on with: at once if info.Modified is known,
// else after that part was read again and compared.
func NewSender(id uint64, info protocol.BlobInfo) *Sender {
	s := &Sender{id: id, info: info}
	s.name = info.Name
	return s
}

// ID of the blob.
func (s *Sender) ID() uint64 { return s.id }

// LinkUp says that a link carries the session now: the offer is due again.
func (s *Sender) LinkUp() {
	s.LinkDown()
	s.comeUp()
	s.openDue = s.cause == nil && !s.done
}

// LinkDown says that the link is gone. What was sent and not acknowledged may be wanted
// again.
func (s *Sender) LinkDown() {
	s.offered, s.accepted, s.openDue, s.endDue, s.seenDue = false, false, false, false, false
	s.abortDue = false
}

// Handle takes a frame about this blob that its receiver said. An error is a rule of the
// wire that it broke: the link has to end. Afterwards Finished may be true, Want and Next
// have an answer, and Has may have moved.
func (s *Sender) Handle(f *protocol.Blob) error {
	if !f.Yours || f.ID != s.id {
		return protocol.Errorf("10.1", "blob %d was given a frame (%v) of blob %d", s.id, f.Op, f.ID)
	}
	switch f.Op {
	case protocol.BlobAbort:
		s.abortedByPeer(f)
	case protocol.BlobSeen:
		s.seen = s.seen || s.aborted()
	case protocol.BlobDone:
		if s.cause == nil && !s.done {
			if !s.ended || s.next != s.high {
				return protocol.Errorf("10.3", "blob %d is done before all of it was sent", s.id)
			}
			s.done, s.has = true, s.high
			s.forgetSums()
		}
		s.seenDue = true
	case protocol.BlobAccept, protocol.BlobCredit:
		if s.aborted() || s.done {
			return nil // it does not know yet
		}
		if f.Op == protocol.BlobAccept {
			return s.accept(f)
		}
		return s.credit(f)
	case protocol.BlobOffer, protocol.BlobData, protocol.BlobEnd:
		return protocol.Errorf("10.1", "a frame (%v) of the sender of a blob, from its receiver", f.Op)
	}
	return nil
}

// accept takes the answer to an offer.
func (s *Sender) accept(f *protocol.Blob) error {
	at, limit := int64(f.Offset), int64(f.Limit) //nolint:gosec // bounded by the decoder
	switch {
	case !s.offered || s.accepted:
		return protocol.Errorf("10.3", "blob %d was accepted without an offer", s.id)
	case at%Chunk != 0 && (!s.ended || at != s.high) && (!s.info.Sized || f.Offset != s.info.Size):
		return protocol.Errorf("10.3", "blob %d was accepted from %d, where no chunk begins", s.id, at)
	case s.info.Sized && f.Offset > s.info.Size:
		return protocol.Errorf("10.3", "blob %d was accepted from %d, and has %d bytes", s.id, at, s.info.Size)
	case limit < at || limit > at+protocol.MaxBlobWindow:
		return protocol.Errorf("10.3", "blob %d has a limit of %d at %d", s.id, limit, at)
	}
	if !s.began || s.check != nil {
		if err := s.begin(at, f.Digest); err != nil {
			return err
		}
	} else if err := s.goOn(at, f.Digest); err != nil {
		return err
	}
	s.accepted, s.limit = true, limit
	s.has = max(s.has, at)
	s.endDue = s.ended && s.next == s.high
	return nil
}

// begin is the first answer to an offer in the session.
func (s *Sender) begin(at int64, state Digest) error {
	if at > 0 && !s.info.Keyed {
		return protocol.Errorf("10.3", "blob %d was accepted from %d, and has no key", s.id, at)
	}
	s.began, s.resumed = true, at
	if at == 0 && state != (Digest{}) {
		return protocol.Errorf("10.4", "blob %d was accepted from its begin with a digest", s.id)
	}
	if at > 0 && s.info.Modified == 0 {
		if s.check == nil || s.check.to != at || s.check.want != state {
			s.check = &prefix{to: at, want: state}
		}
		return nil
	}
	s.start(at, state)
	return nil
}

// start begins to send at an offset.
func (s *Sender) start(at int64, state Digest) {
	s.base, s.before, s.high, s.next, s.check = at, state, at, at, nil
}

// goOn is the answer to an offer on a later link.
func (s *Sender) goOn(at int64, state Digest) error {
	if at < s.base || at > s.high {
		return protocol.Errorf("10.3", "blob %d was accepted from %d; it is between %d and %d", s.id, at, s.base, s.high)
	}
	mine := s.before
	for _, c := range s.sent {
		if c.end <= at {
			mine = c.after
		}
		if c.end == at {
			break
		}
	}
	s.free(at)
	s.next = at
	if s.base != at {
		return protocol.Errorf("10.3", "blob %d was accepted from %d, where no chunk begins", s.id, at)
	}
	if mine != state {
		s.Abort(protocol.BlobBadDigest, "what the receiver has is not what was sent")
	}
	return nil
}

// credit takes what the receiver has and has room for.
func (s *Sender) credit(f *protocol.Blob) error {
	has, limit := int64(f.Offset), int64(f.Limit) //nolint:gosec // bounded by the decoder
	switch {
	case !s.accepted || s.check != nil && has != s.check.to:
		return protocol.Errorf("10.3", "blob %d was given credit before it was accepted", s.id)
	case s.check == nil && (has < s.has || has > s.next):
		return protocol.Errorf("10.3", "the receiver of blob %d has %d bytes, after %d; %d were sent", s.id, has, s.has, s.next)
	case limit < s.limit || limit > has+protocol.MaxBlobWindow:
		return protocol.Errorf("10.3", "blob %d has a limit of %d at %d, after %d", s.id, limit, has, s.limit)
	}
	s.has, s.limit = has, limit
	if s.check == nil {
		s.free(has)
	}
	return nil
}

// free forgets the sums of what the receiver has.
func (s *Sender) free(to int64) {
	n := 0
	for n < len(s.sent) && s.sent[n].end <= to {
		n++
	}
	if n > 0 {
		s.base, s.before = s.sent[n-1].end, s.sent[n-1].after
		s.sent = append(s.sent[:0], s.sent[n:]...)
	}
}

func (s *Sender) forgetSums() { s.sent, s.check = nil, nil }

// A Want is a part of the source that is to be read.
type Want struct {
	Offset int64
	Len    int  // at most Chunk
	Check  bool // it is compared and not sent
}

// Want says what to read of the source next; false: nothing, for want of credit, of a
// link, or of data. Where the size is known and all was sent, it asks for one byte more,
// to see that the source ends there.
func (s *Sender) Want() (Want, bool) {
	if s.aborted() || s.done || !s.accepted {
		return Want{}, false
	}
	if p := s.check; p != nil {
		return Want{Offset: p.at, Len: int(min(Chunk, p.to-p.at)), Check: true}, true
	}
	n := int64(Chunk)
	switch {
	case s.next < s.high: // again
		n = min(n, s.high-s.next)
	case s.ended:
		return Want{}, false
	case s.info.Sized:
		n = min(n, int64(s.info.Size)-s.next) //nolint:gosec // at most MaxBlob
		if n == 0 {
			return Want{Offset: s.next, Len: 1}, true
		}
	}
	if s.limit-s.next < n {
		return Want{}, false
	}
	return Want{Offset: s.next, Len: int(n)}, true
}

// Sent says that n bytes were read for w, whose CRC-32C is sum. Fewer than w.Len mean that
// the source ends behind them. It returns true if the chunk is to be written now, as
// protocol.AppendBlobHead and the data; false if it is not wanted, or not any more: then Want
// says what is. If the source is not what it was said to be, the blob is aborted: see
// Finished.
func (s *Sender) Sent(w Want, n int, sum uint32) (write bool) {
	now, ok := s.Want()
	if !ok || now != w {
		return false // a link was lost, or the blob ended, while the source was read
	}
	switch {
	case w.Check:
		s.checked(n, sum)
		return false
	case w.Offset < s.high:
		c := s.chunkAt(w.Offset)
		if n < w.Len || c == nil || c.sum != sum {
			s.Abort(protocol.BlobSourceChanged, "it was read again, and differs")
			return false
		}
	case s.info.Sized && w.Offset+int64(n) > int64(s.info.Size): //nolint:gosec // at most MaxBlob
		s.Abort(protocol.BlobBadSize, "the source has more bytes")
		return false
	case n > 0:
		last := s.before
		if len(s.sent) > 0 {
			last = s.sent[len(s.sent)-1].after
		}
		last.Add(sum, n)
		s.high += int64(n)
		s.sent = append(s.sent, sent{end: s.high, sum: sum, after: last})
	}
	s.next += int64(n)
	if n < w.Len {
		s.end()
	}
	s.endDue = s.cause == nil && s.ended && s.next == s.high
	return n > 0 && s.cause == nil
}

// checked goes on with comparing what the receiver has of an earlier session.
func (s *Sender) checked(n int, sum uint32) {
	p := s.check
	p.have.Add(sum, n)
	p.at += int64(n)
	switch {
	case p.at == p.to && p.have == p.want:
		s.start(p.to, p.want)
	case p.at == p.to || p.at%Chunk != 0:
		s.Abort(protocol.BlobSourceChanged, "what the receiver has is of another source")
	}
}

func (s *Sender) chunkAt(offset int64) *sent {
	begin := s.base
	for i := range s.sent {
		if begin == offset {
			return &s.sent[i]
		}
		begin = s.sent[i].end
	}
	return nil
}

// end says that the source ended.
func (s *Sender) end() {
	if s.info.Sized && uint64(s.high) != s.info.Size { //nolint:gosec // not negative
		s.Abort(protocol.BlobBadSize, "the source has fewer bytes")
		return
	}
	s.ended = true
	last := s.before
	if len(s.sent) > 0 {
		last = s.sent[len(s.sent)-1].after
	}
	s.digest = last.Final(s.high)
}

// Next appends the body of the frame that has to be said now; false: none.
func (s *Sender) Next(dst []byte) ([]byte, bool) {
	f := protocol.Blob{ID: s.id}
	switch {
	case s.ending(&f):
	case s.openDue:
		s.openDue, s.offered, s.told = false, true, true
		f.Op, f.Info = protocol.BlobOffer, s.info
	case s.endDue:
		s.endDue = false
		f.Op, f.Offset, f.Digest = protocol.BlobEnd, uint64(s.high), s.digest //nolint:gosec // not negative
	default:
		return dst, false
	}
	return protocol.AppendBlob(dst, &f), true
}

// Due says whether Next has a frame.
func (s *Sender) Due() bool { return s.endingDue() || s.openDue || s.endDue }

// Accepted says whether the offer of this link was answered. An offer that is not counts
// against protocol.MaxBlobOffers.
func (s *Sender) Accepted() bool { return s.accepted }

// Has is how many bytes the receiver has, from the start: a source that cannot be read
// again has to keep what is behind. Resumed is how many it had when it first accepted.
func (s *Sender) Has() (bytes, resumed int64) { return s.has, s.resumed }

// Abort ends the blob, if it has not ended. The receiver is told.
func (s *Sender) Abort(code protocol.BlobCode, reason string) {
	if s.abort(code, reason) {
		s.forgetSums()
		s.openDue, s.endDue = false, false
		s.abortDue = s.told
		s.seen = !s.told // it knows nothing of the blob
	}
}
