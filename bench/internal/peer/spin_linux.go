package peer

import (
	"errors"
	"io"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

const canSpin = true

// Bounds of the spinning reader.
const (
	spinFor    = 20 * time.Microsecond
	spinMisses = 3    // in a row, before it pauses
	pauseMin   = 64   // reads without spinning
	pauseMax   = 8192 // twice as many after each pause that did not help
)

// spinReader reads a socket without sleep for a while before it waits for it.
type spinReader struct {
	conn   net.Conn
	read   func(f func(fd uintptr) bool) error
	into   []byte
	n      int
	err    error
	misses int
	pause  int // reads that are left without spinning
	length int // of the next pause
	try    func(fd uintptr) bool
}

func spinning(c net.Conn) io.Reader {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return c
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return c
	}
	s := &spinReader{conn: c, read: raw.Read, length: pauseMin}
	s.try = s.attempt
	return s
}

func (s *spinReader) Read(p []byte) (int, error) {
	s.into = p
	if err := s.read(s.try); err != nil {
		return 0, err
	}
	if s.err == nil && s.n == 0 {
		return 0, io.EOF
	}
	return s.n, s.err
}

// attempt reads once, or, while spinning pays, again and again for spinFor. False
// sends the caller to sleep until the socket is readable.
func (s *spinReader) attempt(fd uintptr) bool {
	if s.once(fd) {
		return true
	}
	if s.pause > 0 {
		s.pause--
		return false
	}
	for start := time.Now(); time.Since(start) < spinFor; {
		if s.once(fd) {
			s.misses, s.length = 0, pauseMin
			return true
		}
	}
	if s.misses++; s.misses >= spinMisses {
		s.misses, s.pause = 0, s.length
		s.length = min(2*s.length, pauseMax)
	}
	return false
}

func (s *spinReader) once(fd uintptr) bool {
	s.n, s.err = unix.Read(int(fd), s.into)
	return !errors.Is(s.err, unix.EAGAIN) && !errors.Is(s.err, unix.EINTR)
}
