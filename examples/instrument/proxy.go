package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// proxy is the bad cable: it passes bytes on between whoever connects and a
// target, and breaks each link after about `every`, amid a frame. It knows
// nothing of frames or of TLS: it cuts inside what it has just read.
type proxy struct {
	listener net.Listener
	target   string // A URL.
	every    time.Duration
	cuts     atomic.Int64

	ctx    context.Context
	cancel context.CancelFunc
	links  sync.WaitGroup
}

// newProxy listens on one URL and passes on to another.
func newProxy(address, target string, every time.Duration) (*proxy, error) {
	p := &proxy{target: target, every: every}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	network, where := split(address)
	var config net.ListenConfig
	listener, err := config.Listen(p.ctx, network, where)
	if err != nil {
		p.cancel()
		return nil, fmt.Errorf("-addr %s: %w", address, err)
	}
	p.listener = listener
	p.links.Go(p.accept)
	return p, nil
}

// address is where the proxy listens, with the target's scheme.
func (p *proxy) address() string {
	scheme, _, _ := strings.Cut(p.target, "://")
	return scheme + "://" + p.listener.Addr().String()
}

// close ends all links and waits for their goroutines.
func (p *proxy) close() error {
	p.cancel()
	err := p.listener.Close()
	p.links.Wait()
	return err
}

func (p *proxy) accept() {
	for {
		near, err := p.listener.Accept()
		if p.ctx.Err() != nil {
			if err == nil {
				_ = near.Close()
			}
			return
		}
		if err != nil {
			time.Sleep(10 * time.Millisecond) // Out of descriptors, say: it passes.
			continue
		}
		p.links.Go(func() { p.carry(near) })
	}
}

// carry joins near to the target until one of them ends or the cut is due.
func (p *proxy) carry(near net.Conn) {
	network, where := split(p.target)
	var dialer net.Dialer
	far, err := dialer.DialContext(p.ctx, network, where)
	if err != nil {
		reset(near)
		return
	}
	life := p.every/2 + rand.N(p.every) //nolint:gosec // Nobody has to be kept from guessing it.
	l := &link{due: time.Now().Add(life), near: near, far: far}
	// A silent link is cut as well, a little later; and all end with the proxy.
	silent := time.AfterFunc(life+p.every, func() { l.cut(p) })
	defer silent.Stop()
	defer context.AfterFunc(p.ctx, func() { l.end() })()
	var pumps sync.WaitGroup
	pumps.Go(func() { l.pump(p, far, near) })
	pumps.Go(func() { l.pump(p, near, far) })
	pumps.Wait()
	l.end()
}

// link is one connection through the proxy.
type link struct {
	due       time.Time
	near, far net.Conn
	over      atomic.Bool
}

// pump passes bytes on in one direction. Once the cut is due, it passes on only
// a part of what it has read, and breaks the link.
func (l *link) pump(p *proxy, to, from net.Conn) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		due := n > 0 && !time.Now().Before(l.due)
		if due {
			n = rand.IntN(n) //nolint:gosec // As above.
		}
		if _, writeErr := to.Write(buffer[:n]); writeErr != nil {
			err = writeErr
		}
		if due {
			l.cut(p)
			return
		}
		if err != nil {
			if half, ok := to.(interface{ CloseWrite() error }); ok {
				err = half.CloseWrite()
			}
			if err != nil {
				l.end()
			}
			return
		}
	}
}

// cut breaks the link by reset and counts it, once.
func (l *link) cut(p *proxy) {
	if l.end() {
		p.cuts.Add(1)
	}
}

// end resets both connections; it says whether it was the first to do so.
func (l *link) end() bool {
	if l.over.Swap(true) {
		return false
	}
	reset(l.near)
	reset(l.far)
	return true
}

// reset closes c so that what is on its way is lost, as by a pulled cable. A
// unix socket does so by itself when bytes are unread.
func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}
