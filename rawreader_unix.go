//go:build unix

package serpy

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/serpy-go/serpy/transport"
)

// A rawReader reads from a socket, and holds memory only while there is something to
// read: ten thousand links that wait share what the busy ones need. What it calls is
// made once, so that a read takes no memory. One goroutine at a time.
type rawReader struct {
	conn net.Conn
	raw  syscall.RawConn
	try  func(fd uintptr) bool
	in   *readBuffer
	took int
	err  error
	rest bool     // leave when nothing is there, rather than wait
	spin *spinner // of who waits now; nil: sleep at once

	place restPlace // guarded by resting.mu
}

// newRawReader gives nil where conn is not exactly a socket of TCP or unix.
func newRawReader(conn net.Conn) *rawReader {
	raw, ok := transport.Plain(conn)
	if !ok {
		return nil
	}
	r := &rawReader{conn: conn, raw: raw}
	r.try = r.tryRead
	return r
}

// look reads what is there.
func look(fd uintptr, buf []byte) (n int, err error) {
	for {
		if n, err = syscall.Read(int(fd), buf); !isErrno(err, syscall.EINTR) {
			return n, err
		}
	}
}

// isErrno is errors.Is for what a system call gives as it is. It needs no more stack than
// a reader that only waits has.
func isErrno(err error, is syscall.Errno) bool {
	return err == is //nolint:errorlint // nobody wraps it
}

// spinning looks again and again for a while.
func (r *rawReader) spinning(fd uintptr, buf []byte) (n int, err error) {
	for begin := time.Now(); ; {
		n, err = look(fd, buf)
		empty := isErrno(err, syscall.EAGAIN)
		if !empty || time.Since(begin) > spinFor {
			r.spin.ended(!empty)
			return n, err
		}
	}
}

// tryRead reads what is there; false: nothing is, and it is called again when there is.
func (r *rawReader) tryRead(fd uintptr) bool {
	buf := r.in.space()
	n, err := look(fd, buf)
	if r.spin != nil && isErrno(err, syscall.EAGAIN) && r.spin.wanted() {
		n, err = r.spinning(fd, buf)
	}
	if isErrno(err, syscall.EAGAIN) {
		r.in.rest()
		if r.rest {
			r.err = errAtRest
		}
		return r.rest
	}
	if err != nil {
		r.err = &net.OpError{
			Op: "read", Net: r.conn.RemoteAddr().Network(), Source: r.conn.LocalAddr(), Addr: r.conn.RemoteAddr(),
			Err: os.NewSyscallError("read", err),
		}
	}
	r.took = max(n, 0)
	return true
}

// read waits for something to read, and reads it into in's space. spin, if there is
// one, says whether to look for a while first.
func (r *rawReader) read(in *readBuffer, spin *spinner) (n int, err error) {
	r.in, r.spin, r.took, r.err = in, spin, 0, nil
	if err = r.raw.Read(r.try); err == nil {
		err = r.err
	} else if op, ok := errors.AsType[*net.OpError](err); ok {
		op.Op = "read" // nobody else has it yet
	}
	if r.took == 0 && err == nil {
		err = io.EOF
	}
	return r.took, err
}
