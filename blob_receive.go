package serpy

import (
	"context"
	"errors"
	"io"

	"github.com/serpy-go/serpy/blob"
	"github.com/serpy-go/serpy/blob/file"
	"github.com/serpy-go/serpy/protocol"
)

// blobWindow is how many bytes of a blob may be under way to its receiver or wait there
// to be read.
const blobWindow = 1 << 20

// batchParts is how many chunks are taken at once from what waits: a quarter of the
// window, so that the sender is told in time.
const batchParts = blobWindow / 4 / blob.Chunk

// A Blob is one that the peer offers, or is sending. Nothing but its Info comes before it
// is read: then its sender is asked for it, from the start or, by SaveTo, from where a
// part ends that is there. Unread, it stops nothing but itself. Use it from one goroutine;
// Close and Reject may come from any. It has to be read to its end, or closed.
type Blob struct {
	c    *Connection
	info blob.Info
	wake chan struct{} // capacity 1: look again

	// Guarded by c.mu.
	m       *blob.Receiver
	parts   ring[blobPart] // that nobody has read
	on      bool
	taken   bool          // by the application
	begun   bool          // it was accepted
	partial *file.Partial // SaveTo is under way
	fresh   bool          // it stands in blobLane.fresh
	err     error         // its connection or its session ended

	// The reader's own.
	batch   [batchParts]blobPart
	at, n   int // of batch: read, and there
	offset  int // in the part at
	fetched int // bytes of the batch
	ended   error
}

// A blobPart is data as it came.
type blobPart struct {
	data  []byte
	chunk *chunk // nil: data is memory of its own
}

func (p *blobPart) release() {
	if p.chunk != nil {
		p.chunk.release(1)
	}
	*p = blobPart{}
}

// smallPart is up to how many bytes a part is copied out of the memory that it came in:
// it would keep all of that.
const smallPart = 8 << 10

// ReceiveBlob waits for the next blob that the peer offers. ctx bounds the wait, not the
// blob. Its errors are that of ctx, or the end of the connection. At most 64 offers wait
// to be taken; the sender holds back further ones.
func (c *Connection) ReceiveBlob(ctx context.Context) (*Blob, error) {
	for {
		if err := c.wants(ctx); err != nil {
			return nil, opError("receive blob", err)
		}
		c.mu.Lock()
		b := c.blobLane()
		if b.offers.len() > 0 {
			r := *b.offers.at(0)
			b.offers.pop()
			r.taken = true
			more := b.offers.len() > 0
			c.mu.Unlock()
			if more {
				poke(b.offered)
			}
			return r, nil
		}
		err := c.endError()
		if err == nil {
			err = c.cutOff
		}
		if err == nil && !c.caps.Blobs {
			err = ErrUnsupported
		}
		c.mu.Unlock()
		if err != nil {
			poke(b.offered) // for others who wait
			return nil, opError("receive blob", err)
		}
		select {
		case <-b.offered:
		case <-c.done:
		case <-ctx.Done():
		}
	}
}

// blobOffered takes an offer. c.mu is held.
func (c *Connection) blobOffered(f *protocol.Blob) error {
	b := c.blobLane()
	if f.ID <= b.seen {
		return protocol.Errorf("10.2", "blob %d is offered after blob %d", f.ID, b.seen)
	}
	b.seen = f.ID
	r := &Blob{c: c, wake: make(chan struct{}, 1), m: blob.NewReceiver(f, blobWindow), info: blob.FromWire(&f.Info)}
	b.in[f.ID] = r
	switch {
	case len(b.in) > maxBlobsIn:
		return protocol.Errorf("10.2", "more than %d blobs at once", maxBlobsIn)
	case b.offers.len() >= protocol.MaxBlobOffers:
		r.m.Abort(protocol.BlobTooMany, "")
		c.listBlob(r)
		return nil
	}
	b.offers.push(r)
	poke(b.offered)
	return nil
}

// maxBlobsIn bounds the blobs of a peer that are under way or of whose end it has not
// heard.
const maxBlobsIn = 1 << 16

// Info is what the sender says of the blob; it must not be trusted.
func (b *Blob) Info() blob.Info { return b.info }

