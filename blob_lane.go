package serpy

import (
	"context"
	"time"

	"github.com/serpy-go/serpy/blob"
	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/transport"
)

// A blobLane is the blobs under way on a connection, in both directions. Guarded by
// c.mu.
type blobLane struct {
	drawn uint64 // ID of the last blob that was offered in this session
	seen  uint64 // highest ID that the peer offered

	out     map[uint64]*blobSend
	in      map[uint64]*Blob
	due     ring[blobTalker] // what has something to say
	ready   ring[*blobSend]  // what has a chunk to send, in turn
	queue   []*blobSend      // not offered yet: too many offers are unanswered
	running int              // calls that send a blob
	idle    chan struct{}    // closed when there is none any more; nil: nobody waits
	open    int              // offers of this session that were never answered
	pace    blobPace         // of what goes out on the present link
	fresh   []*Blob          // of which something came that was not said

	offers  ring[*Blob]   // that nobody has taken
	offered chan struct{} // capacity 1: look again
	stats   BlobStats
}

// A blobTalker is one of the two ends of a blob, as the writer sees it.
type blobTalker interface {
	// next appends a frame's body; false: nothing has to be said now.
	next(dst []byte) ([]byte, bool)
	due() bool
	// listed is whether it stands in blobLane.due.
	listed() *bool
	// forget drops it from the lane, if nothing will be said of it any more.
	forget()
}

// A blobChunk is a part of a blob, from when it was read until it is written.
type blobChunk struct {
	from   *blobSend
	id     uint64
	offset int64
	head   [protocol.HeadSize + protocol.MaxBlobHead]byte
	data   []byte
	sum    uint32 // of data
	frame  protocol.Frame
}

// maxBlobControl is after how many bytes of control of blobs a write begins.
const maxBlobControl = 64 << 10

func (b *blobLane) init() {
	b.out, b.in = make(map[uint64]*blobSend), make(map[uint64]*Blob)
}

// blobLane gives the lane, which is made when it is first needed: most connections never
// have a blob. c.mu is held.
func (c *Connection) blobLane() *blobLane {
	if c.blobs == nil {
		c.blobs = &blobLane{offered: make(chan struct{}, 1)}
		c.blobs.init()
	}
	return c.blobs
}

// listBlob says that t may have something to say. c.mu is held.
func (c *Connection) listBlob(t blobTalker) {
	if on := t.listed(); !*on && t.due() {
		*on = true
		c.blobLane().due.push(t)
	}
}

// blobsDue says whether the writer would find something of a blob. c.mu is held.
func (c *Connection) blobsDue() bool {
	b := c.blobs
	return b != nil && c.blobsOn && (b.due.len() > 0 || b.ready.len() > 0 && b.pace.may() && !c.closeNow)
}

// blobsWait says whether a blob is under way, so that somebody has to read the link
// though nobody waits for a message. c.mu is held.
func (c *Connection) blobsWait() bool {
	b := c.blobs
	return b != nil && len(b.out)+len(b.in)+len(b.queue) > 0
}

// sayBlobs adds what has to be said about blobs to the control that is written next.
// c.mu is held.
func (l *link) sayBlobs(now time.Time) error {
	c := l.c
	b := c.blobs
	for c.blobsDue() && b.due.len() > 0 && len(l.control) < maxBlobControl {
		t := *b.due.at(0)
		for len(l.control) < maxBlobControl {
			body, ok := t.next(l.blobBody[:0])
			if !ok {
				break
			}
			l.blobBody = body
			f := c.sess.Head(now, protocol.KindBlob, 0, 0)
			f.Body, f.Flags = body, l.noSum
			if err := l.say(f); err != nil {
				return err
			}
		}
		if t.due() {
			return nil // the rest with the next write
		}
		b.due.pop()
		*t.listed() = false
		t.forget()
	}
	return nil
}

// pickChunk takes one chunk for the next write: whatever else comes waits for no more
// than that. c.mu is held.
func (l *link) pickChunk(now time.Time) {
	c := l.c
	b := c.blobs
	if b == nil {
		return
	}
	l.bulk = l.bulk && b.running > 0
	if !c.blobsOn || !b.pace.may() {
		return
	}
	s := b.turn()
	if s == nil {
		return
	}
	l.chunk = s.pick()
	asks := s.fly(l.chunk, now)
	if s.ready.len() > 0 {
		b.ready.push(s)
	} else {
		s.queued = false
		c.listBlob(s)
	}
	n := len(l.chunk.data)
	l.bulk = l.bulk || n == blob.Chunk
	b.stats.SentBytes += uint64(n)
	l.chunk.frame = c.sess.Head(now, protocol.KindBlob, 0, 0)
	l.chunk.frame.Flags = l.noSum
	if asks {
		l.chunk.frame.Flags |= protocol.AckNow
	}
	l.ackNow = false
}

