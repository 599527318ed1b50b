package transport

import (
	"crypto/tls"
	"errors"
	"net"
	"syscall"
)

// depth bounds how many wrappers Tune looks through: a NetConn method may be
// anybody's, and give back its own receiver.
const depth = 16

// Tune sets the socket options of a connection that Listen's listener
// accepted, or that the caller brought. It looks through *tls.Conn, and
// through any wrapper that has a method NetConn() net.Conn. A connection that
// has no socket (net.Pipe) is left as it is. The error is an *OptionError.
//
// It may be called from any goroutine, and does not touch the stream.
func Tune(c net.Conn, o Options) error {
	if err := o.Validate(); err != nil {
		return err
	}
	s, ok := inner(c).(socket)
	if !ok {
		return nil
	}
	t, isTCP := s.(tcpSocket)
	err := control(s, func(fd uintptr) error { return early(fd, o, isTCP) })
	if err != nil || !isTCP {
		return err
	}
	return late(t, o)
}

// SetNotSentLowat sets TCP_NOTSENT_LOWAT of a live TCP connection, under TLS
// or not, as [Options].NotSentLowat, at any time; 0 gives it back to the
// system. It is errors.ErrUnsupported where the connection or the system does
// not have it, which a caller for whom it is only a matter of speed ignores.
func SetNotSentLowat(c net.Conn, bytes int) error {
	if err := (Options{NotSentLowat: bytes}).Validate(); err != nil {
		return err
	}
	t, ok := inner(c).(tcpSocket)
	if !ok {
		return &OptionError{"NotSentLowat", bytes, errors.ErrUnsupported}
	}
	return control(t, func(fd uintptr) error { return set(fd, "NotSentLowat", bytes, setNotSentLowat) })
}

// Plain gives the socket of c for non-blocking writes and waits of the
// caller's own, and whether that is safe: for exactly *net.TCPConn and
// *net.UnixConn, never for TLS or any other wrapper, whose own buffers the
// readiness of the socket says nothing of.
func Plain(c net.Conn) (syscall.RawConn, bool) {
	var s syscall.Conn
	switch c := c.(type) {
	case *net.TCPConn:
		s = c
	case *net.UnixConn:
		s = c
	default:
		return nil, false
	}
	raw, err := s.SyscallConn()
	return raw, err == nil
}

// socket is what *net.TCPConn and *net.UnixConn have, and what embeds them.
type socket interface {
	net.Conn
	syscall.Conn
	SetReadBuffer(bytes int) error
	SetWriteBuffer(bytes int) error
}

// tcpSocket is what *net.TCPConn has, and what embeds it.
type tcpSocket interface {
	socket
	SetNoDelay(noDelay bool) error
	SetKeepAliveConfig(config net.KeepAliveConfig) error
}

// inner is the connection below all wrappers.
func inner(c net.Conn) net.Conn {
	for range depth {
		w, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		c = w.NetConn()
	}
	return c
}

// control runs set on the socket's descriptor.
func control(s syscall.Conn, set func(fd uintptr) error) error {
	raw, err := s.SyscallConn()
	if err != nil {
		return err
	}
	return rawControl(raw, set)
}

func rawControl(raw syscall.RawConn, set func(fd uintptr) error) error {
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = set(fd) }); err != nil {
		return err
	}
	return failed
}

// early sets what takes effect best, or at all, before the connection is
// made: the size of the read buffer decides the window scale of TCP.
func early(fd uintptr, o Options, isTCP bool) error {
	if o.ReadBuffer != 0 {
		if err := set(fd, "ReadBuffer", o.ReadBuffer, setReadBuffer); err != nil {
			return err
		}
	}
	if o.WriteBuffer != 0 {
		if err := set(fd, "WriteBuffer", o.WriteBuffer, setWriteBuffer); err != nil {
			return err
		}
	}
	if isTCP && o.NotSentLowat != 0 {
		if err := set(fd, "NotSentLowat", o.NotSentLowat, setNotSentLowat); err != nil {
			return err
		}
	}
	if isTCP && o.Congestion != "" {
		return set(fd, "Congestion", o.Congestion, setCongestion)
	}
	return nil
}

// set sets one option, and says which one failed.
func set[T any](fd uintptr, field string, value T, option func(fd uintptr, value T) error) error {
	if err := option(fd, value); err != nil {
		return &OptionError{field, value, err}
	}
	return nil
}

// late sets what package net sets itself when it makes a TCP connection.
func late(c tcpSocket, o Options) error {
	if err := c.SetNoDelay(!o.Nagle); err != nil {
		return &OptionError{"Nagle", o.Nagle, err}
	}
	if err := c.SetKeepAliveConfig(keepAliveConfig(o)); err != nil {
		return &OptionError{"KeepAlive", o.KeepAlive, err}
	}
	return nil
}

func keepAliveConfig(o Options) net.KeepAliveConfig {
	d := o.KeepAlive
	if d == 0 {
		d = keepAlive
	}
	return net.KeepAliveConfig{Enable: d > 0, Idle: d, Interval: d}
}

// A *tls.Conn is looked through by its NetConn.
var _ interface{ NetConn() net.Conn } = (*tls.Conn)(nil)
