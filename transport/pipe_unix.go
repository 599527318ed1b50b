//go:build unix

package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Here a socket in Options.PipeFolder stands for a pipe, so that programs for pipes
// run, and are tested, on systems that have none: a stream where pipes carry bytes,
// a socket of packets where they carry messages.

// pipeConn is one end of such a pipe.
type pipeConn struct {
	*net.UnixConn
	addr    pipeAddr
	packets bool
	made    bool // the pipe is ours
	once    sync.Once
	closed  func()

	mu   sync.Mutex // for Read
	buf  []byte     // for packets that are longer than what they are read into
	rest []byte     // of the last one
}

// Read reads bytes; a packet that does not fit is not cut short.
func (c *pipeConn) Read(b []byte) (int, error) {
	if !c.packets {
		return c.UnixConn.Read(b)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.rest) == 0 && len(b) >= maxPipeMessage {
		return c.packet(b)
	}
	if len(c.rest) == 0 && len(b) > 0 {
		if c.buf == nil {
			c.buf = make([]byte, maxPipeMessage)
		}
		n, err := c.packet(c.buf)
		if err != nil {
			return 0, err
		}
		c.rest = c.buf[:n]
	}
	n := copy(b, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

var errPacket = errors.New("a message of more than 64 KiB")

func (c *pipeConn) packet(b []byte) (int, error) {
	n, _, flags, _, err := c.ReadMsgUnix(b, nil)
	switch {
	case errors.Is(err, io.EOF):
		err = io.EOF // itself, as a Reader says it
	case flags&syscall.MSG_TRUNC != 0:
		n, err = 0, &net.OpError{Op: "read", Net: string(NPipe), Addr: c.addr, Err: errPacket}
	}
	return n, err
}

// Write writes a message, or several if it is longer than 64 KiB.
func (c *pipeConn) Write(b []byte) (n int, err error) {
	if !c.packets {
		return c.UnixConn.Write(b)
	}
	for n < len(b) && err == nil {
		var k int
		k, err = c.UnixConn.Write(b[n:min(len(b), n+maxPipeMessage)])
		n += k
	}
	return n, err
}

// Close closes the end. What was written can still be read at the other.
func (c *pipeConn) Close() error {
	err := c.UnixConn.Close()
	c.once.Do(c.closed)
	return err
}

// LocalAddr is the address of the pipe.
func (c *pipeConn) LocalAddr() net.Addr { return c.addr }

// RemoteAddr is the same.
func (c *pipeConn) RemoteAddr() net.Addr { return c.addr }

// pipeSocket is the path and the kind of the socket that stands for a pipe.
func pipeSocket(op string, a Address, o Options) (network, path string, err error) {
	switch {
	case o.PipeFolder == "" || a.host != ".":
		return "", "", unsupported(op, a)
	case strings.ContainsRune(a.path, '/') || a.path == "." || a.path == "..":
		return "", "", &OptionError{"PipeFolder", o.PipeFolder, errors.New("a pipe in a folder has a name without a slash: " + a.path)}
	case o.PipeSecurity != "":
		return "", "", &OptionError{"PipeSecurity", o.PipeSecurity, errors.ErrUnsupported}
	}
	network = "unix"
	if o.PipeMessages {
		network = "unixpacket"
	}
	path = filepath.Join(o.PipeFolder, a.path)
	return network, path, checkPath(path)
}

// openPipe opens a pipe, once.
func openPipe(ctx context.Context, a Address, o Options) (*pipeConn, error) {
	network, path, err := pipeSocket("dial", a, o)
	if err != nil {
		return nil, err
	}
	c, err := dialer(o, false).DialContext(ctx, network, path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, refused):
		return nil, errNoPipe
	case errors.Is(err, syscall.EAGAIN): // its queue of clients is full
		return nil, errPipeBusy
	case err != nil:
		return nil, err
	}
	return newPipeConn(c, a, o, func() {})
}

func newPipeConn(c net.Conn, a Address, o Options, closed func()) (*pipeConn, error) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(errors.ErrUnsupported, c.Close())
	}
	return &pipeConn{UnixConn: u, addr: pipeAddr{a}, packets: o.PipeMessages, closed: closed}, nil
}

// A pipeListener serves a pipe, with at most so many connections at a time.
type pipeListener struct {
	addr   Address
	opt    Options
	places chan struct{} // one for each connection; nil: no bound
	done   chan struct{}
	once   sync.Once

	mu     sync.Mutex
	socket net.Listener // nil: somebody else's pipe stands there
	file   fs.FileInfo  // of our socket
	lock   *os.File     // held as long as the pipe is ours
}

