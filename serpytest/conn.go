package serpytest

import (
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultBuffer is how many bytes a direction holds unless [Link] says
// otherwise.
const DefaultBuffer = 64 << 10

// Link says how both directions of a connection begin. The zero value is a
// perfect link. [Direction] changes one direction later.
type Link struct {
	// Latency is the time that a byte is under way, in each direction; 0:
	// none. It delays the end of the stream and a reset as well.
	Latency time.Duration
	// Bandwidth is in bytes a second, in each direction; 0: no bound. Bytes
	// arrive in parcels of what passes in 10 ms, at most 16 KiB each.
	Bandwidth int64
	// Buffer is how many bytes a direction holds, written and not yet read,
	// those under way counted; 0: [DefaultBuffer]. A full one stops the
	// writer, as a window does: with Latency no more than Buffer bytes
	// pass in that time.
	Buffer int
	// OneByte makes each Read return one byte.
	OneByte bool
}

// Addr is the address of an end of a connection in memory.
type Addr string

// Network returns "memory".
func (Addr) Network() string { return "memory" }

// String returns the address as text.
func (a Addr) String() string { return string(a) }

// names numbers pipes and listeners, so that every address is its own.
var names atomic.Uint64

// newAddr returns an address that no other end has.
func newAddr(kind string) Addr {
	return Addr(kind + "-" + strconv.FormatUint(names.Add(1), 10))
}

// Conn is one end of a connection that serpytest made: of a [Pipe], of a
// [Listener], or what [Fault] returns. It is a [net.Conn] with the manners of a
// TCP connection, and can be half-closed; all its methods may be called from
// any goroutine. Errors are *net.OpError, as a socket's.
//
// It holds the writer to what TCP holds it to, at its strictest:
//
//   - Write returns when its bytes are in the buffer, which says nothing of
//     their arrival.
//   - Close with unread bytes resets the connection: what the peer has not
//     read yet is lost to it. Half-close, read to the end, then close.
//   - A Write to a peer that has closed succeeds, once, and resets the writer's
//     own end, unread bytes included.
type Conn struct {
	out, in       *Direction
	local, remote net.Addr
	peer          *Conn
	once          sync.Once
	done          chan struct{} // closed by Close
	bridge        *bridge       // nil but for Fault's
}

var _ interface {
	net.Conn
	CloseWrite() error
} = (*Conn)(nil)

// Pipe returns the two ends of a new connection over link.
func Pipe(link Link) (a, b *Conn) {
	return newPair(link, newAddr("pipe"), newAddr("pipe"))
}

func newPair(link Link, first, second net.Addr) (a, b *Conn) {
	ab, ba := newDirection(link), newDirection(link)
	ab.reverse, ba.reverse, ab.first = ba, ab, true
	a = &Conn{out: ab, in: ba, local: first, remote: second, done: make(chan struct{})}
	b = &Conn{out: ba, in: ab, local: second, remote: first, done: make(chan struct{})}
	a.peer, b.peer = b, a
	return a, b
}

// Out returns the direction of what c writes.
func (c *Conn) Out() *Direction { return c.out }

// In returns the direction of what c reads.
func (c *Conn) In() *Direction { return c.in }

// LocalAddr returns the address of c.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the address of the other end.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// Read reads what has arrived. After the last byte it returns io.EOF where
// the peer closed, an error that is syscall.ECONNRESET where the link was cut
// or reset, and net.ErrClosed after Close of c itself. A deadline that has
// passed wins over bytes that wait, as in package net.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.in.take(p)
	if err != nil && err != io.EOF { //nolint:errorlint // our own, bare.
		err = c.opError("read", err)
	}
	return n, err
}

// Write writes all of p, or says why not and how much it took: deadline,
// net.ErrClosed after Close, syscall.EPIPE after CloseWrite or when the peer
// is known to have closed, syscall.ECONNRESET after a cut. Concurrent Writes do not mix.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.out.put(p)
	if err != nil {
		err = c.opError("write", err)
	}
	return n, err
}

// CloseWrite says that c writes no more: the peer reads io.EOF after the last
// byte. Reading goes on.
func (c *Conn) CloseWrite() error {
	if err := c.out.finish(); err != nil {
		return c.opError("close", err)
	}
	return nil
}

// Close closes c: see [Conn] for what the peer notices. Reads and Writes of c
// that wait return net.ErrClosed. Closing twice is no error. The Close of a
// [Fault] returns when its goroutines have ended: see there.
func (c *Conn) Close() error {
	c.once.Do(func() {
		unread := c.in.closeReader()
		c.out.closeWriter(unread)
		close(c.done)
	})
	if c.bridge != nil {
		<-c.bridge.over
	}
	return nil
}

// SetDeadline sets both deadlines; the zero time: none. It also counts for a Read or Write that waits already.
func (c *Conn) SetDeadline(t time.Time) error {
	c.in.setReadDeadline(t)
	c.out.setWriteDeadline(t)
	return nil
}

// SetReadDeadline sets the time after which Read fails with an error that is
// os.ErrDeadlineExceeded.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.in.setReadDeadline(t)
	return nil
}

// SetWriteDeadline sets the time after which Write fails with an error that is
// os.ErrDeadlineExceeded; it may have taken a part of its bytes.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.out.setWriteDeadline(t)
	return nil
}

// Cut resets the connection now, all of it in one step: bytes that are not read yet are lost in both
// directions, and every call at either end says syscall.ECONNRESET. For a cut
// that loses nothing before it: [Direction.CutAfter].
func (c *Conn) Cut() {
	c.out.spreadCut(true)
	if c.bridge != nil {
		reset(c.bridge.socket) // Its goroutines may have left it open: see Fault.
	}
}

// Stall stops both directions until Resume: see [Direction.Stall].
func (c *Conn) Stall() {
	c.out.Stall()
	c.in.Stall()
}

// Resume ends Stall; what waited arrives at once.
func (c *Conn) Resume() {
	c.out.Resume()
	c.in.Resume()
}

// Vanish makes the connection half-open for good, in both directions: see
// [Direction.Vanish].
func (c *Conn) Vanish() {
	c.out.Vanish()
	c.in.Vanish()
}

func (c *Conn) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: c.local.Network(), Source: c.local, Addr: c.remote, Err: err}
}
