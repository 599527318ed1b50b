//go:build linux

package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/serpytest"
)

// durationFrom reads a duration from the environment, for runs by hand that are
// longer than those in CI.
func durationFrom(t *testing.T, variable string, otherwise time.Duration) time.Duration {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	d, err := time.ParseDuration(text)
	require.NoError(t, err)
	return d
}

// elapse waits for a time that is the test's own subject: how long a fault lasts.
func elapse(t *testing.T, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
	}
}

// A link that is reset about every 50 ms, in mid-frame as likely as not.
func TestFlappingLink(t *testing.T) {
	for name, change := range map[string]func(listener, dialler *plan){
		"on receipt":     func(_, _ *plan) {},
		"when processed": func(l, d *plan) { l.OnProcessed, d.OnProcessed = true, true },
		"drop oldest": func(l, d *plan) {
			l.Messages, l.ReadRate = 0, 1500
			d.DropOldest, d.Queue = true, 200
		},
		"tls": func(l, d *plan) {
			l.Address = "tls://127.0.0.1:0"
			l.Cert, l.Key = certify(t)
			d.Cert = l.Cert
		},
		"unix": func(l, _ *plan) { l.Address = "unix://" + filepath.Join(t.TempDir(), "s") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			listener := plan{Messages: 1 << 30, Size: 300 << 10, Rate: 2500, Seed: 1}
			dialler := listener
			change(&listener, &dialler)
			flap(t, listener, dialler)
		})
	}
}

func flap(t *testing.T, listener, dialler plan) {
	t.Helper()
	w := newPair(t)
	scheme, target, _ := strings.Cut(w.listenAt(listener), "://")
	network := "tcp"
	if scheme == "unix" {
		network = scheme
	}
	proxy, err := serpytest.NewProxy(network, target, &serpytest.ProxyOptions{CutEvery: 50 * time.Millisecond, Seed: dialler.Seed})
	require.NoError(t, err)
	t.Cleanup(func() { _ = proxy.Close() })
	w.dial(dialler, scheme+"://"+proxy.Addr())
	d := durationFrom(t, "SERPY_FLAP", 10*time.Second)
	elapse(t, d)
	proxy.SetCuts(0, 0)
	w.finish()
	t.Logf("%v: the link was reset %d times", d, proxy.Cuts())
	require.Greater(t, proxy.Cuts(), int(d/(500*time.Millisecond)))
	a := w.check(dialler.OnProcessed)
	if dialler.DropOldest {
		t.Logf("%d were dropped by the policy", a.dropped)
		require.NotZero(t, a.dropped)
		require.Equal(t, a.accepted, a.distinct+a.dropped)
		require.Equal(t, a.missing, a.inGaps)
		return
	}
	a.nothingAmiss(t)
}
