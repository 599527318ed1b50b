package serpy

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/serpy-go/serpy/internal/session"
	"github.com/serpy-go/serpy/protocol"
)

// ID names a session, or the life of a process.
type ID = protocol.ID

// A Connection is one conversation with a peer, over as many links as it takes; a
// dialled one also over as many sessions. All methods may be called from any
// goroutine. A context that is done when a call begins wins, always, also over a
// message or room at hand; it bounds the call, never the link.
type Connection struct {
	opt     *Options
	server  *Server // nil: dialled
	address string  // as given to Dial
	codec   protocol.Codec
	life    protocol.ID // tells our connection from all others, also after a restart
	caps    protocol.Caps

	// mu guards what follows, down to the blank line: the send queue and the
	// session, so that a number and its bytes never part. It is a leaf: no
	// other mutex is taken under it, and nothing is waited for.
	mu          sync.Mutex
	q           sendQueue
	bounds      Queue // of q and stage
	stage       stage
	sess        *session.Session
	ident       identity
	era         *era
	link        *link
	peer        *Peer         // nil: never had a link; never changes, but for another one
	linkUp      chan struct{} // closed when a link is up; nil: nobody waits for that
	rooms       []chan struct{}
	passed      int32 // messages accepted before the first of rooms
	unsaid      int32 // messages that were not confirmed at the end
	confirms    []confirm
	nacks       *nackMemory // nil: all receipts were resolved by acks
	blobs       *blobLane   // nil: there was no blob yet
	requests    map[uint64]*request
	nextReq     uint64
	replies     *replyMaker // nil: none came; outlives a link: a reply may come over several
	closeCode   protocol.Code
	state       State
	blobsOn     bool // the peer of the present link takes blobs
	closing     bool // no more sends; the end is under way
	sendClosed  bool // CloseSend, or closing
	closeReason string
	cutOff      error // Receive ends with it when nothing waits
	failure     error // why we break it off
	saidEnd     bool  // CloseSend: the mark stands behind the last message
	closeNow    bool  // do not wait for the data to be written
	patient     bool  // closing, but waiting for the link to come back
	lastTry     bool  // closing, with the link down: one more attempt is under way
	wanted      bool  // of a wire with one message a link: somebody waits for one
	askAck      bool  // Flush waits: ask for an acknowledgement
	reconnect   bool
	ended       bool
	slowSaid    bool
	progress    bool          // something was confirmed or received on this link
	bringing    bool          // somebody brings a link in
	err         error         // why it ended; nil: normally
	remote      *CloseError   // the peer closed
	local       error         // what our calls say after the end
	attempt     *attempt      // to connect, which is under way; nil: none
	brought     chan struct{} // closed when it is in; nil: nobody waits for that
	timer       *time.Timer
	timerAt     moment
	stats       counters

	resolved atomic.Uint64 // ID up to which receipts are resolved
	flawed   atomic.Bool   // some of them not by an ack
	prompt   atomic.Bool   // nothing is under way: the next message is written by its sender
	halted   atomic.Bool   // nothing is dialled any more
	given    bool          // by Accept; the server's roll's mutex guards it

	rq     receiveQueue
	events eventRing[Event]

	settled  context.CancelFunc // of untilStopped; nil: nothing is dialled now; mu guards it
	redial   lateChannel        // do not wait any longer
	done     chan struct{}
	finished sync.Once
	place    int32 // in the server's roll; its mutex guards it
}

// identity is what names our half of a session.
type identity struct {
	session protocol.ID
	secret  protocol.ID
	link    uint64      // number of the last link
	seen    protocol.ID // the opening that the peer told; zero: never had a link
}

// Peer is the other side of the present or the last link.
type Peer struct {
	Name     string // what it calls itself; not to be trusted
	Address  string // of its end of the link
	Wire     string // name of the codec
	Instance ID     // its Connection and its life: with Message.ID it names a message for good
	TLS      *tls.ConnectionState
	Local    net.Addr
	Remote   net.Addr
}

// Guarantees are what this wire and this peer give: see docs/guarantees.md and
// docs/wires.md.
type Guarantees struct {
	Confirms    bool // receipts resolve by the peer's acknowledgement
	Resumes     bool // what is unconfirmed survives a lost link
	Correlates  bool // a reply names its request
	CleanBinary bool // any byte may stand in a payload without base85
	Metadata    bool // Tag, Time and Header are carried
	Flow        bool // who does not read stalls only what comes to him; false: the link
	Heartbeats  bool // a peer that is silent for IdleTimeout is gone; false: silence means nothing
	Blobs       bool // SendBlob works; known while a link is up
	AckWhen     AckWhen
}

// State is where a connection stands.
type State uint8

const (
	// Connecting says that there has been no link yet.
	Connecting State = iota
	// Up says that a link is there.
	Up
	// Down says that it is reconnecting, or, on a server's side, parked.
	Down
	// Closing says that Close or Shutdown is under way.
	Closing
	// Ended says that it is over, for good.
	Ended
)

func (s State) String() string {
	names := [...]string{"connecting", "up", "down", "closing", "ended"}
	if int(s) < len(names) {
		return names[s]
	}
	return "unknown"
}

func newID() (id protocol.ID) {
	_, _ = rand.Read(id[:]) // never fails
	return id
}

