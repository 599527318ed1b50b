package serpy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/transport"
)

// Dial connects to a server: "tcp://host:port" or plain "host:port",
// "tls://host:port", "unix:///path", "npipe://host/pipe/name" (docs/pipes.md). ctx
// bounds this call only, not the connection. The first failure is returned, in which
// errors.As finds a *LinkError or a *RefusedError, unless Options.Reconnect.FirstDial
// says otherwise; where ctx ends the attempts, that of the last one is behind its error.
// Once there was a link, lost ones are made anew with backoff, until Close.
func Dial(ctx context.Context, address string, o *Options) (*Connection, error) {
	opt, err := o.forDial()
	if err != nil {
		return nil, err
	}
	if len(opt.Wires) != 1 {
		return nil, &OptionError{"Wires", len(opt.Wires), "a dialler speaks exactly one"}
	}
	if opt.Dial == nil {
		a, err := transport.Parse(address)
		if err != nil {
			return nil, opError("dial", err)
		}
		if opt.TLS != nil && a.Scheme() != transport.TLS {
			return nil, &OptionError{"TLS", address, "the address is not a tls:// one: nothing would be encrypted"}
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, opError("dial", err)
	}
	c := newConnection(opt, nil, address, opt.Wires[0])
	c.newSession(newID(), newID(), 0)
	first := make(chan error, 1)
	d := &dialling{c: c, ctx: c.untilStopped(), r: newRedialler(&opt.Reconnect), first: first}
	go d.run()
	if opt.Reconnect.FirstDial == InBackground {
		return c, nil
	}
	select {
	case err = <-first:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		c.abandon(err)
		if d.trouble != nil && ctx.Err() != nil && !errors.Is(err, d.trouble) {
			err = fmt.Errorf("%w: %w", err, d.trouble)
		}
		return nil, opError("dial", err)
	}
	return c, nil
}

// abandon ends a connection that nobody has seen, and waits for it.
func (c *Connection) abandon(err error) {
	c.mu.Lock()
	c.closing, c.sendClosed, c.reconnect = true, true, false
	c.mu.Unlock()
	c.stop() // from here on no link comes in: attachLink looks
	c.mu.Lock()
	l := c.link
	c.mu.Unlock()
	if l != nil {
		l.fail(err)
	}
	<-c.done
}

// A redialler says how long to wait before each attempt. The delays are drawn
// evenly between nothing and a bound that doubles ("full jitter": diallers that lost
// their server together do not come back together).
type redialler struct {
	opt      *Reconnect
	delays   *backoff.ExponentialBackOff
	attempts int       // in a row
	since    time.Time // the last link ended, or the first attempt began
}

func newRedialler(o *Reconnect) *redialler {
	r := &redialler{opt: o, since: time.Now()}
	r.delays = backoff.NewExponentialBackOff(
		// Drawn from (0, 2 × interval): the bound is twice the interval.
		backoff.WithInitialInterval(o.Min/2), backoff.WithMaxInterval(o.Max/2),
		backoff.WithMultiplier(2), backoff.WithRandomizationFactor(1), backoff.WithMaxElapsedTime(0))
	return r
}

// linked says that a link lived, and whether it proved stable.
func (r *redialler) linked(lived time.Duration, progress bool) {
	r.since = time.Now()
	r.attempts = 0
	if lived >= r.opt.StableAfter || progress {
		r.delays.Reset()
	}
}

// next is the delay before the next attempt; ok is false if there is none.
func (r *redialler) next() (delay time.Duration, ok bool) {
	r.attempts++
	if r.attempts > r.opt.MaxAttempts {
		return 0, false
	}
	delay = r.delays.NextBackOff()
	if r.opt.GiveUpAfter < off && time.Since(r.since)+delay > r.opt.GiveUpAfter {
		return 0, false
	}
	return delay, true
}

// A dialling is how a dialled connection comes to its links: one goroutine at a time
// dials, hands over to the reader of the link, and goes on in that when the link has
// ended.
type dialling struct {
	c     *Connection
	ctx   context.Context // see untilStopped
	r     *redialler      // nil: no attempt failed since it last began anew
	first chan<- error    // how the first attempt ended; nil: it is known
	up    time.Time       // when the present link came up

	trouble error // of the last attempt before there was a link; for Dial, when the connection is done
}

// run dials until a link is up, or until the end. It closes done last.
func (d *dialling) run() {
	for {
		l, err := d.c.connect(d.ctx, d.r.attempts+1)
		if err == nil {
			d.handOver(l)
			return
		}
		if !d.again(d.c.sessionGone(err)) {
			return
		}
	}
}

// handOver leaves the connection to the reader of its link.
func (d *dialling) handOver(l *link) {
	d.tell(nil)
	d.up = time.Now()
	d.c.settle()
	d.ctx = nil
	if d.r.attempts == 0 {
		d.r = nil
	}
	l.start(func(err error) { d.linkEnded(l, err) })
}

// linkEnded goes on when a link has ended.
func (d *dialling) linkEnded(l *link, err error) {
	c := d.c
	err = l.ended(err)
	broken := c.detachLink(l, err)
	c.mu.Lock()
	progress := c.progress
	c.progress = false
	c.mu.Unlock()
	if d.r == nil {
		d.r = newRedialler(&c.opt.Reconnect)
	}
	d.r.linked(time.Since(d.up), progress)
	d.ctx = c.untilStopped()
	switch {
	case l.foreign != nil:
		err = c.foreignLost(err)
	case broken || errors.Is(err, errGoingAway):
		err = c.loseSession(err)
	}
	if d.again(err) {
		d.run()
	}
}

// again waits until the next attempt is due; false: there is none, and the connection
// has ended.
func (d *dialling) again(err error) bool {
	c := d.c
	if !c.mustEnd(err) && !d.failedFast() && (c.neverUp() || c.awaitDemand(d.ctx)) &&
		(errors.Is(err, errMessageDone) || d.pause(err)) {
		return true
	}
	c.finishDialled(err)
	d.tell(err)
	return false
}

// failedFast says that the first attempt failed, and no other is wanted then.
func (d *dialling) failedFast() bool {
	return d.first != nil && d.c.opt.Reconnect.FirstDial == FailFast && d.c.neverUp()
}

// tell tells Dial how the first attempt ended.
func (d *dialling) tell(err error) {
	if d.first != nil {
		d.first <- err // has room for one
		d.first = nil
	}
}

// stop ends dialling and waiting to dial, for good.
func (c *Connection) stop() {
	c.halted.Store(true)
	c.settle()
}

// settle ends the context of untilStopped.
func (c *Connection) settle() {
	c.mu.Lock()
	settled := c.settled
	c.settled = nil
	c.mu.Unlock()
	if settled != nil {
		settled()
	}
}

// untilStopped gives the context for dialling and for waiting to dial. It is there only
// meanwhile: most connections are up nearly always.
func (c *Connection) untilStopped() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	c.mu.Lock()
	c.settled = cancel
	c.mu.Unlock()
	if c.halted.Load() {
		cancel()
	}
	return ctx
}

