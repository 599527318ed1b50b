package serpy

import (
	"time"

	"github.com/serpy-go/serpy/protocol"
)

// A foreignLink is what a link of a wire without a Hello has beside. Such a link is a
// session of its own: docs/adr/0018.
type foreignLink struct {
	lingerer   protocol.Lingerer // nil: the link may end right after the last write
	oneMessage bool
	counted    bool
	room       chan struct{} // capacity 1: the reader may look again
	ended      chan struct{} // closed when the reader leaves

	// The reader's own.
	faults int

	// The writer's own.
	out   []byte
	run   []byte // a unit whose payload lies elsewhere, joined
	ack   protocol.Frame
	burst int // messages that the peer may still have to take
	wrote time.Time

	// Guarded by c.mu.
	answers []byte // to be written before anything else
	wasAck  bool   // ack goes with this write
	last    uint64 // unit that this write ends with; 0: none
	count   int    // messages in this write
	full    bool   // OneMessage: the link has its message
	discard bool   // closing, and without room: what comes is dropped
}

func newForeignLink(codec protocol.Codec) *foreignLink {
	caps := codec.Caps()
	f := &foreignLink{
		oneMessage: caps.OneMessage, counted: caps.Acks == protocol.Counted,
		room: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	f.lingerer, _ = codec.(protocol.Lingerer)
	return f
}

// maxAnswers bounds the bytes that a wire demands in return and that the peer has not
// taken: a peer that asks and never reads is not read further.
const maxAnswers = 16 << 10

// linkUpSession says that l carries the session. c.mu is held.
func (c *Connection) linkUpSession(now time.Time, l *link) error {
	f := l.foreign
	if f == nil {
		return c.sess.LinkUp(now, l.hello)
	}
	l.hello.MaxMessage = 1 << 62
	if most := c.caps.MaxPayload; most > 0 {
		l.hello.MaxMessage = uint64(most)
	}
	if o, ok := l.enc.(protocol.Opener); ok && c.server == nil {
		f.answers = o.Open(f.answers)
	}
	c.sess.LinkUpPlain(now)
	return nil
}

// foreignWork says whether the writer of a foreign link would find something. c.mu is
// held.
func (c *Connection) foreignWork(l *link) bool {
	f := l.foreign
	switch {
	case len(f.answers) > 0, c.sess.AckOwed(), c.closeNow && c.sess.CloseDue():
		return true
	case c.q.unsent < c.q.groups.len() || c.stage.list.len() > 0:
		return !f.full
	}
	return c.sess.CloseDue()
}

// stir lets the reader and the writer of a foreign link look again: there may be room
// in the receive queue, or an acknowledgement to be written. c.mu is held.
func (c *Connection) stir() {
	if l := c.link; l != nil && l.foreign != nil {
		poke(l.foreign.room)
		c.kick()
	}
}

// cannotRefuse ends a foreign link whose acknowledgements are counted, when the
// application refuses a message that wants one: the wire has no refusals, and each
// acknowledgement from now on would stand for an earlier message than it should.
func (c *Connection) cannotRefuse(m *Message) bool {
	c.mu.Lock()
	l := c.link
	c.mu.Unlock()
	if l == nil || !l.foreign.counted || !m.Mode.IsAcked() || l.era.epoch != m.epoch {
		return false
	}
	l.fail(&LinkError{Op: "refuse", Addr: l.peer.Address, Err: errCannotRefuse})
	return true
}
