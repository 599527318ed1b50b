package serpytest

import (
	"context"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"
)

// backlog is how many connections wait for Accept; further Dials wait for
// room, as with a full backlog of a socket.
const backlog = 128

// Listener takes connections in memory. It is a [net.Listener]; all methods may
// be called from any goroutine.
type Listener struct {
	addr  Addr
	queue chan *Conn
	done  chan struct{}
	once  sync.Once

	mu      sync.Mutex // a leaf; protects all below
	link    Link
	refuse  bool
	silent  bool
	dialled int
	onDial  func(n int, dialled, accepted *Conn)
	conns   []*Conn // the diallers' ends, for CutAll
}

var _ net.Listener = (*Listener)(nil)

// Listen returns a new listener whose connections are over link.
func Listen(link Link) *Listener {
	return &Listener{
		addr:  newAddr("listener"),
		queue: make(chan *Conn, backlog),
		done:  make(chan struct{}),
		link:  link,
	}
}

// Addr returns the address, an [Addr].
func (l *Listener) Addr() net.Addr { return l.addr }

// Accept waits for the next connection; it is a *[Conn]. After Close it
// returns an error that is net.ErrClosed.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case <-l.done:
		return nil, l.opError("accept", net.ErrClosed)
	default:
	}
	select {
	case c := <-l.queue:
		return c, nil
	case <-l.done:
		return nil, l.opError("accept", net.ErrClosed)
	}
}

// Close ends Accept, refuses all further Dials, and resets the connections
// that nobody has accepted. Those accepted live on.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.done) })
	for {
		select {
		case c := <-l.queue:
			c.Cut()
		default:
			return nil
		}
	}
}

// Dial connects, within ctx. It takes a round trip of the link's latency. A
// closed or refusing listener fails it with an error that is
// syscall.ECONNREFUSED.
func (l *Listener) Dial(ctx context.Context) (*Conn, error) {
	l.mu.Lock()
	link, refuse, silent := l.link, l.refuse, l.silent
	l.mu.Unlock()
	if silent {
		<-ctx.Done()
		return nil, l.opError("dial", ctx.Err())
	}
	if err := pause(ctx, 2*link.Latency); err != nil {
		return nil, l.opError("dial", err)
	}
	select {
	case <-l.done:
		refuse = true
	default:
	}
	if refuse {
		return nil, l.opError("dial", syscall.ECONNREFUSED)
	}
	dialled, accepted := newPair(link, newAddr("dialler"), l.addr)
	l.register(dialled, accepted)
	select {
	case l.queue <- accepted:
	case <-l.done:
		return nil, l.opError("dial", syscall.ECONNREFUSED)
	case <-ctx.Done():
		return nil, l.opError("dial", ctx.Err())
	}
	select {
	case <-l.done: // Close may have looked at the queue before it held this one.
		dialled.Cut()
	default:
	}
	return dialled, nil
}

// DialAddress is Dial in the form of serpy.Options.Dial; the address does not
// matter.
func (l *Listener) DialAddress(ctx context.Context, _ string) (net.Conn, error) {
	c, err := l.Dial(ctx)
	if err != nil {
		return nil, err // Not a nil *Conn in an interface.
	}
	return c, nil
}

// register counts a new connection and shows it to the OnDial function.
func (l *Listener) register(dialled, accepted *Conn) {
	l.mu.Lock()
	l.dialled++
	n, onDial := l.dialled, l.onDial
	l.conns = slices.DeleteFunc(l.conns, (*Conn).isOver)
	l.conns = append(l.conns, dialled)
	l.mu.Unlock()
	if onDial != nil {
		onDial(n, dialled, accepted)
	}
}

// OnDial sets a function that sees both ends of each connection before either
// side does, to prepare its faults; n counts the connections from 1. It runs in
// Dial. Nil: none.
func (l *Listener) OnDial(f func(n int, dialled, accepted *Conn)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.onDial = f
}

// Dialled returns how many connections there have been.
func (l *Listener) Dialled() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dialled
}

// SetLink changes the link of connections to come.
func (l *Listener) SetLink(link Link) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.link = link
}

// Refuse makes Dials fail with an error that is syscall.ECONNREFUSED, as when
// nobody listens, or no longer.
func (l *Listener) Refuse(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refuse = on
}

// Silence makes Dials that begin from now on wait until their context ends, as when packets are
// dropped, or no longer.
func (l *Listener) Silence(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.silent = on
}

// Conns returns the dialling ends of the connections that have not ended, oldest first.
func (l *Listener) Conns() []*Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns = slices.DeleteFunc(l.conns, (*Conn).isOver)
	return slices.Clone(l.conns)
}

// CutAll cuts all connections now ([Conn.Cut]) and returns how many.
func (l *Listener) CutAll() int {
	conns := l.Conns()
	for _, c := range conns {
		c.Cut()
	}
	return len(conns)
}

// isOver says that c has been closed or reset, at either end.
func (c *Conn) isOver() bool { return c.in.isOver() || c.out.isOver() }

func (d *Direction) isOver() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.reset || d.cut || d.readerClosed && d.writerClosed
}

func (l *Listener) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: l.addr.Network(), Addr: l.addr, Err: err}
}

// pause waits for d, or for the end of ctx, whose error it returns.
func pause(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil || d <= 0 {
		return err
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