// connect dials and shakes hands.
func (c *Connection) connect(ctx context.Context, attempt int) (*link, error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, &LinkError{Op: "dial", Addr: c.address, Attempt: attempt, Err: err}
	}
	l := newLink(c.codec, c.opt.MaxMessage, conn)
	l.canRest = l.canRest && c.opt.Dial == nil // who made the conn may close it: an epoll is not told
	l.c = c
	l.peer = peerOf(conn, c.address, c.codec.Name())
	if c.caps.Resume {
		err = l.greet(ctx)
	} else {
		l.hello.MaxMessage = 1 << 62
	}
	if err == nil {
		err = c.attachLink(l)
	}
	if err != nil {
		_ = conn.Close()
		l.in.close()
		if le, ok := errors.AsType[*LinkError](err); ok {
			le.Attempt = attempt
		}
		return nil, err
	}
	return l, nil
}

func (c *Connection) dial(ctx context.Context) (net.Conn, error) {
	if c.opt.Dial != nil {
		if c.opt.DialTimeout < off {
			bounded, cancel := context.WithTimeout(ctx, c.opt.DialTimeout)
			defer cancel()
			ctx = bounded
		}
		return c.opt.Dial(ctx, c.address)
	}
	if c.opt.DialTimeout < off {
		a := c.tries(ctx)
		defer c.tried(a)
		ctx = a
	}
	a, err := transport.Parse(c.address)
	if err != nil {
		return nil, err
	}
	return transport.Dial(ctx, a, c.opt.TLS, c.opt.Transport)
}

