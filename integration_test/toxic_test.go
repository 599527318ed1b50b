//go:build linux

package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

// A toxic is one of toxiproxy's troubles, as its HTTP interface takes it.
type toxic struct {
	name       string
	kind       string
	attributes string
	rate       int           // messages a second from each side
	again      time.Duration // it comes and goes so often; 0: it stays
}

// The troubles that toxiproxy can make, in both directions at once.
func TestToxiproxy(t *testing.T) {
	for _, x := range []toxic{
		{"latency", "latency", `{"latency":50,"jitter":20}`, 2000, 0},
		{"slicer", "slicer", `{"average_size":100,"size_variation":90,"delay":20}`, 300, 0},
		{"bandwidth", "bandwidth", `{"rate":300}`, 2000, 0},
		{"reset peer", "reset_peer", `{"timeout":100}`, 2000, 400 * time.Millisecond},
		{"black hole", "timeout", `{"timeout":0}`, 2000, 600 * time.Millisecond},
		{"black hole and end", "timeout", `{"timeout":150}`, 2000, 300 * time.Millisecond},
		{"limit", "limit_data", `{"bytes":100000}`, 2000, 0},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			w := newPair(t)
			p := plan{
				Messages: 1 << 30, Size: 100 << 10, Rate: x.rate, Seed: 2,
				Heartbeat: x.heartbeat(), HandshakeTimeout: 500 * time.Millisecond,
			}
			proxy := toxiproxyTo(t, w.listen(p))
			w.dial(p, proxy.Listen)
			w.dialler.wait("got", 0)
			x.apply(t, proxy, durationFrom(t, "SERPY_TOXIC", 4*time.Second))
			w.finish()
			t.Logf("%s: the dialler had %d links", x.name, w.dialler.count("up"))
			w.check(false).nothingAmiss(t)
			if x.cuts() {
				require.Greater(t, w.dialler.count("up"), 3, "the fault cut too little to show anything")
			} else {
				require.Equal(t, 1, w.dialler.count("up"), "a slow link that is healthy was cut")
			}
		})
	}
}

func toxiproxyTo(t *testing.T, upstream string) *toxiproxy.Proxy {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	proxy := toxiproxy.NewProxy(server, t.Name(), "127.0.0.1:0", upstream)
	require.NoError(t, proxy.Start())
	t.Cleanup(proxy.Stop)
	return proxy
}

// cuts says that the trouble ends links.
func (x *toxic) cuts() bool {
	return x.kind == "reset_peer" || x.kind == "timeout" || x.kind == "limit_data"
}

// heartbeat is short where silence is to be noticed, and longer where a busy machine
// must not look like silence.
func (x *toxic) heartbeat() time.Duration {
	if x.cuts() {
		return 100 * time.Millisecond
	}
	return 300 * time.Millisecond
}

// apply lets the trouble be for so long.
func (x *toxic) apply(t *testing.T, proxy *toxiproxy.Proxy, d time.Duration) {
	t.Helper()
	each := d
	if x.again > 0 {
		each = x.again
	}
	for begin := time.Now(); time.Since(begin) < d; {
		for _, stream := range []string{"upstream", "downstream"} {
			_, err := proxy.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(
				`{"name":%q,"type":%q,"stream":%q,"attributes":%s}`, stream, x.kind, stream, x.attributes)))
			require.NoError(t, err)
		}
		elapse(t, each)
		for _, stream := range []string{"upstream", "downstream"} {
			require.NoError(t, proxy.Toxics.RemoveToxic(t.Context(), stream))
		}
		if x.again > 0 {
			elapse(t, each/2)
		}
	}
}