func newConnection(o *Options, s *Server, address string, codec protocol.Codec) *Connection {
	c := &Connection{
		life: newID(), opt: o, server: s, address: address, codec: codec, caps: codec.Caps(),
		done: make(chan struct{}), reconnect: !o.Reconnect.Off,
		q: newSendQueue(o.OnSessionLost == Resend), bounds: o.SendQueue,
	}
	units, room := window(o)
	if s != nil {
		room = s.share(room)
	}
	c.rq.init(o.MaxMessage, units, room)
	c.rq.whole, c.q.foreign = !c.caps.Resume, !c.caps.Resume
	c.events.keep = keptEvents
	return c
}

// newSession begins a session; redelivered units come first in the send queue.
// c.mu is held, or nobody else knows c.
func (c *Connection) newSession(id, secret protocol.ID, redelivered int) {
	base := c.q.appended
	if c.q.groups.len() > 0 {
		base = c.q.groups.at(0).firstID - 1
	}
	heartbeat := c.opt.Heartbeat
	if heartbeat == off || !c.caps.Resume {
		heartbeat = 0
	}
	c.sess = session.New(c.caps, session.Config{
		Units: c.rq.maxUnits, Bytes: c.rq.maxBytes, AckWhen: c.opt.AckWhen, Heartbeat: heartbeat,
		Redelivered: uint64(redelivered), BaseID: base, //nolint:gosec // a count is not negative
	})
	c.ident = identity{session: id, secret: secret}
	c.replies = nil
	lost := c.era != nil
	var epoch uint32 = 1
	if lost {
		epoch = c.era.epoch + 1
	}
	c.era = &era{epoch: epoch, lost: lost, acks: c.opt.AckWhen == OnProcessed}
}

// ID names the present session: unique, the same on both sides, and no secret.
func (c *Connection) ID() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	const digits = "0123456789abcdef"
	var b [2 * len(c.ident.session)]byte
	for i, v := range c.ident.session {
		b[2*i], b[2*i+1] = digits[v>>4], digits[v&15]
	}
	return string(b[:])
}

// Peer is the other side of the present or the last link.
func (c *Connection) Peer() Peer {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.peer == nil {
		return Peer{}
	}
	return *c.peer
}

// Guarantees says what this wire and this peer give.
func (c *Connection) Guarantees() Guarantees {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Guarantees{
		Confirms: c.caps.Acks != protocol.NoAcks, Resumes: c.caps.Resume,
		Correlates: c.caps.Correlates, CleanBinary: c.caps.CleanBinary, Metadata: c.caps.Metadata,
		Flow: c.caps.Flow, Heartbeats: c.caps.Resume, Blobs: c.blobsOn, AckWhen: c.sess.PeerAckWhen(),
	}
}

// State says where the connection stands, or stood a moment ago.
func (c *Connection) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.ended:
		return Ended
	case c.closing:
		return Closing
	}
	return c.state
}

// Done is closed when the connection has ended and none of its goroutines is left.
func (c *Connection) Done() <-chan struct{} { return c.done }

// Err is nil while the connection lives and after a normal close by either side;
// otherwise it says why it ended.
func (c *Connection) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// WaitConnected waits until a link is up; nil says that it was a moment ago.
func (c *Connection) WaitConnected(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return opError("wait connected", err)
		}
		c.mu.Lock()
		if c.linkUp == nil && c.state != Up {
			c.linkUp = make(chan struct{})
		}
		up, state, err := c.linkUp, c.state, c.endError()
		c.mu.Unlock()
		if err != nil {
			return opError("wait connected", err)
		}
		if state == Up {
			return nil
		}
		select {
		case <-up:
		case <-c.done:
		case <-ctx.Done():
		}
	}
}

// endError is what calls say that come too late; nil while it lives. c.mu is held.
func (c *Connection) endError() error {
	if !c.ended {
		return nil
	}
	if c.local != nil {
		return c.local
	}
	return ErrClosed
}

// Reconnect makes a new link now: it drops a live one, or ends the wait for the
// next attempt. ErrUnsupported on a server's side.
func (c *Connection) Reconnect() error {
	if c.server != nil {
		return opError("reconnect", ErrUnsupported)
	}
	c.mu.Lock()
	l, err := c.link, c.endError()
	c.mu.Unlock()
	if err != nil {
		return opError("reconnect", err)
	}
	poke(c.redial.get())
	if l != nil {
		l.fail(&LinkError{Op: "reconnect", Addr: c.address, Err: net.ErrClosed})
	}
	return nil
}

// SetReconnect turns reconnection on or off; off, the next link loss ends the
// connection. On a server's side it does nothing.
func (c *Connection) SetReconnect(on bool) {
	c.mu.Lock()
	c.reconnect = on
	c.mu.Unlock()
}

// SetSendQueue sets the bounds and the policy of the send queue from now on. What
// is queued stays.
func (c *Connection) SetSendQueue(q Queue) error {
	if err := q.withDefaults("SendQueue", 0); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bounds = q
	c.wakeRooms()
	c.kick()
	return nil
}

// A lateChannel is a channel of capacity 1 that most never need: it is made when the first
// pokes it or waits for it.
type lateChannel struct{ made atomic.Pointer[chan struct{}] }

func (l *lateChannel) get() chan struct{} {
	if c := l.made.Load(); c != nil {
		return *c
	}
	c := make(chan struct{}, 1)
	if !l.made.CompareAndSwap(nil, &c) {
		return *l.made.Load()
	}
	return c
}

// poke puts a "look again" into a channel of capacity 1.
func poke(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
