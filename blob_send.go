package serpy

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/serpy-go/serpy/blob"
	"github.com/serpy-go/serpy/blob/file"
	"github.com/serpy-go/serpy/protocol"
)

// SendBlob sends what r gives until its end, and waits until the peer has all of it,
// checked: then the error is nil. Messages and other blobs go on meanwhile. Where r is an
// io.Seeker it is read from where it stands, and again after a lost link; of any other
// reader what the peer does not have yet is kept, at most its window. If ctx ends, or r
// fails, the peer is told, and its reading ends with a blob.AbortError; a Read of r is
// waited for.
//
// The error is a blob.AbortError if either side ended the blob before its end, also a
// NackError if the peer's application refused it, and ErrUnsupported if the peer or the
// wire does not know blobs. A dialled connection offers the blob again after its session
// was lost, if r is an io.Seeker.
func (c *Connection) SendBlob(ctx context.Context, info blob.Info, r io.Reader, o *blob.Options) (blob.Result, error) {
	source, size := sourceOf(r, &info)
	if info.Size == 0 {
		info.Size = size
	}
	if err := blob.CheckInfo(&info); err != nil {
		return blob.Result{}, opError("send blob", err)
	}
	offer := info.ToWire()
	if err := keyOf(&offer, source); err != nil {
		return blob.Result{}, opError("send blob", err)
	}
	res, err := c.sendBlob(ctx, offer, source, o)
	return res, opError("send blob", err)
}

