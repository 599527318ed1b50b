//go:build unix

package serpy

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"

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

// tryRead reads what is there; false: nothing is, and it is called again when there is.
func (r *rawReader) tryRead(fd uintptr) bool {
	buf := r.in.space()
	for {
		n, err := syscall.Read(int(fd), buf)
		switch err {
		case nil:
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			r.in.rest()
			return false
		default:
			r.err = &net.OpError{
				Op: "read", Net: r.conn.RemoteAddr().Network(), Source: r.conn.LocalAddr(), Addr: r.conn.RemoteAddr(),
				Err: os.NewSyscallError("read", err),
			}
		}
		r.took = max(n, 0)
		return true
	}
}

// read waits for something to read, and reads it into in's space.
func (r *rawReader) read(in *readBuffer) (n int, err error) {
	r.in, r.took, r.err = in, 0, nil
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