// counts are the counts as they are now.
func (b *blobLane) counts() BlobStats {
	if b == nil {
		return BlobStats{}
	}
	s := b.stats
	s.Sending = len(b.queue)
	for _, o := range b.out {
		if _, finished := o.m.Finished(); !finished {
			s.Sending++
		}
	}
	for _, r := range b.in {
		if _, finished := r.m.Finished(); !finished {
			s.Receiving++
		}
	}
	return s
}

// turn gives the blob whose turn it is to send a chunk.
func (b *blobLane) turn() *blobSend {
	for b.ready.len() > 0 {
		s := *b.ready.at(0)
		b.ready.pop()
		if s.ready.len() > 0 { // else it ended meanwhile
			return s
		}
	}
	return nil
}

// sealChunk makes the chunk that was picked ready, behind everything else.
func (l *link) sealChunk() {
	k := l.chunk
	if k == nil {
		return
	}
	head := protocol.AppendBlobHead(k.head[:protocol.HeadSize], k.id, uint64(k.offset)) //nolint:gosec // not negative
	var sum uint32
	if l.noSum == 0 {
		sum = protocol.JoinSums(protocol.Sum(0, head[protocol.HeadSize:]), k.sum, len(k.data))
	}
	l.sealer.Seal((*[protocol.HeadSize]byte)(head), &k.frame, len(head)-protocol.HeadSize+len(k.data), sum)
	l.out = append(l.out, head, k.data)
}

// notSent is how many bytes the kernel may hold unsent while blobs are under way.
const notSent = 32 << 10

// shallowIfBulk bounds what the kernel takes of a TCP connection before it has sent what
// it holds, while blobs are under way: nothing overtakes what is in its buffer.
func (l *link) shallowIfBulk() {
	if l.bulk == l.shallow || l.c.opt.Transport.NotSentLowat != 0 {
		return
	}
	l.shallow = l.bulk
	bytes := 0
	if l.bulk {
		bytes = notSent
	}
	_ = transport.SetNotSentLowat(l.conn, bytes) // no TCP, or a system without: then there is no such buffer, or no help
}

// unpinChunk gives the chunk that was written back to its blob. c.mu is held.
func (l *link) unpinChunk() {
	if k := l.chunk; k != nil {
		l.chunk = nil
		k.from.written(k)
	}
}

// takeBlob takes a frame of a blob. c.mu is held.
func (c *Connection) takeBlob(l *link, frame *protocol.Frame) error {
	if !c.blobsOn {
		return protocol.Errorf("5.1", "a blob, which was not agreed")
	}
	f, err := protocol.DecodeBlob(frame.Body)
	if err != nil {
		return err
	}
	if err := c.aboutBlob(l, frame, &f); err != nil {
		return err
	}
	if frame.Flags&protocol.AckNow != 0 || len(c.blobLane().fresh) >= maxFresh {
		c.reportBlobs()
	}
	return nil
}

// aboutBlob gives a frame to its blob. c.mu is held.
func (c *Connection) aboutBlob(l *link, frame *protocol.Frame, f *protocol.Blob) error {
	b := c.blobLane()
	if f.Yours {
		if s := b.out[f.ID]; s != nil {
			return s.take(f)
		}
		if f.ID > b.drawn {
			return protocol.Errorf("10.1", "a frame (%v) of blob %d, which was not offered", f.Op, f.ID)
		}
	} else {
		if frame.Flags&protocol.NoSum == 0 && f.Op == protocol.BlobData {
			head := frame.Body[:len(frame.Body)-len(f.Data)]
			f.Sum, f.Summed = protocol.JoinSums(protocol.Sum(0, head), frame.Sum, len(f.Data)), true
		}
		if r := b.in[f.ID]; r != nil {
			return r.takeFrame(l, f)
		}
		if f.Op == protocol.BlobOffer {
			return c.blobOffered(f)
		}
		if f.ID > b.seen {
			return protocol.Errorf("10.1", "a frame (%v) of blob %d, which was not offered", f.Op, f.ID)
		}
	}
	if a := blob.Answer(f); a != nil {
		if b.due.len() >= maxBlobsDue {
			return protocol.Errorf("10.1", "too many frames about blobs that have ended")
		}
		c.listBlob(&blobAnswer{body: protocol.AppendBlob(nil, a)})
	}
	return nil
}

// A blobAnswer is said once about a blob that is forgotten.
type blobAnswer struct {
	body []byte
	on   bool
}

func (a *blobAnswer) next(dst []byte) ([]byte, bool) {
	if a.body == nil {
		return dst, false
	}
	dst = append(dst, a.body...)
	a.body = nil
	return dst, true
}

