package serpy

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/serpy-go/serpy/internal/session"
	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/transport"
)

// A link is one transport connection of a session. Its reader is a goroutine of its
// own; its writer is started when there is something to write, and ends when there is
// nothing.
type link struct {
	c       *Connection // nil until the Hello says whose link it is
	over    func(error) // takes what the reader ended with, and its goroutine
	codec   protocol.Codec
	gone    chan struct{} // closed when the reader has left; nil: nobody waits; guarded by c.mu
	conn    net.Conn
	enc     protocol.Encoder
	sealer  protocol.Sealer // enc, where runs are sent as they are kept
	dec     protocol.Decoder
	peer    *Peer           // never changes when the link is up
	hello   *protocol.Hello // the peer's; nil when the link is up
	number  uint64          // of the link in its session; 0: we dialled it
	era     *era
	most    int            // payload bytes that the peer takes
	noSum   protocol.Flags // NoSum if bodies go without checksums
	plain   bool           // writev and going on after a timeout work
	shared  bool           // a reader can be interrupted, so that anyone may read
	canRest bool           // nobody's goroutine has to wait for what comes
	bulk    bool           // blobs are under way that would fill the kernel's buffer; the writer's
	shallow bool           // it was made small; the writer's
	raw     *rawWriter     // nil: every write may wait
	rawIn   *rawReader     // nil: a read that waits needs its memory meanwhile

	foreign *foreignLink // nil: the wire has a Hello

	turn readTurn

	// The reader's own: of whoever has the turn.
	in     readBuffer
	offset int64
	heard  time.Time
	frames []protocol.Frame
	batch  []region
	closed *protocol.Close // the peer said so

	// The writer's own.
	out      net.Buffers
	rest     net.Buffers // of out: not written yet
	saying   protocol.Frame
	control  []byte
	scratch  []byte
	deadline moment

	// Guarded by c.mu.
	picked     []picked
	blobBody   []byte
	chunk      *blobChunk // of a blob, behind what was picked
	stream     stream
	writing    bool
	saidClose  bool
	ackNow     bool
	dead       bool
	lookAt     time.Duration // since beginning: when a reader that rests has to look up at the latest; 0: never
	accusation error         // the rule that the peer broke, to be said
	err        error
	writer     sync.WaitGroup
}

func newLink(codec protocol.Codec, maxMessage int, conn net.Conn) *link {
	l := &link{codec: codec, conn: conn, peer: &Peer{}, hello: &protocol.Hello{}, enc: codec.NewEncoder(), dec: codec.NewDecoder(maxMessage)}
	l.sealer, _ = l.enc.(protocol.Sealer)
	_, l.plain = transport.Plain(conn)
	l.turn.call = make(chan struct{}, 1)
	l.turn.taken.Store(true)
	if !codec.Caps().Resume {
		l.foreign = newForeignLink(codec)
		return l
	}
	_, isTLS := conn.(*tls.Conn)
	l.shared = l.plain || isTLS
	l.raw, l.rawIn = newRawWriter(conn), newRawReader(conn)
	l.canRest = l.rawIn != nil && canRest && !bubbled()
	return l
}

// fail ends the link; the first reason counts. It may be called from anywhere but
// under c.mu.
func (l *link) fail(err error) {
	l.c.mu.Lock()
	l.kill(err)
	l.c.mu.Unlock()
	l.cut()
}

// cut closes the conn, and has the link's own reader notice.
func (l *link) cut() {
	_ = l.conn.Close()
	l.summon()
	l.rise()
}

// left says that the reader has left.
func (l *link) left() {
	l.c.mu.Lock()
	gone := l.gone
	l.c.mu.Unlock()
	if gone != nil {
		close(gone)
	}
}

// kill marks the link as dead. c.mu is held; the caller closes the conn.
func (l *link) kill(err error) {
	if !l.dead {
		l.dead = true
		if l.err == nil {
			l.err = err
		}
		if l.foreign != nil {
			poke(l.foreign.room)
		}
	}
}

