package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// pipeName is the name of a pipe as the system has it.
func pipeName(a Address) (*uint16, error) {
	return windows.UTF16PtrFromString(`\\` + a.host + `\pipe\` + a.path)
}

// pipeConn is one end of a pipe. Its handle is one of overlapped I/O, which os.File
// has deadlines for. It reads bytes, also from a pipe of messages: then no message is
// too long for a buffer, and none is lost by halves.
type pipeConn struct {
	f      *os.File
	addr   at
	made   bool // the pipe is ours
	once   sync.Once
	closed func()
}

func newPipeConn(h windows.Handle, a Address, made bool, closed func()) *pipeConn {
	return &pipeConn{f: os.NewFile(uintptr(h), a.String()), addr: at{a}, made: made, closed: closed}
}

func (c *pipeConn) Read(b []byte) (int, error) {
	n, err := c.f.Read(b)
	return n, c.named("read", err)
}

func (c *pipeConn) Write(b []byte) (int, error) {
	n, err := c.f.Write(b)
	return n, c.named("write", err)
}

// named gives errors the form and the identity that those of package net have.
func (c *pipeConn) named(op string, err error) error {
	if path, ok := errors.AsType[*os.PathError](err); ok {
		err = path.Err
		if errors.Is(err, os.ErrClosed) {
			err = net.ErrClosed
		}
		return &net.OpError{Op: op, Net: string(NPipe), Addr: c.addr, Err: err}
	}
	return err // io.EOF is itself
}

// Close closes the end. What was written can still be read at the other.
func (c *pipeConn) Close() error {
	err := net.ErrClosed
	c.once.Do(func() {
		err = c.f.Close()
		c.closed()
	})
	return err
}

func (c *pipeConn) LocalAddr() net.Addr                { return c.addr }
func (c *pipeConn) RemoteAddr() net.Addr               { return c.addr }
func (c *pipeConn) SetDeadline(t time.Time) error      { return c.f.SetDeadline(t) }
func (c *pipeConn) SetReadDeadline(t time.Time) error  { return c.f.SetReadDeadline(t) }
func (c *pipeConn) SetWriteDeadline(t time.Time) error { return c.f.SetWriteDeadline(t) }

// openPipe opens a pipe, once. Its server learns that it has a client and not who.
func openPipe(ctx context.Context, a Address, _ Options) (*pipeConn, error) {
	name, err := pipeName(a)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	const flags = windows.FILE_FLAG_OVERLAPPED | windows.SECURITY_SQOS_PRESENT | windows.SECURITY_ANONYMOUS
	// Not GENERIC_WRITE, in which the right to make instances of the pipe is included: a
	// server need not give its clients that.
	const access = windows.GENERIC_READ | windows.FILE_WRITE_DATA
	h, err := windows.CreateFile(name, access, 0, nil, windows.OPEN_EXISTING, flags, 0)
	switch {
	case errors.Is(err, windows.ERROR_PIPE_BUSY):
		return nil, errPipeBusy
	case errors.Is(err, windows.ERROR_FILE_NOT_FOUND):
		return nil, errNoPipe
	case err != nil:
		return nil, err
	}
	return newPipeConn(h, a, false, func() {}), nil
}

// A pipeListener keeps an instance of the pipe at hand for the next client, unless the
// bound of instances is reached.
type pipeListener struct {
	addr      Address
	opt       Options
	security  *windows.SecurityAttributes // nil: the system's default
	closed    windows.Handle              // an event, set when the listener is closed
	accepting chan struct{}               // capacity 1: held by Accept
	freed     chan struct{}               // capacity 1: a connection was closed
	open      atomic.Int32                // connections
	done      chan struct{}
	once      sync.Once

	// Held by whoever holds accepting.
	next    windows.Handle // an instance without a client; 0: none
	waiting windows.Overlapped
}

func listenPipe(ctx context.Context, a Address, o Options) (*pipeListener, error) {
	if a.host != "." {
		return nil, fmt.Errorf("a pipe is made on this machine, npipe://./pipe/%s: %w", a.path, errors.ErrUnsupported)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l := &pipeListener{addr: a, opt: o, accepting: make(chan struct{}, 1), freed: make(chan struct{}, 1), done: make(chan struct{})}
	if o.PipeSecurity != "" {
		descriptor, err := windows.SecurityDescriptorFromString(o.PipeSecurity)
		if err != nil {
			return nil, &OptionError{"PipeSecurity", o.PipeSecurity, err}
		}
		l.security = &windows.SecurityAttributes{SecurityDescriptor: descriptor}
		l.security.Length = uint32(unsafe.Sizeof(*l.security))
	}
	var err error
	l.next, err = l.instance(windows.FILE_FLAG_FIRST_PIPE_INSTANCE)
	if err != nil && (!o.PipeMeet || !errors.Is(err, errPipeBusy)) {
		return nil, err
	}
	if l.closed, err = windows.CreateEvent(nil, 1, 0, nil); err != nil {
		l.forget()
		return nil, err
	}
	return l, nil
}

// instance makes an instance of the pipe.
func (l *pipeListener) instance(first uint32) (windows.Handle, error) {
	name, err := pipeName(l.addr)
	if err != nil {
		return 0, err
	}
	mode := uint32(windows.PIPE_TYPE_BYTE)
	if l.opt.PipeMessages {
		mode = windows.PIPE_TYPE_MESSAGE
	}
	if !l.opt.PipeRemote {
		mode |= windows.PIPE_REJECT_REMOTE_CLIENTS
	}
	most := uint32(windows.PIPE_UNLIMITED_INSTANCES)
	if n := l.opt.instances(); n > 0 {
		most = uint32(n) //nolint:gosec // at most 254
	}
	h, err := windows.CreateNamedPipe(name, windows.PIPE_ACCESS_DUPLEX|windows.FILE_FLAG_OVERLAPPED|first,
		mode, most, pipeBuffer(l.opt.WriteBuffer), pipeBuffer(l.opt.ReadBuffer), 0, l.security)
	switch {
	case errors.Is(err, windows.ERROR_PIPE_BUSY), first != 0 && errors.Is(err, windows.ERROR_ACCESS_DENIED):
		return 0, errPipeBusy
	case err != nil:
		return 0, err
	}
	return h, nil
}

func pipeBuffer(bytes int) uint32 {
	if bytes == 0 {
		bytes = maxPipeMessage
	}
	return uint32(bytes)
}

// accept waits for a client. At the bound of instances it waits first for one to be
// closed, or, where the pipe is another process's, for that to be gone; under PipeMeet
// it opens the other's.
func (l *pipeListener) accept(ctx context.Context) (*pipeConn, error) {
	select {
	case l.accepting <- struct{}{}:
		defer func() { <-l.accepting }()
	case <-l.done:
		return nil, net.ErrClosed
	}
	select {
	case <-l.done:
		return nil, net.ErrClosed
	default:
	}
	if c, err := l.ready(ctx); c != nil || err != nil {
		return c, err
	}
	h := l.next
	if err := l.connect(h); err != nil {
		return nil, err
	}
	l.next = 0
	if l.opt.instances() != 1 {
		// Who comes now finds the pipe. At the bound it is ready that makes it.
		if next, err := l.instance(0); err == nil {
			l.next = next
		}
	}
	return l.opened(newPipeConn(h, l.addr, true, nil)), nil
}

// opened counts a connection until it is closed.
func (l *pipeListener) opened(c *pipeConn) *pipeConn {
	l.open.Add(1)
	c.closed = func() {
		l.open.Add(-1)
		select {
		case l.freed <- struct{}{}:
		default:
		}
	}
	return c
}

// ready makes the next instance, if there is none, or opens the pipe that another
// process has made.
func (l *pipeListener) ready(ctx context.Context) (*pipeConn, error) {
	var again poll
	defer again.stop()
	for l.next == 0 {
		h, err := l.instance(0)
		if err == nil {
			l.next = h
			break
		}
		if errors.Is(err, errPipeBusy) && l.opt.PipeMeet && l.open.Load() == 0 {
			var c *pipeConn
			if c, err = openPipe(ctx, l.addr, l.opt); err == nil {
				return l.opened(c), nil
			}
		}
		if !errors.Is(err, errPipeBusy) && !errors.Is(err, errNoPipe) {
			return nil, err
		}
		select {
		case <-l.freed:
		case <-again.next():
		case <-l.done:
			return nil, net.ErrClosed
		}
	}
	return nil, nil
}

// connect waits for a client of an instance. The instance is no file of package os
// yet, whose completion port would get what it does not know.
func (l *pipeListener) connect(h windows.Handle) error {
	event, err := windows.CreateEvent(nil, 1, 0, nil)
	if err != nil {
		return err
	}
	defer func() { _ = windows.CloseHandle(event) }()
	l.waiting = windows.Overlapped{HEvent: event} // part of l: the system writes to it
	err = windows.ConnectNamedPipe(h, &l.waiting)
	if !errors.Is(err, windows.ERROR_IO_PENDING) {
		return connected(err)
	}
	which, err := windows.WaitForMultipleObjects([]windows.Handle{event, l.closed}, false, windows.INFINITE)
	if err == nil && which != windows.WAIT_OBJECT_0 {
		err = net.ErrClosed
	}
	if err != nil {
		_ = windows.CancelIoEx(h, &l.waiting) // it may be over meanwhile, and then a client is there
	}
	var n uint32
	over := connected(windows.GetOverlappedResult(h, &l.waiting, &n, true))
	if err == nil || over == nil {
		return over
	}
	return err
}

// connected takes for a client also one that came before, and one that has gone again:
// what it wrote can be read.
func connected(err error) error {
	if errors.Is(err, windows.ERROR_PIPE_CONNECTED) || errors.Is(err, windows.ERROR_NO_DATA) {
		return nil
	}
	return err
}

// Close ends Accept. Connections live on.
func (l *pipeListener) Close() error {
	err := l.failed(net.ErrClosed)
	l.once.Do(func() {
		close(l.done)
		err = windows.SetEvent(l.closed)
		l.accepting <- struct{}{} // for good
		l.forget()
		err = errors.Join(err, windows.CloseHandle(l.closed))
	})
	return err
}

// forget closes the instance that has no client.
func (l *pipeListener) forget() {
	if l.next != 0 {
		_ = windows.CloseHandle(l.next)
		l.next = 0
	}
}