func listenPipe(ctx context.Context, a Address, o Options) (*pipeListener, error) {
	l := &pipeListener{addr: a, opt: o, done: make(chan struct{})}
	if n := o.instances(); n > 0 {
		l.places = make(chan struct{}, n)
	}
	if o.PipeMeet {
		_, _, err := pipeSocket("listen", a, o)
		return l, err
	}
	other, err := l.take(ctx)
	if other != nil {
		_ = other.Close() // it has shown that somebody answers
		err = errPipeBusy
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

// take makes the socket, and holds its lock. other is a connection to somebody who
// answers there already without holding the lock; errPipeBusy is somebody who does.
func (l *pipeListener) take(ctx context.Context) (other net.Conn, err error) {
	network, path, err := pipeSocket("listen", l.addr, l.opt)
	if err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o666) //nolint:gosec // who may serve the pipe, the folder says
	if err != nil {
		return nil, err
	}
	if got, retry := tryLock(lock); !got && retry {
		return nil, errors.Join(errPipeBusy, lock.Close())
	}
	socket, other, err := l.bind(ctx, network, path)
	if socket == nil {
		_ = lock.Close()
		return other, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.done:
		return nil, errors.Join(net.ErrClosed, os.Remove(path), socket.Close(), lock.Close())
	default:
	}
	l.socket, l.lock = socket, lock
	l.file, _ = os.Lstat(path)
	return nil, nil
}

// bind makes the socket, also in the place of one on which nobody answers.
func (l *pipeListener) bind(ctx context.Context, network, path string) (socket net.Listener, other net.Conn, err error) {
	socket, err = listenConfig(l.opt, false).Listen(ctx, network, path)
	if errors.Is(err, syscall.EADDRINUSE) {
		file, failed := os.Lstat(path)
		if failed == nil && file.Mode()&fs.ModeSocket == 0 {
			return nil, nil, fmt.Errorf("a file that is no socket stands there: %w", syscall.EADDRINUSE)
		}
		other, err = dialer(l.opt, false).DialContext(ctx, network, path)
		switch {
		case err == nil:
			return nil, other, nil
		case errors.Is(err, refused) && failed == nil && same(path, file):
			_ = os.Remove(path)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, nil, err
		}
		socket, err = listenConfig(l.opt, false).Listen(ctx, network, path)
	}
	if err != nil {
		return nil, nil, err
	}
	if u, ok := socket.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	if err := backlog(socket, l.opt); err != nil {
		return nil, nil, errors.Join(err, os.Remove(path), socket.Close())
	}
	return socket, nil, nil
}

// accept waits for a client; at the bound of instances it waits first for a connection
// to be closed, while who dials waits in the kernel's queue. Under PipeMeet it opens a
// pipe that somebody else has made.
func (l *pipeListener) accept(ctx context.Context) (*pipeConn, error) {
	if l.places != nil {
		select {
		case l.places <- struct{}{}:
		case <-l.done:
			return nil, net.ErrClosed
		}
	}
	c, err := l.next(ctx)
	if err != nil {
		l.leave()
		return nil, err
	}
	c.closed = l.leave
	return c, nil
}

func (l *pipeListener) leave() {
	if l.places != nil {
		<-l.places
	}
}

// next is the connection of the next client, or of the pipe that somebody else has.
func (l *pipeListener) next(ctx context.Context) (*pipeConn, error) {
	var tick *time.Ticker
	for {
		l.mu.Lock()
		socket := l.socket
		l.mu.Unlock()
		if socket != nil {
			return l.client(socket)
		}
		other, err := l.take(ctx)
		if other != nil {
			return newPipeConn(other, l.addr, l.opt, nil)
		}
		if err == nil {
			continue
		}
		if errors.Is(err, errPipeBusy) {
			var c *pipeConn
			if c, err = openPipe(ctx, l.addr, l.opt); err == nil {
				return c, nil
			}
		}
		if !errors.Is(err, errPipeBusy) && !errors.Is(err, errNoPipe) {
			return nil, err
		}
		if tick == nil {
			tick = time.NewTicker(pipePoll)
			defer tick.Stop()
		}
		select {
		case <-tick.C:
		case <-l.done:
			return nil, net.ErrClosed
		}
	}
}

func (l *pipeListener) client(socket net.Listener) (*pipeConn, error) {
	accepted, err := socket.Accept()
	if err != nil {
		if op, ok := errors.AsType[*net.OpError](err); ok {
			err = op.Err
		}
		return nil, err
	}
	c, err := newPipeConn(accepted, l.addr, l.opt, nil)
	if err == nil {
		c.made = true
	}
	return c, err
}

// Close ends Accept, and removes the socket unless another has taken its place.
// Connections live on.
func (l *pipeListener) Close() error {
	err := l.failed(net.ErrClosed)
	l.once.Do(func() {
		var lock *os.File
		if lock, err = l.shut(); lock != nil {
			_ = lock.Close()
		}
	})
	return err
}

// shut closes the socket, and gives the lock, if it has it.
func (l *pipeListener) shut() (lock *os.File, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.done)
	if l.socket == nil {
		return nil, nil
	}
	if path := filepath.Join(l.opt.PipeFolder, l.addr.path); l.file != nil && same(path, l.file) {
		_ = os.Remove(path) // gone already, or in a directory that is not ours any more
	}
	return l.lock, l.socket.Close()
}

// release closes the listener behind its only connection. A pipe that was made stays
// ours until that is closed.
func (l *pipeListener) release(c *pipeConn) {
	l.once.Do(func() {
		lock, _ := l.shut()
		if lock == nil {
			return
		}
		leave := c.closed
		c.closed = func() {
			leave()
			_ = lock.Close()
		}
	})
}