// start starts the link's own reader; over is called with why the link ended, and may
// go on in the reader's goroutine. That is always a new one: the handshake needed more
// stack than one that only waits, and a goroutine keeps what it once had.
func (l *link) start(over func(error)) {
	l.over = over
	if l.foreign == nil {
		l.heard = time.Now()
		l.setReadDeadline(l.heard)
		l.turn.broken = l.parse(true) // what came right behind the Hello
		l.turn.calm = 1
	}
	go l.read()
}

// read is the link's own reader: it reads when nobody else does, and sees to the link's
// end. Few functions are between here and the wait, and their frames are small.
func (l *link) read() {
	if l.foreign != nil {
		l.over(l.readForeign())
		return
	}
	if gone, err := l.attend(); !gone {
		l.over(l.end(err))
	}
}

// end sees to the link's end, and says why it ended.
func (l *link) end(err error) error {
	if l.closed != nil {
		err = l.c.peerClosed(l, l.closed)
	}
	l.leave(err)
	l.writer.Wait()
	l.retire()
	resting.forget(l)
	l.in.close()
	l.frames, l.batch = nil, nil // they keep what was read
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	l.stream.end()
	return l.err
}

// step reads once, and handles what came.
func (l *link) step() error {
	buf := l.in.space()
	l.compact()
	n, err := l.fill(buf)
	if n == 0 {
		if errors.Is(err, errInterrupted) || errors.Is(err, errAtRest) {
			return err
		}
		return &LinkError{Op: "read", Addr: l.peer.Address, Err: err}
	}
	l.in.filled += n
	l.turn.dry = n < l.in.room
	return l.parse(l.turn.dry)
}

// compact moves what waits in a chunk that was left with little in it.
func (l *link) compact() {
	if k := l.in.sparse; k != nil {
		l.in.sparse = nil
		l.c.rq.compact(k)
		l.c.compactBlobs(k)
		k.release(1)
	}
}

func (l *link) setReadDeadline(from time.Time) {
	var at time.Time
	if idle := l.c.opt.IdleTimeout; idle < off {
		at = from.Add(idle)
	}
	l.turn.short = false
	_ = l.conn.SetReadDeadline(at)
}

// lastLook is for how long a link that seems idle is read once more: an expired
// deadline wins over bytes that wait, and a process that was stopped must not cut
// a healthy link when it wakes.
const lastLook = 20 * time.Millisecond

// errIdle says that the peer was silent for too long.
var errIdle = timeoutError("nothing was heard from the peer within the idle timeout")

// restAfter is how long a link is silent before it goes back to the least memory.
const restAfter = time.Second

// readInto reads into the space of l.in: into buf, or, where memory is held only while
// there is something to read, into what space is then.
func (l *link) readInto(buf []byte) (int, error) {
	if l.rawIn != nil {
		return l.rawIn.read(&l.in, l.turn.spin)
	}
	return l.conn.Read(buf)
}

// fill reads. The deadline is not moved with each read: when it fires, the time of
// the last byte says when to look again.
func (l *link) fill(buf []byte) (n int, err error) {
	for {
		if l.lookedUp() {
			return 0, errInterrupted
		}
		n, err = l.readInto(buf)
		if n > 0 {
			now := time.Now()
			if now.Sub(l.heard) > restAfter {
				l.in.cold = true
				l.frames, l.batch = nil, nil
			}
			l.heard = now
			return n, nil
		}
		if err == nil {
			err = io.ErrNoProgress
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, err
		}
		if l.turn.stop.Load() {
			continue
		}
		if l.turn.own && l.turn.short && time.Since(l.heard) < l.c.opt.IdleTimeout {
			if l.quiet() {
				return 0, errAtRest
			}
			continue
		}
		if time.Since(l.heard) < l.c.opt.IdleTimeout {
			l.setReadDeadline(l.heard)
			continue
		}
		l.asOwn(false)
		_ = l.conn.SetReadDeadline(time.Now().Add(lastLook))
		if n, err = l.readInto(buf); n == 0 {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				err = errIdle
			}
			return 0, err
		}
		l.heard = time.Now()
		l.setReadDeadline(l.heard)
		return n, nil
	}
}

