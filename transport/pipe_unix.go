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
	"sync/atomic"
	"syscall"
)

// Here a socket in Options.PipeFolder stands for a pipe, so that programs for pipes
// run, and are tested, on systems that have none: a stream where pipes carry bytes,
// a socket of packets where they carry messages.

// pipeConn is one end of such a pipe.
type pipeConn struct {
	*net.UnixConn
	addr    at
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
	n = max(n, 0) // it may be what the system said of an error
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
	file, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist): // by now it may be one that has to be claimed
		return nil, errNoPipe
	case err != nil:
		return nil, err
	case file.Mode()&forOne != 0:
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c, err := dialClaimed(context.WithoutCancel(ctx), network, path, o) // it takes no time
		return opened(c, err, a, o)
	}
	c, err := dialer(o, false).DialContext(ctx, network, path)
	return opened(c, err, a, o)
}

// opened judges how the dialling of a socket ended.
func opened(c net.Conn, err error, a Address, o Options) (*pipeConn, error) {
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

var claims atomic.Uint64

// forOne tells a socket that takes one client, which PipeMeet makes, from those that take
// many. The bit means nothing on a socket, and its owner may set it everywhere; the sticky
// bit of what is no folder is for root alone on FreeBSD.
const forOne = fs.ModeSetuid

// dialClaimed claims a socket that takes one client, and connects to it. Where that does
// not come about, for want of a file descriptor say, the socket gets its name back: else
// nobody could come to its maker any more.
func dialClaimed(ctx context.Context, network, path string, o Options) (net.Conn, error) {
	claimed, err := claim(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(claimed) }()
	c, err := dialer(o, false).DialContext(ctx, network, claimed)
	if err != nil && !errors.Is(err, refused) { // where it was refused, nobody waits
		_ = os.Link(claimed, path) // unless a new one stands there: then its maker is there, too
	}
	return c, err
}

// claim gives a socket that takes one client another name: only one can do that. Who
// connected second would be heard by nobody, and not know it.
func claim(path string) (string, error) {
	claimed := besides(path)
	err := checkPath(claimed)
	if err == nil {
		err = os.Rename(path, claimed)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = errNoPipe
	}
	return claimed, err
}

// besides is a name that nobody else uses.
func besides(path string) string { return fmt.Sprintf("%s.%d.%d", path, os.Getpid(), claims.Add(1)) }

var errNoSocket = fmt.Errorf("a file that is no socket stands there: %w", syscall.EADDRINUSE)

func newPipeConn(c net.Conn, a Address, o Options, closed func()) (*pipeConn, error) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(errors.ErrUnsupported, c.Close())
	}
	return &pipeConn{UnixConn: u, addr: at{a}, packets: o.PipeMessages, closed: closed}, nil
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
		err = errors.Join(errPipeBusy, other.Close()) // it has shown that somebody answers
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

// take makes the socket, and holds its lock. other is a connection to somebody who
// answers there already without holding the lock; errPipeBusy is somebody who does.
func (l *pipeListener) take(ctx context.Context) (other *pipeConn, err error) {
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
func (l *pipeListener) bind(ctx context.Context, network, path string) (socket net.Listener, other *pipeConn, err error) {
	socket, err = l.listen(ctx, network, path)
	if errors.Is(err, syscall.EADDRINUSE) {
		file, failed := os.Lstat(path)
		if failed == nil && file.Mode()&fs.ModeSocket == 0 {
			return nil, nil, errNoSocket
		}
		// Another program may not listen yet on what it has made.
		var again poll
		defer again.stop()
		for range 5 {
			other, err = openPipe(ctx, l.addr, l.opt)
			if err == nil || !errors.Is(err, errNoPipe) {
				return nil, other, err
			}
			if failed != nil || !same(path, file) {
				break
			}
			select {
			case <-again.next():
			case <-ctx.Done():
			}
		}
		if failed == nil && same(path, file) {
			_ = os.Remove(path)
		}
		socket, err = l.listen(ctx, network, path)
	}
	return socket, nil, err
}

// listen makes the socket under a name of its own: nobody finds it before somebody
// answers on it. It is syscall.EADDRINUSE that path is taken.
func (l *pipeListener) listen(ctx context.Context, network, path string) (net.Listener, error) {
	aside := besides(path)
	if err := checkPath(aside); err != nil {
		return nil, err
	}
	socket, err := listenConfig(l.opt, false).Listen(ctx, network, aside)
	if err != nil {
		return nil, err
	}
	if u, ok := socket.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	err = backlog(socket, l.opt)
	if err == nil && l.opt.PipeMeet {
		err = mark(aside)
	}
	if err == nil {
		err = os.Link(aside, path)
	}
	_ = os.Remove(aside) // whether it has its other name or not
	if errors.Is(err, fs.ErrExist) {
		err = syscall.EADDRINUSE
	}
	if err != nil {
		return nil, errors.Join(err, socket.Close())
	}
	return socket, nil
}

// mark says that a socket takes one client.
func mark(path string) error {
	file, err := os.Lstat(path)
	if err != nil {
		return err
	}
	return os.Chmod(path, file.Mode().Perm()|forOne)
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
	after := c.closed
	c.closed = func() {
		l.leave()
		after()
	}
	return c, nil
}

func (l *pipeListener) leave() {
	if l.places != nil {
		<-l.places
	}
}

// next is the connection of the next client, or of the pipe that somebody else has.
func (l *pipeListener) next(ctx context.Context) (*pipeConn, error) {
	var again poll
	defer again.stop()
	for {
		l.mu.Lock()
		socket := l.socket
		l.mu.Unlock()
		if socket != nil {
			return l.client(socket)
		}
		other, err := l.take(ctx)
		if other != nil {
			return other, nil
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
		select {
		case <-again.next():
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
	c, err := newPipeConn(accepted, l.addr, l.opt, func() {})
	if err != nil {
		return nil, err
	}
	c.made = true
	if l.opt.PipeMeet { // the socket is for one; the pipe stays ours until that is closed
		l.mu.Lock()
		if l.socket != nil {
			l.remove()
			_ = l.socket.Close()
			lock := l.lock
			c.closed = func() { _ = lock.Close() }
			l.socket, l.lock = nil, nil
		}
		l.mu.Unlock()
	}
	return c, nil
}

// remove removes our socket, unless it has gone or another has taken its place. l.mu
// is held.
func (l *pipeListener) remove() {
	if path := filepath.Join(l.opt.PipeFolder, l.addr.path); l.file != nil && same(path, l.file) {
		_ = os.Remove(path)
	}
}

// Close ends Accept, and removes the socket. Connections live on.
func (l *pipeListener) Close() error {
	err := l.failed(net.ErrClosed)
	l.once.Do(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		close(l.done)
		err = nil
		if l.socket != nil {
			l.remove()
			err = errors.Join(l.socket.Close(), l.lock.Close())
		}
	})
	return err
}
