package blob_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/serpy-go/serpy/blob"
	"github.com/serpy-go/serpy/protocol"
)

// content is what all blobs of the tests are made of.
var content = func() []byte {
	b := make([]byte, 12*blob.Chunk)
	r := rand.New(rand.NewPCG(3, 4))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}()

// A world is one blob between two machines, on links that are cut, in sessions that are
// lost, driven by the bytes of a schedule. It holds both to what they promise.
type world struct {
	// How it is.
	data     []byte // the source
	info     protocol.BlobInfo
	stream   bool // the source cannot be read again: the world keeps what Has says it must
	window   int
	aborts   bool
	sessions bool // may be lost

	s     *blob.Sender
	r     *blob.Receiver
	id    uint64
	up    bool
	toR   [][]byte
	toS   [][]byte
	ready []pending // chunks that were read, and not yet written

	// What the application of the receiver has.
	queue  int // bytes that it has not taken
	got    int64
	want   bool
	kept   int64         // whole chunks of an earlier session
	states []blob.Digest // behind each whole chunk

	cuts     int
	sentData int64
	again    int64 // sent again
	high     int64
	err      error
}

// A pending chunk.
type pending struct {
	at int64
	n  int
}

// worldOf draws a world from the first bytes of a schedule.
func worldOf(b []byte) (*world, []byte) {
	var p [6]byte
	b = b[copy(p[:], b):]
	w := &world{window: (1 + int(p[3])%4) * blob.Chunk}
	n := int(p[0])%5*blob.Chunk + []int{0, 1, 100, blob.Chunk - 1}[p[0]>>6]
	w.data = content[:n]
	w.info = protocol.BlobInfo{Name: "n", Sized: p[1]&1 != 0, Keyed: p[1]&2 != 0}
	if w.info.Sized {
		w.info.Size = uint64(n)
	}
	if w.info.Keyed && p[1]&4 != 0 {
		w.info.Modified = 7
	}
	w.stream = !w.info.Keyed
	w.aborts = p[2]&7 == 0
	w.sessions = p[2]&24 == 0
	w.begin()
	return w, b
}

// begin begins a session.
func (w *world) begin() {
	w.cut()
	w.id++
	w.s, w.r = blob.NewSender(w.id, w.info), nil
	w.want, w.queue = false, 0
	w.got = w.kept
	w.high = w.kept
}

func (w *world) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
	}
}

func (w *world) cut() {
	if w.up {
		w.up = false
		w.cuts++
		w.s.LinkDown()
		if w.r != nil {
			w.r.LinkDown()
		}
	}
	w.toR, w.toS, w.ready = nil, nil, nil
}

func (w *world) link() {
	if !w.up {
		w.up = true
		w.s.LinkUp()
		if w.r != nil {
			w.r.LinkUp()
		}
	}
}

// step does what one byte asks for.
func (w *world) step(b byte) {
	switch b & 15 {
	case 0:
		if b>>4 < 3 {
			w.cut()
		} else {
			w.link()
		}
	case 1, 2:
		w.link()
	case 3, 4, 5:
		w.read()
	case 6, 7:
		w.write()
	case 8, 9:
		w.answer()
	case 10, 11:
		w.arriveR()
	case 12:
		w.arriveS()
	case 13, 14:
		w.take(1 + int(b>>4)*9000)
	case 15:
		w.rare(b >> 4)
	}
}

// rare is what happens seldom.
func (w *world) rare(n byte) {
	switch {
	case n == 0 && w.aborts:
		w.s.Abort(protocol.BlobCancelled, "enough")
	case n == 1 && w.aborts && w.r != nil:
		w.r.Abort(protocol.BlobRejected, "no")
	case n == 2 && w.sessions && !w.ended():
		if !w.info.Keyed {
			w.kept = 0
		} else if w.r != nil {
			w.kept = min(w.got-w.got%blob.Chunk, int64(len(w.states))*blob.Chunk)
		}
		w.begin()
	case n == 3 && w.r != nil:
		w.r.Report()
	case n > 3:
		w.accept()
	}
}

func (w *world) ended() bool {
	_, done := w.s.Finished()
	return done
}

func (w *world) accept() {
	if w.r == nil || w.want {
		return
	}
	w.want = true
	state := blob.Digest{}
	if w.kept > 0 {
		state = w.states[w.kept/blob.Chunk-1]
	}
	w.r.Accept(w.kept, state)
	w.queue = 0
}

// read reads what the sender wants.
func (w *world) read() {
	want, ok := w.s.Want()
	if !ok || len(w.ready) > 2 {
		return
	}
	if has, _ := w.s.Has(); w.stream && want.Offset < has {
		w.fail("wants offset %d, and may only from %d", want.Offset, has)
	}
	part := w.data[min(want.Offset, int64(len(w.data))):min(want.Offset+int64(want.Len), int64(len(w.data)))]
	if w.s.Sent(want, len(part), protocol.Sum(0, part)) {
		if want.Check || !w.up {
			w.fail("a chunk that is not to be written")
		}
		w.ready = append(w.ready, pending{want.Offset, len(part)})
		if want.Offset < w.high {
			w.again += int64(len(part))
		}
		w.high = max(w.high, want.Offset+int64(len(part)))
	}
}