// parse takes all whole frames that were read. dry says that the link has no more at
// hand.
func (l *link) parse(dry bool) error {
	if l.in.chunk == nil {
		return nil
	}
	l.frames = l.frames[:0]
	var bad error
	for l.in.parsed < l.in.filled {
		f, n, err := l.dec.Decode(l.in.waiting())
		if err != nil {
			if !protocol.IsShort(err) {
				bad = err
			}
			break
		}
		if f.Flags&protocol.NoSum != 0 && l.noSum == 0 {
			bad = protocol.Errorf("3.1", "a body without a checksum, which was not agreed")
			break
		}
		l.in.parsed += n
		l.offset += int64(n)
		l.frames = append(l.frames, f)
	}
	if err := l.handle(dry); err != nil {
		return err
	}
	if bad != nil {
		return l.protocolError(bad)
	}
	return nil
}

func (l *link) protocolError(err error) error {
	return &ProtocolError{Codec: l.codec.Name(), Offset: l.offset, Err: err}
}

// errPeerClosed ends a link on which the peer said Close.
var errPeerClosed = errors.New("the peer closed the session")

// handle gives the frames that were read to the session, and the units to the
// receive queue.
func (l *link) handle(dry bool) (err error) {
	if len(l.frames) == 0 && !dry {
		return nil
	}
	c := l.c
	now := l.heard
	l.batch = l.batch[:0]
	replies := false
	var answers []Message
	c.mu.Lock()
	waiting := len(c.confirms)
	for i := range l.frames {
		f := &l.frames[i]
		v, herr := c.sess.HandleFrame(now, f)
		if herr != nil {
			err = l.protocolError(herr)
			break
		}
		if v.Units {
			c.progress = true
			l.in.useful += len(f.Body)
			l.batch = append(l.batch, region{run: f.Body, first: c.sess.Received() - uint64(f.Count) + 1, count: f.Count, chunk: l.in.chunk, era: l.era}) //nolint:gosec // not negative
			replies = replies || f.Flags&protocol.Replies != 0
		}
		if v.Blob {
			if err = c.takeBlob(l, f); err != nil {
				err = l.protocolError(err)
				break
			}
		}
		c.apply(&v)
		if v.Close != nil {
			l.closed, err = v.Close, errPeerClosed
			break
		}
	}
	answer := dry && c.sess.AckDue(now, true)
	l.ackNow = l.ackNow || answer
	c.arm(now)
	if !answer {
		c.kick()
	}
	l.turn.woke = l.turn.woke || len(c.confirms) < waiting
	c.mu.Unlock()
	if replies { // before the application may take the units apart
		if c.replies == nil {
			c.replies = &replyMaker{}
		}
		for _, r := range l.batch {
			answers = c.replies.collect(r.run, answers)
		}
	}
	l.deliver(replies)
	for i := range answers {
		c.answer(&answers[i])
		l.turn.woke = true
	}
	if answer { // somebody waits for it; the reader never waits for it to be written
		c.mu.Lock()
		c.writeNow(false)
	}
	l.wake()
	return err
}

// apply does what a verdict asks for. c.mu is held.
func (c *Connection) apply(v *session.Verdict) {
	for _, n := range v.Nacks {
		c.refused(n)
	}
	if v.Confirmed {
		c.confirmed()
	}
}

// deliver queues the regions of this read.
func (l *link) deliver(replies bool) {
	if len(l.batch) == 0 {
		return
	}
	c := l.c
	freed, tell, level := c.rq.put(l.heard, l.batch, replies)
	clear(l.batch)
	l.turn.got = true
	if tell {
		c.taken(&freed)
	}
	c.checkSlowReader(level)
}

// wake wakes who waits for what was delivered.
func (l *link) wake() {
	if len(l.batch) == 0 {
		return
	}
	c := l.c
	if c.rq.sleepers.Load() > 0 {
		l.turn.woke = true
		c.rq.signal()
	}
	if c.server != nil {
		c.server.readable()
	}
}

// bubbled says whether this goroutine is in a bubble of testing/synctest, where the clock
// has no monotonic reading. Links of a bubble do not rest: the goroutine that waits for
// those that do is outside of it, or in another one.
func bubbled() bool {
	now := time.Now()
	return now == now.Round(0) //nolint:staticcheck // not whether it is the same moment
}