// Read reads the blob. io.EOF comes when all of it was read and the digest matched, and
// the sender is told so. Another error is for good: a blob.AbortError, or the end of the
// connection or of its session.
func (b *Blob) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if b.at == b.n {
			if n > 0 && !b.waits() {
				return n, nil
			}
			if err := b.fetch(); err != nil {
				if n > 0 {
					return n, nil // it is said again
				}
				return 0, b.toReader(err)
			}
		}
		part := &b.batch[b.at]
		k := copy(p[n:], part.data[b.offset:])
		n += k
		if b.offset += k; b.offset == len(part.data) {
			part.release()
			b.at, b.offset = b.at+1, 0
		}
	}
	return n, nil
}

// toReader is err as Read says it.
func (b *Blob) toReader(err error) error {
	if errors.Is(err, io.EOF) {
		b.finish()
		return io.EOF
	}
	return opError("read blob", err)
}

// WriteTo writes the blob to w, without a copy between. It ends as Read does, but for
// io.EOF, which is nil here. If w fails, the blob is rejected.
func (b *Blob) WriteTo(w io.Writer) (n int64, err error) {
	for {
		for ; b.at < b.n; b.at++ {
			part := &b.batch[b.at]
			k, err := w.Write(part.data[b.offset:])
			n += int64(k)
			if err == nil && k < len(part.data)-b.offset {
				err = io.ErrShortWrite
			}
			if err != nil {
				b.abort(protocol.BlobSinkFailed, err.Error())
				return n, err
			}
			b.offset = 0
			part.release()
		}
		switch err := b.fetch(); {
		case errors.Is(err, io.EOF):
			b.finish()
			return n, nil
		case err != nil:
			return n, opError("read blob", err)
		}
	}
}

// waits says whether there is something to fetch without waiting.
func (b *Blob) waits() bool {
	b.c.mu.Lock()
	defer b.c.mu.Unlock()
	return b.parts.len() > 0
}

// fetch takes what came, and waits for it; io.EOF when there is no more, and all was
// right.
func (b *Blob) fetch() error { return b.fetchUntil(context.Background(), nil) }