// peerOf is what is known of a peer by its conn alone.
func peerOf(conn net.Conn, address, wire string) *Peer {
	p := &Peer{Address: address, Wire: wire, Local: conn.LocalAddr(), Remote: conn.RemoteAddr()}
	if t, ok := conn.(*tls.Conn); ok {
		state := t.ConnectionState()
		p.TLS = &state
	}
	return p
}

// sessionGone sees whether a failed handshake says that the session is no more.
func (c *Connection) sessionGone(err error) error {
	var end *sessionEnd
	switch {
	case errors.As(err, &end):
		return c.sessionEnded(end, err)
	case errors.Is(err, errUnknownSession):
		return c.loseSession(err)
	case isProtocolError(err):
		c.mu.Lock()
		lost := c.ident.seen != protocol.ID{} && c.sess.LinkDown(true)
		c.mu.Unlock()
		if lost {
			return c.loseSession(err)
		}
	}
	return err
}

// mustEnd says whether nothing is to be tried after err.
func (c *Connection) mustEnd(err error) bool {
	var refused *RefusedError
	var closed *CloseError
	if errors.Is(err, errPeerClosed) || errors.As(err, &refused) && refused.Final || errors.As(err, &closed) || c.halted.Load() {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing && !c.patient && !c.lastTry {
		c.lastTry = true // a link that is down: one more attempt, to say Close
		return c.sess == nil || c.stats.links == 0 || c.closeNow
	}
	return c.closing && !c.patient || !c.reconnect && c.stats.links > 0
}

// pause waits before the next attempt; false: there is none.
func (d *dialling) pause(err error) bool {
	c, r := d.c, d.r
	delay, ok := r.next()
	if !ok {
		return false
	}
	c.mu.Lock()
	if c.lastTry {
		delay = 0
	}
	c.mu.Unlock()
	if c.neverUp() {
		d.trouble = err
	}
	c.say(Reconnecting{Attempt: r.attempts, Delay: delay, Err: err})
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.redial.get():
	case <-d.ctx.Done():
		return false
	}
	return true
}

// finishDialled ends the connection.
func (c *Connection) finishDialled(err error) {
	c.mu.Lock()
	closing, failure := c.closing, c.failure
	c.mu.Unlock()
	var closed *CloseError
	switch {
	case errors.As(err, &closed) && closed.Remote:
		c.finish(endOf(closed), closed)
	case failure != nil:
		c.finish(failure, failure)
	case closing:
		c.finish(nil, ErrClosed)
	case errors.As(err, new(*RefusedError)) || c.neverUp():
		c.finish(err, err)
	default:
		lost := &SessionLostError{Unconfirmed: c.unconfirmed(), Err: err}
		c.finish(lost, lost)
	}
}

// endOf is what Err says after a Close of the peer's: nil if it was a normal one.
func endOf(e *CloseError) error {
	if protocol.Code(e.Code) == protocol.CodeNormal {
		return nil
	}
	return e
}

func (c *Connection) neverUp() bool { return c.statsLinks() == 0 }

func (c *Connection) statsLinks() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return int(c.stats.links)
}

func isProtocolError(err error) bool {
	var p *ProtocolError
	return errors.As(err, &p)
}
