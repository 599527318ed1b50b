package protocol

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// Sizes of blobs (SPEC.md 10).
const (
	// BlobChunk is how many bytes each chunk of a blob has but the last, which may
	// have fewer. Chunks begin at multiples of it.
	BlobChunk = 64 << 10
	// MaxBlob bounds the size of a blob, in bytes.
	MaxBlob = 1 << 56
	// MaxBlobWindow bounds how far a Limit of a blob may be ahead of what its
	// receiver has, in bytes.
	MaxBlobWindow = 64 << 20
	// MaxBlobOffers bounds how many offers of a sender may be neither accepted nor
	// aborted.
	MaxBlobOffers = 64
	// MaxBlobHead is the most bytes that stand before the data in the body of a
	// chunk.
	MaxBlobHead = 1 + 2*binary.MaxVarintLen64
)

// BlobOp is what a blob frame says (SPEC.md 10.1).
type BlobOp uint8

// The blob frames. S is the sender of the blob, R its receiver.
const (
	BlobOffer  BlobOp = 1 // S: there is a blob; again at the start of each link
	BlobAccept BlobOp = 2 // R: answers an offer: send from Offset, up to Limit
	BlobData   BlobOp = 3 // S: one chunk
	BlobCredit BlobOp = 4 // R: has all before Offset; send up to Limit
	BlobEnd    BlobOp = 5 // S: all was sent: the size and the digest
	BlobDone   BlobOp = 6 // R: has it all, and it is right
	BlobAbort  BlobOp = 7 // either: it ends here
	BlobSeen   BlobOp = 8 // either: answers Done and Abort
)

func (o BlobOp) String() string {
	names := [...]string{"none", "offer", "accept", "data", "credit", "end", "done", "abort", "seen"}
	if int(o) < len(names) {
		return names[o]
	}
	return "unknown"
}

// blobYours is set in the first byte of what a blob's receiver says.
const blobYours = 0x80

// BlobCode says why a blob was aborted (SPEC.md 10.5).
type BlobCode uint8

// The codes of an Abort.
const (
	BlobCancelled     BlobCode = 0  // the sender's application gave up
	BlobRejected      BlobCode = 1  // the receiver's application does not want it
	BlobSourceFailed  BlobCode = 2  // the sender could not read its source
	BlobSourceChanged BlobCode = 3  // the source is not what it was when it was begun
	BlobBadSize       BlobCode = 4  // it has more or fewer bytes than the offer said
	BlobBadOffset     BlobCode = 5  // an offset where nothing may begin
	BlobBadDigest     BlobCode = 6  // what arrived is not what the digest says
	BlobBadName       BlobCode = 7  // its name is none that a file may have
	BlobExists        BlobCode = 8  // a file of its name is there
	BlobBusy          BlobCode = 9  // another blob of its name is on its way
	BlobDiskFull      BlobCode = 10 // the receiver has no room for it
	BlobSinkFailed    BlobCode = 11 // the receiver could not keep it
	BlobTooMany       BlobCode = 12 // too many offers wait
	BlobLost          BlobCode = 13 // the source cannot be read again from where the receiver is
)

// Blob is the body of a blob frame. Which fields count depends on Op.
type Blob struct {
	Op    BlobOp
	Yours bool   // the sender of this frame is the receiver of the blob
	ID    uint64 // drawn by the blob's sender: 1, 2, 3 … in a session

	Info   BlobInfo          // Offer
	Offset uint64            // Accept, Credit: bytes that R has; Data: where the chunk begins; End: the size
	Limit  uint64            // Accept, Credit: the count of bytes that R has room for, from the start of the blob
	Digest [sha256.Size]byte // Accept: state of the digest at Offset; End: the digest (SPEC.md 10.4)
	Code   BlobCode          // Abort
	Reason string            // Abort: a text, for people
	Data   []byte            // Data; a part of what was decoded
	Summed bool              // Data: Sum is its CRC-32C; DecodeBlob does not say it
	Sum    uint32
}

// BlobInfo is what an offer says of a blob.
type BlobInfo struct {
	Name       string // at most MaxText bytes; not to be trusted
	Size       uint64 // bytes; counts if Sized
	Sized      bool   // the size is known
	MediaType  string // at most MaxText bytes
	Attributes []byte // what AppendHeader made; nil: none
	Time       int64  // nanoseconds since 1970 UTC; 0: not said

	// Keyed says that the source can be read again from any offset, in a later
	// session too, and that First names it.
	Keyed    bool
	First    [sha256.Size]byte // SHA-256 of the first chunk
	Modified int64             // when the source was last changed, nanoseconds since 1970 UTC; 0: nobody knows
}

// Keys of the fields of an offer (SPEC.md 10.2).
const (
	blobName       = 1
	blobSize       = mandatory | 2
	blobMediaType  = 3
	blobAttributes = 4
	blobTime       = 5
	blobFirst      = 6
	blobModified   = 7
)