// write writes a chunk that was read, or what is due.
func (w *world) write() {
	if !w.up {
		return
	}
	if len(w.ready) > 0 {
		k := w.ready[0]
		w.ready = w.ready[1:]
		if _, done := w.s.Finished(); done {
			return
		}
		w.sentData += int64(k.n)
		b := protocol.AppendBlobHead(nil, w.s.ID(), uint64(k.at))
		w.toR = append(w.toR, append(b, w.data[k.at:k.at+int64(k.n)]...))
		return
	}
	if b, ok := w.s.Next(nil); ok {
		w.toR = append(w.toR, b)
	}
}

func (w *world) answer() {
	if !w.up || w.r == nil {
		return
	}
	if b, ok := w.r.Next(nil); ok {
		w.toS = append(w.toS, b)
	}
}

func (w *world) decode(b []byte) *protocol.Blob {
	f, err := protocol.DecodeBlob(b)
	if err != nil {
		w.fail("a frame that nobody can read: %w", err)
	}
	return &f
}

func (w *world) arriveR() {
	if len(w.toR) == 0 {
		return
	}
	f := w.decode(w.toR[0])
	w.toR = w.toR[1:]
	if w.r == nil {
		if f.Op != protocol.BlobOffer {
			if f.Op != protocol.BlobSeen && f.Op != protocol.BlobAbort {
				w.fail("the first frame is %v", f.Op)
			}
			return
		}
		w.r = blob.NewReceiver(f, w.window)
		return
	}
	data, err := w.r.Handle(f)
	if err != nil {
		w.fail("the receiver: %w", err)
		return
	}
	if data == nil {
		return
	}
	at := int64(f.Offset)
	if at != w.got || !bytes.Equal(data, w.data[at:at+int64(len(data))]) {
		w.fail("data at %d, and %d is due", at, w.got)
		return
	}
	w.got += int64(len(data))
	w.queue += len(data)
	if w.queue > w.window {
		w.fail("%d bytes in the queue, and the window is %d", w.queue, w.window)
	}
	if has, _, state := w.r.Has(); has%blob.Chunk == 0 {
		w.states = append(w.states[:has/blob.Chunk-1], state)
	}
}

func (w *world) arriveS() {
	if len(w.toS) == 0 {
		return
	}
	f := w.decode(w.toS[0])
	w.toS = w.toS[1:]
	if err := w.s.Handle(f); err != nil {
		w.fail("the sender: %w", err)
	}
}

func (w *world) take(n int) {
	if w.r == nil {
		return
	}
	if n = min(n, w.queue); n > 0 {
		w.queue -= n
		w.r.Taken(n)
	}
	if w.queue == 0 && w.r.Complete() {
		if w.got != int64(len(w.data)) {
			w.fail("complete with %d bytes of %d", w.got, len(w.data))
		}
		w.r.Finish()
	}
}

// settle lets everything come to its end, on one link, and looks whether both sides agree.
func (w *world) settle() error {
	for i := 0; i < 400 && w.err == nil; i++ {
		w.link()
		w.accept()
		w.read()
		w.write()
		w.arriveR()
		w.answer()
		w.arriveS()
		w.take(blob.Chunk)
	}
	if w.err != nil {
		return w.err
	}
	err, done := w.s.Finished()
	switch {
	case !done:
		return fmt.Errorf("the sender has not finished: %d of %d", w.got, len(w.data))
	case w.r == nil:
		if err == nil {
			return errors.New("sent, and nobody received")
		}
		return nil
	}
	rerr, rdone := w.r.Finished()
	switch {
	case !rdone:
		return fmt.Errorf("the receiver has not finished, and the sender has: %w", err)
	case err == nil && (rerr != nil || w.got != int64(len(w.data))):
		return fmt.Errorf("sent, and the receiver has %d bytes: %w", w.got, rerr)
	case err == nil && w.s.Digest() != w.r.Digest():
		return errors.New("two digests")
	case err != nil && !w.aborts:
		return fmt.Errorf("the sender ended: %w", err)
	case rerr != nil && err == nil:
		return fmt.Errorf("the receiver ended: %w", rerr)
	case !w.s.Forget() || !w.r.Forget():
		return fmt.Errorf("remembered: sender %v, receiver %v", w.s.Forget(), w.r.Forget())
	case w.again > int64(w.cuts)*int64(w.window):
		return fmt.Errorf("%d bytes sent again after %d cuts, with a window of %d", w.again, w.cuts, w.window)
	}
	return nil
}

// play plays a schedule.
func play(b []byte) error {
	w, b := worldOf(b)
	for _, step := range b {
		w.step(step)
		if w.err != nil {
			return w.err
		}
	}
	return w.settle()
}
