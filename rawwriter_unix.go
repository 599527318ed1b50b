//go:build unix

package serpy

import (
	"errors"
	"net"
	"syscall"

	"github.com/serpy-go/serpy/transport"
)

// A rawWriter writes to a socket without ever waiting for it. What it calls is made
// once, so that a write takes no memory. One goroutine at a time.
type rawWriter struct {
	raw  syscall.RawConn
	try  func(fd uintptr) bool
	buf  []byte
	took int
	err  error
}

// newRawWriter gives nil where conn is not exactly a socket of TCP or unix.
func newRawWriter(conn net.Conn) *rawWriter {
	raw, ok := transport.Plain(conn)
	if !ok {
		return nil
	}
	w := &rawWriter{raw: raw}
	w.try = func(fd uintptr) bool {
		for {
			n, err := syscall.Write(int(fd), w.buf)
			if !errors.Is(err, syscall.EINTR) {
				w.took, w.err = max(n, 0), err
				return true // never wait for the socket
			}
		}
	}
	return w
}

// write writes what the socket takes at once: less than all of b, without an error,
// if it is full.
func (w *rawWriter) write(b []byte) (n int, err error) {
	w.buf, w.took, w.err = b, 0, nil
	err = w.raw.Write(w.try)
	w.buf = nil
	if err == nil && !errors.Is(w.err, syscall.EAGAIN) {
		err = w.err
	}
	return w.took, err
}
