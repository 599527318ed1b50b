package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
)

// checkPath says clearly what the kernel would call an invalid argument.
func checkPath(path string) error {
	if len(path) > maxPath {
		return fmt.Errorf("the path has %d bytes, and a unix socket's at most %d here", len(path), maxPath)
	}
	return nil
}

func listenUnix(ctx context.Context, a Address, o Options) (net.Listener, error) {
	path := a.Path()
	if err := checkPath(path); err != nil {
		return nil, fmt.Errorf("listen %v: %w", a, err)
	}
	l, err := listenConfig(o, false).Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := backlog(l, o); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}
