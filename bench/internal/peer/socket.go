package peer

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"path/filepath"
	"syscall"
)

// listen listens for a Spec, with its congestion control, which the accepted
// connections inherit. The address is for dial.
func listen(ctx context.Context, s Spec) (net.Listener, string, error) {
	network, address := "tcp", "127.0.0.1:0"
	if s.Net == Unix {
		network, address = "unix", filepath.Join(s.Dir, "s")
	}
	lc := net.ListenConfig{Control: control(s)}
	l, err := lc.Listen(ctx, network, address)
	if err != nil {
		return nil, "", err
	}
	address = l.Addr().String()
	if s.Net == TLS {
		config, err := serverTLS()
		if err != nil {
			return nil, "", err
		}
		l = tls.NewListener(l, config)
	}
	return l, address, nil
}

// dial connects to what listen listens on.
func dial(ctx context.Context, s Spec, address string) (net.Conn, error) {
	d := dialer(s)
	switch s.Net {
	case Unix:
		return d.DialContext(ctx, "unix", address)
	case TLS:
		return (&tls.Dialer{NetDialer: d, Config: clientTLS()}).DialContext(ctx, "tcp", address)
	}
	return d.DialContext(ctx, "tcp", address)
}

// dialer is what the peers dial with that take one.
func dialer(s Spec) *net.Dialer { return &net.Dialer{Control: control(s)} }

// control sets a socket's congestion control before it listens or connects.
func control(s Spec) func(network, address string, c syscall.RawConn) error {
	if s.Congestion == "" || s.Net == Unix {
		return nil
	}
	return func(_, _ string, c syscall.RawConn) error {
		var err error
		if e := c.Control(func(fd uintptr) { err = setCongestion(fd, s.Congestion) }); e != nil {
			return e
		}
		if err != nil {
			return fmt.Errorf("congestion control %s: %w", s.Congestion, err)
		}
		return nil
	}
}
