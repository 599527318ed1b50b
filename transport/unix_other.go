//go:build unix && !linux

package transport

import "context"

// bindWithMode makes the socket where nobody sees it: these systems do not all
// hand on the permissions of a descriptor.
func bindWithMode(ctx context.Context, path string, o Options) (*unixListener, error) {
	return bindAside(ctx, path, o)
}
