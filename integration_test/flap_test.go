//go:build linux

package integration

import (
	"os"
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
	w := newPair(t)
	p := plan{Messages: 1 << 30, Size: 300 << 10, Rate: 4000, Seed: 1}
	proxy, err := serpytest.NewProxy("tcp", w.listen(p), &serpytest.ProxyOptions{CutEvery: 50 * time.Millisecond, Seed: 1})
	require.NoError(t, err)
	t.Cleanup(func() { _ = proxy.Close() })
	w.dial(p, proxy.Addr())
	d := durationFrom(t, "SERPY_FLAP", 15*time.Second)
	elapse(t, d)
	proxy.SetCuts(0, 0)
	w.finish()
	t.Logf("%v: the link was reset %d times", d, proxy.Cuts())
	require.Greater(t, proxy.Cuts(), int(d/(500*time.Millisecond)))
	w.check(false).nothingAmiss(t)
}
