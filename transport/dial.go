package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// Dial connects to a. For a tls address the handshake is done when Dial
// returns, with a copy of config in which the minimum version is TLS 1.3, and
// the server's name that of the address unless config has one; nil is the
// system's roots. For the other addresses config is not used.
//
// ctx bounds the call, name look-up and handshake included, and not the
// connection. A named pipe that is busy is waited for. The error is a *net.OpError, an *OptionError, or that of the
// handshake; it is ctx's where ctx ended first.
func Dial(ctx context.Context, a Address, config *tls.Config, o Options) (net.Conn, error) {
	if err := ready(ctx, o); err != nil {
		return nil, err
	}
	var c net.Conn
	var err error
	switch a.scheme {
	case TCP:
		c, err = dialTCP(ctx, a, o)
	case TLS:
		c, err = dialTLS(ctx, a, config, o)
	case Unix:
		c, err = dialUnix(ctx, a, o)
	case NPipe:
		c, err = dialPipe(ctx, a, o)
	default:
		err = unsupported("dial", a)
	}
	if err != nil {
		return nil, ended(ctx, err)
	}
	return c, nil
}

// ended adds the error of ctx to one that came of its end: package net says
// os.ErrDeadlineExceeded where the socket's copy of the deadline is the first
// to pass, which may be before ctx itself knows.
func ended(ctx context.Context, err error) error {
	deadline, ok := ctx.Deadline()
	switch {
	case ctx.Err() != nil && !errors.Is(err, ctx.Err()):
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	case ctx.Err() == nil && ok && errors.Is(err, os.ErrDeadlineExceeded) && !time.Now().Before(deadline):
		return fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
	default:
		return err
	}
}

// An at is an address as package net wants it in its errors.
type at struct{ Address }

// Network is the scheme.
func (a at) Network() string { return string(a.scheme) }

// failed is an error of ours in the form of package net's. The address names the network.
func failed(op string, a Address, err error) error {
	return &net.OpError{Op: op, Addr: at{a}, Err: err}
}

// errNoTransport is an address that this system has no transport for.
var errNoTransport = fmt.Errorf("no such transport on this system: %w", errors.ErrUnsupported)

func unsupported(op string, a Address) error {
	if a == (Address{}) {
		return fmt.Errorf("%s: no address: %w", op, errors.ErrUnsupported)
	}
	return failed(op, a, errNoTransport)
}

func dialer(o Options, isTCP bool) *net.Dialer {
	d := &net.Dialer{
		KeepAlive: -1, // Tune's business
		ControlContext: func(_ context.Context, _, _ string, raw syscall.RawConn) error {
			return rawControl(raw, func(fd uintptr) error { return early(fd, o, isTCP) })
		},
	}
	d.SetMultipathTCP(false) // its sockets do not have all of TCP's options
	return d
}

func dialTCP(ctx context.Context, a Address, o Options) (net.Conn, error) {
	if a.port == 0 {
		return nil, failed("dial", a, errors.New("port 0 is for listening"))
	}
	c, err := dialer(o, true).DialContext(ctx, "tcp", a.hostPort())
	if err != nil {
		return nil, err
	}
	if t, ok := c.(tcpSocket); ok {
		if err := late(t, o); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	return c, nil
}

func dialTLS(ctx context.Context, a Address, config *tls.Config, o Options) (net.Conn, error) {
	config, err := modern(config)
	if err != nil {
		return nil, err
	}
	if config.ServerName == "" {
		config.ServerName, _, _ = strings.Cut(a.host, "%") // without the zone, which no certificate names
	}
	plain, err := dialTCP(ctx, a, o)
	if err != nil {
		return nil, err
	}
	c := tls.Client(plain, config)
	if err := c.HandshakeContext(ctx); err != nil {
		_ = plain.Close() // nothing to say goodbye to
		return nil, fmt.Errorf("tls handshake with %s: %w", a.hostPort(), err)
	}
	return c, nil
}

func dialUnix(ctx context.Context, a Address, o Options) (net.Conn, error) {
	path := a.Path()
	if err := checkPath(path); err != nil {
		return nil, failed("dial", a, err)
	}
	return dialer(o, false).DialContext(ctx, "unix", path)
}

// modern gives a copy of config that speaks nothing older than TLS 1.3.
func modern(config *tls.Config) (*tls.Config, error) {
	if config == nil {
		return &tls.Config{MinVersion: tls.VersionTLS13}, nil
	}
	if config.MaxVersion != 0 && config.MaxVersion < tls.VersionTLS13 {
		return nil, fmt.Errorf("tls: MaxVersion %s: want TLS 1.3 or newer", tls.VersionName(config.MaxVersion))
	}
	config = config.Clone()
	config.MinVersion = max(config.MinVersion, tls.VersionTLS13)
	return config, nil
}

// ready is whether there is a point in beginning: a context that is done wins.
func ready(ctx context.Context, o Options) error {
	if err := o.Validate(); err != nil {
		return err
	}
	return ctx.Err()
}
