package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"syscall"
)

// Listen listens on a; port 0 chooses a free one, which [ListenerAddress]
// tells. ctx bounds the call and not the listener. The listener's Accept does
// no handshake and sets no options but the sizes of the buffers and
// keepalive: call [Tune] with each connection, and for a tls address
// HandshakeContext of its *tls.Conn, where a slow peer holds up nobody else.
//
// For a tls address config needs a certificate; the listener uses a copy in
// which the minimum version is TLS 1.3, also in what its GetConfigForClient
// gives. For the other addresses config is not used.
//
// For a unix address a socket file on which nobody answers is removed first.
// A socket on which somebody does, or a file that is no socket, is an error
// that is syscall.EADDRINUSE, and stays. Closing the listener removes its own
// file, and no other that has taken its place.
//
// A named pipe that somebody serves is an error that is syscall.EADDRINUSE, too.
func Listen(ctx context.Context, a Address, config *tls.Config, o Options) (net.Listener, error) {
	if err := ready(ctx, o); err != nil {
		return nil, err
	}
	switch a.scheme {
	case TCP:
		return listenTCP(ctx, a, o)
	case TLS:
		return listenTLS(ctx, a, config, o)
	case Unix:
		return listenUnix(ctx, a, o)
	case NPipe:
		l, err := listenPipe(ctx, a, o)
		if err != nil {
			return nil, pipeError("listen", a, err)
		}
		return l, nil
	default:
		return nil, unsupported("listen", a)
	}
}

// ListenerAddress is the address of a listener in the form that Dial takes,
// for those that Listen gave and for *net.TCPListener and *net.UnixListener;
// false for any other, of which only its maker knows what it speaks.
func ListenerAddress(l net.Listener) (Address, bool) {
	scheme := TCP
	switch l := l.(type) {
	case *net.TCPListener:
	case *tlsListener:
		scheme = TLS
	case *pipeListener:
		p, ok := l.Addr().(at)
		return p.Address, ok
	case *net.UnixListener, *unixListener:
		a, err := parseUnix(slashPath(l.Addr().String()))
		return a, err == nil
	default:
		return Address{}, false
	}
	at, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return Address{}, false
	}
	host := ""
	if len(at.IP) > 0 {
		host = at.IP.String()
	}
	if at.Zone != "" {
		host += "%" + at.Zone
	}
	return Address{scheme: scheme, host: host, port: at.AddrPort().Port()}, true
}

func listenConfig(o Options, isTCP bool) *net.ListenConfig {
	lc := &net.ListenConfig{
		KeepAliveConfig: keepAliveConfig(o),
		Control: func(_, _ string, raw syscall.RawConn) error {
			return rawControl(raw, func(fd uintptr) error { return early(fd, o, isTCP) })
		},
	}
	if o.KeepAlive < 0 {
		lc.KeepAlive = -1
	}
	lc.SetMultipathTCP(false) // its sockets do not have all of TCP's options
	return lc
}

func listenTCP(ctx context.Context, a Address, o Options) (net.Listener, error) {
	l, err := listenConfig(o, true).Listen(ctx, "tcp", a.hostPort())
	if err != nil {
		return nil, err
	}
	if err := backlog(l, o); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// backlog repeats listen(2) with a length of the caller's, since package net
// always asks for the longest queue.
func backlog(l net.Listener, o Options) error {
	s, ok := l.(syscall.Conn)
	if o.Backlog == 0 || !ok {
		return nil
	}
	return control(s, func(fd uintptr) error { return set(fd, "Backlog", o.Backlog, setBacklog) })
}

// tlsListener wraps what it accepts in TLS, without a handshake.
type tlsListener struct {
	net.Listener
	config *tls.Config
}

// Accept gives a *tls.Conn that has not shaken hands yet.
func (l *tlsListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return tls.Server(c, l.config), nil
}

func listenTLS(ctx context.Context, a Address, config *tls.Config, o Options) (net.Listener, error) {
	if config == nil || len(config.Certificates) == 0 && config.GetCertificate == nil && config.GetConfigForClient == nil {
		return nil, failed("listen", a, errors.New("tls needs a configuration with a certificate"))
	}
	config, err := modern(config)
	if err != nil {
		return nil, err
	}
	if choose := config.GetConfigForClient; choose != nil {
		config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			chosen, err := choose(hello)
			if err != nil || chosen == nil {
				return nil, err
			}
			return modern(chosen)
		}
	}
	l, err := listenTCP(ctx, a, o)
	if err != nil {
		return nil, err
	}
	return &tlsListener{l, config}, nil
}