// SendFile is SendBlob of a file, under its own name without its folder. A receiver that
// has a part of the same file from an earlier time is gone on with: the same by its size,
// its time, and its first chunk.
func (c *Connection) SendFile(ctx context.Context, path string, o *blob.Options) (blob.Result, error) {
	f, err := file.OpenSource(path)
	if err != nil {
		return blob.Result{Path: path}, opError("send file", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	res, err := c.sendBlob(ctx, f.Info(), &fileSource{placeSource{r: f}, f}, o)
	res.Path = path
	return res, opError("send file", err)
}

func (c *Connection) sendBlob(ctx context.Context, info protocol.BlobInfo, source blobSource, o *blob.Options) (res blob.Result, err error) {
	start := time.Now()
	if err := ctx.Err(); err != nil {
		return res, err
	}
	if !c.caps.Blobs {
		return res, ErrUnsupported
	}
	s := &blobSend{c: c, source: source, wake: make(chan struct{}, 1), info: info, meter: newMeter(o, &info)}
	c.mu.Lock()
	if err = c.blobsClosed(); err == nil {
		b := c.blobLane()
		b.running++
		b.queue = append(b.queue, s)
		c.offerBlobs()
		c.kick()
	}
	c.mu.Unlock()
	if err == nil {
		err = s.run(ctx)
		s.leave(&res, err)
	}
	res.Elapsed = time.Since(start)
	s.meter.end(res.Bytes)
	return res, err
}

// leave takes the result, and counts the blob out.
func (s *blobSend) leave(res *blob.Result, err error) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	b := s.c.blobLane() // it may not have been taken at all
	if s.m != nil {
		res.Bytes, res.Resumed = s.m.Has()
		res.Digest = s.m.Digest()
	}
	if err == nil {
		b.stats.Sent++
	}
	if b.running--; b.running == 0 && b.idle != nil {
		close(b.idle)
		b.idle = nil
	}
}

// blobsClosed says why no blob is taken any more. c.mu is held.
func (c *Connection) blobsClosed() error {
	if err := c.endError(); err != nil {
		return err
	}
	if c.sendClosed {
		return ErrClosed
	}
	if c.link != nil && !c.blobsOn {
		return ErrUnsupported
	}
	return nil
}

// offerBlobs offers as many blobs as the peer lets wait. c.mu is held.
func (c *Connection) offerBlobs() {
	b := c.blobs
	for len(b.queue) > 0 && b.open < protocol.MaxBlobOffers {
		s := b.queue[0]
		b.queue[0] = nil
		b.queue = b.queue[1:]
		b.drawn++
		b.open++
		s.open = true
		s.m = blob.NewSender(b.drawn, s.info)
		b.out[b.drawn] = s
		if c.blobsOn {
			s.m.LinkUp()
			c.listBlob(s)
		}
		poke(s.wake)
	}
}

// A blobSend is one blob on its way out. Its goroutine, that of SendBlob, reads; the
// writer of the link writes. All but the source is guarded by c.mu.
type blobSend struct {
	c      *Connection
	info   protocol.BlobInfo
	source blobSource
	meter  *meter
	wake   chan struct{} // capacity 1: look again

	m      *blob.Sender // nil: not offered yet
	open   bool         // its offer counts among the unanswered
	ready  ring[*blobChunk]
	free   []*blobChunk
	made   int // chunks that there are
	queued bool
	flying ring[flown] // chunks that were written, and are not known to have arrived
	on     bool
	err    error // the connection or the session ended
}

// aheadChunks is how many chunks of a blob are read and not yet written.
const aheadChunks = 4

// keyOf names a source that can be read again and is worth it: what a receiver has of
// it from another time need not be sent again.
func keyOf(info *protocol.BlobInfo, source blobSource) error {
	if !source.again() || info.Sized && info.Size <= blob.Chunk {
		return nil
	}
	first := make([]byte, blob.Chunk)
	n, err := source.fill(first, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	info.Keyed, info.First = true, sha256.Sum256(first[:n])
	return nil
}

func (s *blobSend) chunk() *blobChunk {
	if n := len(s.free); n > 0 {
		k := s.free[n-1]
		s.free = s.free[:n-1]
		k.data = k.data[:cap(k.data)]
		return k
	}
	s.made++
	size := blob.Chunk
	if s.info.Sized && s.info.Size < blob.Chunk {
		size = int(s.info.Size)
	}
	return &blobChunk{from: s, data: make([]byte, size)}
}

// run reads and waits until the blob has ended.
func (s *blobSend) run(ctx context.Context) error {
	c := s.c
	for {
		if err := ctx.Err(); err != nil {
			return s.cancel(err)
		}
		c.mu.Lock()
		if err, finished := s.finished(); finished {
			c.mu.Unlock()
			return err
		}
		var k *blobChunk
		w, ok := s.want()
		if ok {
			k = s.chunk()
		}
		has := int64(0)
		if s.m != nil {
			has, _ = s.m.Has()
		}
		c.mu.Unlock()
		s.source.keep(has)
		s.meter.at(has)
		if ok {
			s.read(k, w)
			continue
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
		}
	}
}

// finished says whether the blob has ended, and how. c.mu is held.
func (s *blobSend) finished() (err error, finished bool) { //nolint:revive // the error is the answer, not its failure
	if s.m != nil {
		if err, finished := s.m.Finished(); finished {
			return blobError(err, s.err), true
		}
	}
	return s.err, s.err != nil
}

// want is what to read next, if there is room for it. c.mu is held.
func (s *blobSend) want() (w blob.Want, ok bool) {
	if s.m == nil || s.made-len(s.free) >= aheadChunks {
		return w, false
	}
	return s.m.Want()
}

// read reads a part of the source and gives it to the writer.
func (s *blobSend) read(k *blobChunk, w blob.Want) {
	c := s.c
	if w.Len > cap(k.data) { // to see that a source of no bytes ends
		k.data = make([]byte, w.Len)
	}
	k.data = k.data[:w.Len]
	n, err := s.source.fill(k.data, w.Offset)
	k.data, k.offset = k.data[:n], w.Offset
	k.sum = protocol.Sum(0, k.data)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case errors.Is(err, errCannotGoBack):
		s.fail(protocol.BlobLost, "", err)
	case err != nil && !errors.Is(err, io.EOF):
		s.fail(blob.CodeOf(err, protocol.BlobSourceFailed), err.Error(), err)
	case s.m.Sent(w, n, k.sum):
		s.ready.push(k)
		if !s.queued {
			s.queued = true
			c.blobs.ready.push(s)
		}
		c.kick()
		return
	}
	s.free = append(s.free, k)
	s.settle()
	c.kick()
}

// cancel gives up.
func (s *blobSend) cancel(err error) error {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if was, finished := s.finished(); finished {
		return was
	}
	if i := slices.Index(c.blobs.queue, s); i >= 0 {
		c.blobs.queue = slices.Delete(c.blobs.queue, i, i+1)
		s.end(err)
		return err
	}
	s.fail(protocol.BlobCancelled, err.Error(), err)
	c.kick()
	return err
}

// fail ends the blob for a cause on this side, if it has not ended. c.mu is held.
func (s *blobSend) fail(code protocol.BlobCode, reason string, cause error) {
	if _, finished := s.finished(); finished {
		return
	}
	s.err = cause
	s.m.Abort(code, reason)
	s.settle()
}

// settle does what follows from a change of the machine. c.mu is held.
func (s *blobSend) settle() {
	c := s.c
	_, finished := s.m.Finished()
	if finished {
		s.drop()
	}
	c.listBlob(s) // before the offer that takes its place: the peer may have no room for both
	if s.open && (finished || s.m.Accepted()) {
		s.open = false
		c.blobs.open--
		c.offerBlobs()
	}
	s.forget()
	poke(s.wake)
}

// take takes a frame of the receiver. c.mu is held.
func (s *blobSend) take(f *protocol.Blob) error {
	before, _ := s.m.Has()
	if err := s.m.Handle(f); err != nil {
		return err
	}
	if has, _ := s.m.Has(); has > before {
		s.landed(has)
		s.c.progress = true
		s.c.sess.Progress()
	}
	s.settle()
	return nil
}

// pick gives the next chunk to the writer. c.mu is held.
func (s *blobSend) pick() *blobChunk {
	k := *s.ready.at(0)
	s.ready.pop()
	k.id = s.m.ID()
	return k
}

// written takes a chunk back. c.mu is held.
func (s *blobSend) written(k *blobChunk) {
	s.free = append(s.free, k)
	poke(s.wake)
}

// drop forgets the chunks that were read and not written, and what is under way. c.mu is
// held.
func (s *blobSend) drop() {
	s.ground()
	for s.ready.len() > 0 {
		s.free = append(s.free, s.pick())
	}
	s.queued = false
	poke(s.wake)
}

// end ends the blob with its connection or its session. c.mu is held.
func (s *blobSend) end(err error) {
	if s.err == nil {
		s.err = err
	}
	s.drop()
}

// next, due, listed and forget make it a blobTalker. What was read is written before
// the end is said.
func (s *blobSend) next(dst []byte) ([]byte, bool) {
	if s.ready.len() > 0 {
		return dst, false
	}
	return s.m.Next(dst)
}

func (s *blobSend) due() bool     { return s.m.Due() && s.ready.len() == 0 }
func (s *blobSend) listed() *bool { return &s.on }

func (s *blobSend) forget() {
	if s.m.Forget() {
		delete(s.c.blobs.out, s.m.ID())
	}
}

// sortBlobs sorts by ID.
func sortBlobs(list []*blobSend) {
	slices.SortFunc(list, func(a, b *blobSend) int { return int(a.m.ID()) - int(b.m.ID()) }) //nolint:gosec // far from the bounds
}