// fetchUntil is fetch that ends with ctx, or when gone is closed.
func (b *Blob) fetchUntil(ctx context.Context, gone <-chan struct{}) error {
	if b.ended != nil {
		return b.ended
	}
	c := b.c
	for {
		c.mu.Lock()
		if b.fetched > 0 {
			b.m.Taken(b.fetched)
			b.fetched = 0
		}
		if !b.begun {
			b.begun = true
			b.m.Accept(0, blob.Digest{})
		}
		b.take()
		b.ended = b.end()
		c.listBlob(b)
		c.kick()
		c.mu.Unlock()
		if b.n > 0 {
			b.ended = nil
			return nil
		}
		if b.ended != nil {
			return b.ended
		}
		select {
		case <-b.wake:
		case <-gone:
			return blob.ErrBusy
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take moves what waits into the batch. c.mu is held.
func (b *Blob) take() {
	b.at, b.n, b.offset = 0, 0, 0
	for b.n < batchParts && b.parts.len() > 0 {
		b.batch[b.n] = *b.parts.at(0)
		b.parts.pop()
		b.fetched += len(b.batch[b.n].data)
		b.n++
	}
}

// end is how the blob has ended for its reader, if it has. c.mu is held.
func (b *Blob) end() error {
	if err, finished := b.m.Finished(); finished && err != nil {
		return blobError(err, b.err)
	}
	if b.m.Complete() {
		return io.EOF
	}
	return b.err
}

// finish tells the sender that the application has all.
func (b *Blob) finish() {
	c := b.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, finished := b.m.Finished(); finished {
		return
	}
	b.m.Finish()
	c.blobs.stats.Received++
	c.listBlob(b)
	c.kick()
}

// Reject ends the blob before its end, wherever it stands: its sender gets a NackError
// with the reason, of at most 1024 bytes. Nil also if it has ended already.
func (b *Blob) Reject(reason string) error {
	b.abort(protocol.BlobRejected, reason)
	return nil
}

// Close rejects the blob, if it has not ended.
func (b *Blob) Close() error { return b.Reject("closed") }

func (b *Blob) abort(code protocol.BlobCode, reason string) {
	c := b.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.m.Complete() && code == protocol.BlobRejected {
		if _, finished := b.m.Finished(); finished {
			return
		}
	}
	b.m.Abort(code, reason)
	b.settle()
	c.kick()
}

// settle does what follows from a change of the machine. c.mu is held.
func (b *Blob) settle() {
	err, finished := b.m.Finished()
	if finished && err != nil {
		b.drop()
		b.leave()
	}
	b.c.listBlob(b)
	b.forget()
	poke(b.wake)
}

// leave takes the blob out of the offers that wait. c.mu is held.
func (b *Blob) leave() {
	if b.taken {
		return
	}
	b.taken = true
	q := &b.c.blobs.offers
	for i := range q.len() {
		if *q.at(i) == b {
			q.remove(i)
			return
		}
	}
}

// drop lets go of what nobody will read. c.mu is held.
func (b *Blob) drop() {
	for b.parts.len() > 0 {
		b.parts.at(0).release()
		b.parts.pop()
	}
}

// takeFrame takes a frame of the sender. c.mu is held.
func (b *Blob) takeFrame(l *link, f *protocol.Blob) error {
	data, err := b.m.Handle(f)
	if err != nil {
		return err
	}
	if len(data) > 0 {
		part := blobPart{data: data, chunk: l.in.chunk}
		if len(data) <= smallPart {
			part = blobPart{data: append([]byte(nil), data...)}
		} else {
			part.chunk.hold(1)
			l.in.useful += len(data)
		}
		b.parts.push(part)
		if !b.fresh {
			b.fresh = true
			b.c.blobs.fresh = append(b.c.blobs.fresh, b)
		}
		b.c.blobs.stats.ReceivedBytes += uint64(len(data))
		b.c.progress = true
		b.c.sess.Progress()
	}
	b.settle()
	return nil
}

// stall says that the sender is out of reach, or is not any more. c.mu is held.
func (b *Blob) stall(on bool) {
	if b.partial != nil {
		b.partial.Stall(on)
	}
}

// endWith ends the blob with its connection or its session: what came whole can still be
// read. c.mu is held.
func (b *Blob) endWith(err error) {
	b.err = err
	if !b.m.Complete() {
		b.drop()
	}
	poke(b.wake)
}

// next, due, listed and forget make it a blobTalker.
func (b *Blob) next(dst []byte) ([]byte, bool) { return b.m.Next(dst) }
func (b *Blob) due() bool                      { return b.m.Due() }
func (b *Blob) listed() *bool                  { return &b.on }

func (b *Blob) forget() {
	if b.m.Forget() && b.c.blobs.in[b.m.ID()] == b {
		delete(b.c.blobs.in, b.m.ID())
	}
}

// compactBlobs moves what waits in a chunk, of which it is a small part, into memory of
// its own; see receiveQueue.compact.
func (c *Connection) compactBlobs(k *chunk) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.blobs == nil {
		return
	}
	for _, b := range c.blobs.in {
		for i := range b.parts.len() {
			if p := b.parts.at(i); p.chunk == k {
				data := append([]byte(nil), p.data...)
				p.release()
				p.data = data
			}
		}
	}
}

// blobError is how a blob ended, for the application; cause is what is known of it here.
func blobError(err, cause error) error {
	var abort *blob.AbortError
	if !errors.As(err, &abort) {
		return err
	}
	e := &endedBlob{AbortError: abort}
	if !abort.Remote {
		e.cause = cause
	}
	return e
}

// An endedBlob is a blob.AbortError that is a NackError too, if the peer's application
// refused the blob, and what it was that failed on this side.
type endedBlob struct {
	*blob.AbortError
	cause error
}

func (e *endedBlob) Unwrap() []error {
	if e.cause != nil {
		return []error{e.AbortError, e.cause}
	}
	return []error{e.AbortError}
}

func (e *endedBlob) As(target any) bool {
	if nack, ok := target.(**NackError); ok && e.Remote && e.Code == protocol.BlobRejected {
		*nack = &NackError{Reason: e.Reason}
		return true
	}
	return false
}

var _ io.WriterTo = (*Blob)(nil)
