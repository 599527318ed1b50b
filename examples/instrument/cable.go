package main

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/serpy-go/serpy/serpytest"
)

// newProxy puts the bad cable between who dials the URL `dial` that it gives, and a
// target: each link is reset when it is about `every` old, amid a frame. It carries
// bytes and knows nothing of frames or of TLS.
func newProxy(ctx context.Context, address, target string, every time.Duration) (p *serpytest.Proxy, dial string, err error) {
	network, where := split(address)
	var config net.ListenConfig
	listener, err := config.Listen(ctx, network, where)
	if err != nil {
		return nil, "", fmt.Errorf("-addr %s: %w", address, err)
	}
	network, where = split(target)
	p, err = serpytest.NewProxy(network, where, &serpytest.ProxyOptions{Listener: listener, CutEvery: every}) //nolint:contextcheck // It lives until Close.
	if err != nil {
		return nil, "", fmt.Errorf("-cut: %w", err)
	}
	scheme, _, _ := strings.Cut(target, "://")
	return p, scheme + "://" + p.Addr(), nil
}