func (a *blobAnswer) due() bool     { return a.body != nil }
func (a *blobAnswer) listed() *bool { return &a.on }
func (a *blobAnswer) forget()       {}

// maxFresh bounds the blobs of which something came that was not said.
const maxFresh = 1024

// reportBlobs says what has come, of all blobs: the sender holds back until then. c.mu is
// held.
func (c *Connection) reportBlobs() {
	for _, r := range c.blobs.fresh {
		r.m.Report()
		c.listBlob(r)
	}
	c.blobs.saidAll()
}

// saidAll forgets of which blobs something came.
func (b *blobLane) saidAll() {
	for _, r := range b.fresh {
		r.fresh = false
	}
	clear(b.fresh)
	b.fresh = b.fresh[:0]
}

// maxBlobsDue bounds the answers about forgotten blobs that wait to be written.
const maxBlobsDue = 1 << 16

// blobsUp says that a link is up. c.mu is held.
func (c *Connection) blobsUp(l *link) {
	c.blobsOn = c.caps.Blobs && l.hello.Features&protocol.FeatureBlob != 0
	b := c.blobs
	switch {
	case b == nil:
		return
	case !c.blobsOn:
		c.blobsEnd(ErrUnsupported)
		return
	}
	out := make([]*blobSend, 0, len(b.out))
	for _, s := range b.out {
		out = append(out, s)
	}
	sortBlobs(out) // an offer that the peer does not know yet must not come behind a later one
	for _, s := range out {
		s.m.LinkUp()
		c.listBlob(s)
	}
	for _, r := range b.in {
		r.m.LinkUp()
		r.stall(false)
		c.listBlob(r)
	}
	c.offerBlobs()
}

// blobsDown says that the link is gone. c.mu is held.
func (c *Connection) blobsDown() {
	c.blobsOn = false
	b := c.blobs
	if b == nil {
		return
	}
	for b.due.len() > 0 {
		*(*b.due.at(0)).listed() = false
		b.due.pop()
	}
	for b.ready.len() > 0 {
		b.ready.pop()
	}
	for _, s := range b.out {
		s.drop()
		s.m.LinkDown()
	}
	b.pace = blobPace{}
	b.saidAll()
	for _, r := range b.in {
		r.m.LinkDown()
		r.stall(true)
	}
}

// blobsLost says that the session is lost, and another one begins. What can be read
// again is offered again in it; what comes in has ended. c.mu is held.
func (c *Connection) blobsLost(err error) {
	b := c.blobs
	if b == nil {
		return
	}
	out := b.out
	for _, r := range b.in {
		r.endWith(err)
	}
	b.init()
	b.offers, b.drawn, b.seen, b.open = ring[*Blob]{}, 0, 0, 0
	again := make([]*blobSend, 0, len(out))
	for _, s := range out {
		if _, finished := s.m.Finished(); finished {
			continue
		}
		if !s.source.again() {
			s.end(err)
			continue
		}
		s.open = false
		again = append(again, s)
	}
	sortBlobs(again)
	b.queue = append(again, b.queue...)
}

// awaitBlobs waits until no blob is being sent any more, or ctx ends.
func (c *Connection) awaitBlobs(ctx context.Context) {
	c.mu.Lock()
	if c.blobs == nil || c.blobs.running == 0 {
		c.mu.Unlock()
		return
	}
	if c.blobs.idle == nil {
		c.blobs.idle = make(chan struct{})
	}
	idle := c.blobs.idle
	c.mu.Unlock()
	select {
	case <-idle:
	case <-c.done:
	case <-ctx.Done():
	}
}

// errClosing is what the peer is told of blobs that a Close ends.
const errClosing = "the connection is closed"

// abortBlobs ends what is under way when the connection is closed. c.mu is held.
func (c *Connection) abortBlobs() {
	b := c.blobs
	if b == nil {
		return
	}
	for _, s := range b.queue {
		s.end(ErrClosed)
	}
	b.queue = nil
	for _, s := range b.out {
		s.fail(protocol.BlobCancelled, errClosing, ErrClosed)
	}
	for _, r := range b.in {
		if _, finished := r.m.Finished(); !finished {
			r.err = ErrClosed
			r.m.Abort(protocol.BlobRejected, errClosing)
			r.settle()
		}
	}
}

// blobsEnd ends all blobs: the connection is closed. c.mu is held.
func (c *Connection) blobsEnd(err error) {
	b := c.blobs
	if b == nil {
		return
	}
	for _, s := range b.out {
		s.end(err)
	}
	for _, s := range b.queue {
		s.end(err)
	}
	for _, r := range b.in {
		r.endWith(err)
	}
	b.queue = nil
	poke(b.offered)
}