// AppendBlob appends the body of a blob frame. Texts are cut to MaxText.
func AppendBlob(dst []byte, f *Blob) []byte {
	op := byte(f.Op)
	if f.Yours {
		op |= blobYours
	}
	dst = binary.AppendUvarint(append(dst, op), f.ID)
	switch f.Op {
	case BlobOffer:
		dst = f.Info.append(dst)
	case BlobAccept:
		dst = binary.AppendUvarint(dst, f.Offset)
		dst = binary.AppendUvarint(dst, f.Limit)
		dst = append(dst, f.Digest[:]...)
	case BlobData:
		dst = binary.AppendUvarint(dst, f.Offset)
		dst = append(dst, f.Data...)
	case BlobCredit:
		dst = binary.AppendUvarint(dst, f.Offset)
		dst = binary.AppendUvarint(dst, f.Limit)
	case BlobEnd:
		dst = binary.AppendUvarint(dst, f.Offset)
		dst = append(dst, f.Digest[:]...)
	case BlobAbort:
		dst = append(dst, byte(f.Code))
		dst = appendBytes(dst, Clip(f.Reason))
	case BlobDone, BlobSeen:
	}
	return dst
}

func (o *BlobInfo) append(dst []byte) []byte {
	if o.Name != "" {
		dst = appendField(dst, blobName, Clip(o.Name))
	}
	if o.Sized { // also a size of 0
		dst = appendUint(dst, blobSize, o.Size)
	}
	if o.MediaType != "" {
		dst = appendField(dst, blobMediaType, Clip(o.MediaType))
	}
	if len(o.Attributes) > 0 {
		dst = appendField(dst, blobAttributes, o.Attributes)
	}
	if o.Time != 0 {
		dst = appendField(dst, blobTime, binary.AppendVarint(nil, o.Time))
	}
	if o.Keyed {
		dst = appendField(dst, blobFirst, o.First[:])
		if o.Modified != 0 {
			dst = appendField(dst, blobModified, binary.AppendVarint(nil, o.Modified))
		}
	}
	return dst
}

// DecodeBlob reads the body of a blob frame. Data and Attributes stay parts of b. An
// error is an *Error.
func DecodeBlob(b []byte) (f Blob, err error) {
	r := reader{b: b}
	op := r.byte()
	f.Op, f.Yours = BlobOp(op&^blobYours), op&blobYours != 0
	f.ID = r.number(MaxNumber)
	switch f.Op {
	case BlobOffer:
		if err := f.Info.decode(r.b); err != nil {
			return Blob{}, err
		}
		r.b = nil
	case BlobAccept:
		f.Offset, f.Limit = r.number(MaxBlob), r.number(MaxNumber)
		r.digest(&f.Digest)
	case BlobData:
		f.Offset = r.number(MaxBlob)
		f.Data = slices.Clip(r.all(BlobChunk))
		r.bad = r.bad || len(f.Data) == 0
	case BlobCredit:
		f.Offset, f.Limit = r.number(MaxBlob), r.number(MaxNumber)
	case BlobEnd:
		f.Offset = r.number(MaxBlob)
		r.digest(&f.Digest)
	case BlobAbort:
		f.Code, f.Reason = BlobCode(r.byte()), string(r.text())
	case BlobDone, BlobSeen:
	default:
		return Blob{}, Errorf("10.1", "a blob frame %d, which this version does not know", byte(f.Op))
	}
	if r.bad || len(r.b) > 0 || f.ID == 0 {
		return Blob{}, Errorf("10.1", "a blob frame (%v) is malformed", f.Op)
	}
	switch f.Op {
	case BlobOffer, BlobData, BlobEnd:
		if f.Yours {
			return Blob{}, Errorf("10.1", "a blob frame (%v) of the blob's receiver", f.Op)
		}
	case BlobAccept, BlobCredit, BlobDone:
		if !f.Yours {
			return Blob{}, Errorf("10.1", "a blob frame (%v) of the blob's sender", f.Op)
		}
	case BlobAbort, BlobSeen: // both say them
	}
	return f, nil
}

func (r *reader) digest(d *[sha256.Size]byte) {
	if len(r.b) < len(d) {
		r.fail()
		return
	}
	r.b = r.b[copy(d[:], r.b):]
}

func (o *BlobInfo) decode(b []byte) error {
	f := fieldsOf(b)
	for f.next() {
		v := &f.v
		switch f.key {
		case blobName:
			o.Name = string(v.all(MaxText))
		case blobSize:
			o.Size, o.Sized = v.number(MaxBlob), true
		case blobMediaType:
			o.MediaType = string(v.all(MaxText))
		case blobAttributes:
			o.Attributes = v.all(MaxHeader)
		case blobTime:
			o.Time = v.varint()
		case blobFirst:
			v.digest(&o.First)
			o.Keyed = true
		case blobModified:
			o.Modified = v.varint()
		default:
			f.unknown()
		}
	}
	if err := f.err("10.2", "an offer"); err != nil {
		return err
	}
	if _, err := DecodeHeader(o.Attributes); err != nil {
		return err
	}
	if !o.Keyed && f.has(blobModified) {
		return Errorf("10.2", "an offer says when its source changed, and not what it begins with")
	}
	return nil
}

// AppendBlobHead appends the body of a chunk's frame up to its data, which the caller
// writes behind.
func AppendBlobHead(dst []byte, id, offset uint64) []byte {
	dst = binary.AppendUvarint(append(dst, byte(BlobData)), id)
	return binary.AppendUvarint(dst, offset)
}
