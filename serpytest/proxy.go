package serpytest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// ProxyOptions says how a [Proxy] listens, dials and cuts. The zero value
// forwards and cuts nothing by itself.
type ProxyOptions struct {
	// Listener takes the connections, and belongs to the Proxy; nil: for
	// "unix" a socket whose path is the target's with ".proxy" behind it, otherwise a free port of 127.0.0.1.
	Listener net.Listener
	// Dial connects to the target; nil: net.Dialer's, of the Proxy's network and target.
	Dial func(ctx context.Context) (net.Conn, error)
	// Link is what each connection passes through.
	Link Link
	// CutEvery cuts each connection when it is about so old (half to one
	// and a half times), amid the bytes that pass; 0: never.
	CutEvery time.Duration
	// CutBytes cuts each connection when about so many bytes have passed in
	// one direction (one to twice as many, in a direction chosen by chance);
	// 0: never.
	CutBytes int64
	// Seed is of the chances of CutEvery and CutBytes; 0: one of its own in each
	// run.
	Seed uint64
}

// Proxy forwards connections to a target over real sockets, and breaks them:
// by hand, by time, or by count. A cut is a reset at both ends (SO_LINGER 0 where it is a TCP socket), in mid-frame as
// likely as not; bytes under way are lost. All methods may be called from any
// goroutine.
type Proxy struct {
	listener net.Listener
	dial     func(ctx context.Context) (net.Conn, error)
	stop     context.CancelFunc
	running  sync.WaitGroup

	mu     sync.Mutex // a leaf; protects all below
	o      ProxyOptions
	chance *rand.Rand
	refuse bool
	closed bool
	links  map[*Conn]struct{} // the clients' ends in memory
	opened int
	cuts   int
}

// NewProxy listens, and forwards to target, an address of package net on network ("tcp",
// "unix" …). nil options are the zero value.
func NewProxy(network, target string, o *ProxyOptions) (*Proxy, error) {
	if o == nil {
		o = &ProxyOptions{}
	}
	ctx, stop := context.WithCancel(context.Background())
	p := &Proxy{listener: o.Listener, dial: o.Dial, stop: stop, o: *o, links: make(map[*Conn]struct{})}
	seed := o.Seed
	if seed == 0 {
		seed = rand.Uint64() //nolint:gosec // likewise no secret
	}
	p.chance = rand.New(rand.NewPCG(seed, seed)) //nolint:gosec // where a link is cut is no secret
	if p.dial == nil {
		p.dial = func(ctx context.Context) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, target)
		}
	}
	if p.listener == nil {
		address := "127.0.0.1:0"
		if network == "unix" {
			address = target + ".proxy"
		}
		var err error
		if p.listener, err = (&net.ListenConfig{}).Listen(ctx, network, address); err != nil {
			stop()
			return nil, fmt.Errorf("serpytest: proxy: %w", err)
		}
	}
	p.running.Go(func() { p.accept(ctx) })
	return p, nil
}

// Addr returns the address to dial instead of the target's.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Close stops listening, cuts all connections, and returns when all goroutines of
// the Proxy have ended.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.stop()
	err := p.listener.Close()
	p.cutAll()
	p.running.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil // Closed twice.
	}
	return err
}

// Cut cuts all connections that there are now, and returns how many.
func (p *Proxy) Cut() int {
	n := p.cutAll()
	p.mu.Lock()
	p.cuts += n
	p.mu.Unlock()
	return n
}

func (p *Proxy) cutAll() int {
	links := p.Links()
	for _, c := range links {
		c.Cut()
	}
	return len(links)
}

// Links returns the connections that there are now, for faults of their own:
// Out is the direction to the target, In that to the client. Nobody reads or
// writes them but the Proxy.
func (p *Proxy) Links() []*Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	links := make([]*Conn, 0, len(p.links))
	for c := range p.links {
		links = append(links, c)
	}
	return links
}

// Opened returns how many connections have reached the target.
func (p *Proxy) Opened() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.opened
}

// Cuts returns how many connections were cut, by hand and by the options.
func (p *Proxy) Cuts() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cuts
}

// Refuse resets new connections at once, or no longer. Those there are live
// on.
func (p *Proxy) Refuse(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = on
}

// SetLink changes the link of connections to come.
func (p *Proxy) SetLink(link Link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.o.Link = link
}

// SetCuts changes CutEvery and CutBytes for connections to come.
func (p *Proxy) SetCuts(every time.Duration, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.o.CutEvery, p.o.CutBytes = every, bytes
}

func (p *Proxy) accept(ctx context.Context) {
	for {
		client, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Out of file descriptors, most likely: others will be closed.
			if pause(ctx, 5*time.Millisecond) != nil {
				return
			}
			continue
		}
		p.running.Go(func() { p.forward(ctx, client) })
	}
}

// forward carries one connection until it ends.
func (p *Proxy) forward(ctx context.Context, client net.Conn) {
	if p.refuses() {
		reset(client)
		return
	}
	target, err := p.dial(ctx)
	if err != nil {
		reset(client)
		return
	}
	p.mu.Lock()
	a, b := newPair(p.o.Link, client.RemoteAddr(), target.RemoteAddr())
	plan := p.plan()
	p.links[a] = struct{}{}
	p.opened++
	closed := p.closed
	p.mu.Unlock()
	if closed {
		a.Cut() // Close did not see it.
	}
	if plan.bytes > 0 {
		plan.direction(a).setCut(plan.bytes, true)
	}
	one, other := newBridge(a, client), newBridge(b, target)
	timely := cutInTime(a, plan, one.over)
	<-one.over
	<-other.over
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, a)
	if timely || plan.bytes > 0 && plan.direction(a).wasCut() {
		p.cuts++
	}
}

func (p *Proxy) refuses() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refuse || p.closed
}

// A plan says when a connection is cut.
type plan struct {
	after time.Duration // 0: by no time
	more  int64         // after that, when so many more bytes have passed
	bytes int64         // 0: by no count
	back  bool          // counted from the target to the client
}

// plan draws the lots of a new connection; p.mu is held.
func (p *Proxy) plan() plan {
	l := plan{back: p.chance.IntN(2) == 0, more: 1 + p.chance.Int64N(4096)}
	if every := p.o.CutEvery; every > 0 {
		l.after = max(every/2+time.Duration(p.chance.Int64N(int64(every))), 1)
	}
	if p.o.CutBytes > 0 {
		l.bytes = p.o.CutBytes + p.chance.Int64N(p.o.CutBytes)
	}
	return l
}

func (l plan) direction(c *Conn) *Direction {
	if l.back {
		return c.In()
	}
	return c.Out()
}

// cutInTime cuts c when its time has come: amid the bytes that pass then, or
// a little later where none do. It says whether c lived to see that.
func cutInTime(c *Conn, l plan, over <-chan struct{}) bool {
	if l.after == 0 || !waitFor(l.after, over) {
		return false
	}
	d := l.direction(c)
	d.setCut(d.Bytes()+l.more, true)
	waitFor(2*time.Millisecond, over)
	c.Cut()
	return true
}

// waitFor waits for a time, and says whether it passed before over.
func waitFor(d time.Duration, over <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-over:
		return false
	}
}

func (d *Direction) wasCut() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cut
}
