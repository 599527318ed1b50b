package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/serpy-go/serpy/serpytest"
)

// cable is the bad cable: a proxy between who dials its url and a target, that
// resets whatever links there are about every so often, amid the bytes that pass.
// It knows nothing of frames or of TLS.
type cable struct {
	*serpytest.Proxy
	url     string
	cancel  context.CancelFunc
	cutting sync.WaitGroup
}

// newCable listens at one URL, passes on to another, and cuts until closed. The
// cuts go by a clock of their own, so that a link is also cut while it opens.
func newCable(ctx context.Context, address, target string, every time.Duration) (*cable, error) {
	network, where := split(address)
	var config net.ListenConfig
	listener, err := config.Listen(ctx, network, where)
	if err != nil {
		return nil, fmt.Errorf("-addr %s: %w", address, err)
	}
	network, where = split(target)
	proxy, err := serpytest.NewProxy(network, where, &serpytest.ProxyOptions{Listener: listener}) //nolint:contextcheck // It lives until Close.
	if err != nil {
		return nil, fmt.Errorf("-cut: %w", err)
	}
	scheme, _, _ := strings.Cut(target, "://")
	b := &cable{Proxy: proxy, url: scheme + "://" + proxy.Addr()}
	ctx, b.cancel = context.WithCancel(context.WithoutCancel(ctx))
	b.cutting.Go(func() {
		for ctx.Err() == nil {
			within(ctx, every/2+rand.N(every), nil) //nolint:gosec // Nobody has to be kept from guessing it.
			proxy.Cut()
		}
	})
	return b, nil
}

// close cuts the last links, and waits until nothing is left of it.
func (b *cable) close() error {
	b.cancel()
	b.cutting.Wait()
	return b.Close()
}
