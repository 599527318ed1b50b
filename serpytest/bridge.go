package serpytest

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// grace is how long a bridge goes on to deliver after its user has closed, and
// how long it waits for the peer's end after a cut.
const grace = time.Second

// Fault puts a link, with the faults that [Direction] can be asked for,
// before a real connection: the returned Conn stands in for c, which belongs to it from now on.
// CutAfter is exact on both sides: the bytes before the place arrive, also
// through a socket, and after it both ends see a reset or the end.
//
// Fault starts goroutines that end with the Close of the Conn. Close waits for
// them while they deliver what was written, at most one second and the link's
// latency; then it resets c. A Conn whose [Conn.Out] has vanished leaves c
// open when it closes, because its peer must not hear of it: Cut closes c.
func Fault(c net.Conn, link Link) *Conn {
	near, far := newPair(link, c.LocalAddr(), c.RemoteAddr())
	near.bridge = newBridge(far, c)
	return near
}

// A bridge carries bytes between an end in memory and a socket, and brings
// the end of either to the other. Its goroutines end when both directions
// have ended, or when the other end in memory has been closed and the grace is over.
type bridge struct {
	end       *Conn
	socket    net.Conn
	discard   atomic.Bool   // the socket is read on for its end alone
	inputOver chan struct{} // closed when nothing is read from the socket any more
	over      chan struct{} // closed when all is
}

func newBridge(end *Conn, socket net.Conn) *bridge {
	b := &bridge{
		end:       end,
		socket:    socket,
		inputOver: make(chan struct{}),
		over:      make(chan struct{}),
	}
	outputOver := make(chan struct{})
	go func() {
		defer close(b.inputOver)
		b.input()
	}()
	go func() {
		defer close(outputOver)
		b.output()
	}()
	go func() {
		defer close(b.over)
		b.supervise(outputOver)
	}()
	return b
}

// supervise waits for the end of both directions and bounds the wait.
func (b *bridge) supervise(outputOver <-chan struct{}) {
	bothOver := make(chan struct{})
	go func() {
		defer close(bothOver)
		<-b.inputOver
		<-outputOver
	}()
	keep := false
	select {
	case <-bothOver:
	case <-b.end.peer.done:
		if keep = b.end.in.isVanished(); keep {
			_ = b.end.Close()
			_ = b.socket.SetDeadline(time.Now())
			<-bothOver
			break
		}
		timer := time.NewTimer(grace + b.end.in.latency())
		defer timer.Stop()
		select {
		case <-bothOver:
		case <-timer.C:
			_ = b.end.Close()
			reset(b.socket)
			<-bothOver
		}
	}
	_ = b.end.Close()
	if !keep {
		_ = b.socket.Close()
	}
}

// output carries bytes from memory to the socket.
func (b *bridge) output() {
	buf := make([]byte, DefaultBuffer)
	for {
		n, err := b.end.Read(buf)
		if n > 0 {
			if _, err := b.socket.Write(buf[:n]); err != nil {
				b.broken()
				reset(b.socket)
				return
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			b.lastByte()
			return
		case b.end.in.isCut():
			b.deliver()
			return
		case b.end.in.isVanished():
			return
		default:
			reset(b.socket)
			return
		}
	}
}

// lastByte tells the socket's peer that nothing follows, and closes the
// socket when the other end in memory takes nothing either.
func (b *bridge) lastByte() {
	if !closeWrite(b.socket) {
		_ = b.socket.Close()
		return
	}
	select {
	case <-b.inputOver:
	case <-b.end.peer.done:
		_ = b.socket.Close()
	}
}

// deliver sees to it that the bytes before a cut arrive: a socket closed with
// unread bytes would destroy them.
func (b *bridge) deliver() {
	b.discard.Store(true)
	_ = b.socket.SetReadDeadline(time.Now().Add(grace))
	if closeWrite(b.socket) {
		<-b.inputOver
	}
	reset(b.socket)
}

// input carries bytes from the socket to memory.
func (b *bridge) input() {
	buf := make([]byte, DefaultBuffer)
	for {
		n, err := b.socket.Read(buf)
		if n > 0 && !b.discard.Load() {
			if _, err := b.end.Write(buf[:n]); err != nil {
				b.discard.Store(true) // output hears of it, too, and ends the socket.
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			_ = b.end.CloseWrite()
			return
		default:
			b.broken()
			return
		}
	}
}

// broken tells the other end in memory that the socket broke, unless it is
// the one that ended it.
func (b *bridge) broken() {
	if !b.end.isOver() {
		b.end.Cut()
	}
}

// closeWrite half-closes c, and says whether it could.
func closeWrite(c net.Conn) bool {
	half, ok := c.(interface{ CloseWrite() error })
	return ok && half.CloseWrite() == nil
}

// reset closes c so that its peer sees a reset, where c knows how.
func reset(c net.Conn) {
	switch c := c.(type) {
	case *Conn:
		c.Cut()
	case interface{ SetLinger(seconds int) error }:
		_ = c.SetLinger(0)
	}
	_ = c.Close()
}

func (d *Direction) isCut() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cut && !d.abrupt
}

func (d *Direction) isVanished() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.vanished
}

func (d *Direction) latency() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.link.Latency
}
