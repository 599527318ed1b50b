//go:build linux

package integration

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A cable that swallows packets without a word: each side notices within its idle
// timeout of 3 heartbeats, never sooner than it promised, and goes on after it.
func TestHalfOpen(t *testing.T) {
	const heartbeat = 300 * time.Millisecond
	for _, c := range []struct {
		name   string
		chains []string
		rate   int
	}{{"both ways, busy", []string{"in", "out"}, 2000}, {"both ways, idle", []string{"in", "out"}, 1}, {"to the listener", []string{"in"}, 200}, {"to the dialler", []string{"out"}, 200}} {
		t.Run(c.name, func(t *testing.T) {
			h := newHost(t)
			t.Parallel()
			w := newPair(t)
			p := plan{
				Messages: 1 << 30, Size: 50 << 10, Rate: c.rate, Seed: 5, Heartbeat: heartbeat,
				DialTimeout: 300 * time.Millisecond, HandshakeTimeout: 300 * time.Millisecond,
				Address: "tcp://" + h.address + ":7000",
			}
			address := w.listen(p, h.wrap()...)
			w.dial(p, address)
			var noticed []time.Duration
			for round := range 3 {
				w.dialler.wait("up", round)
				w.listener.wait("up", round)
				elapse(t, 2*heartbeat)
				begin := time.Now().UnixNano()
				mono := monotonic()
				for _, chain := range c.chains {
					h.rule(chain, "tcp", map[string]string{"in": "dport", "out": "sport"}[chain], "7000", "drop")
				}
				dropped := time.Duration(time.Now().UnixNano() - begin)
				noticed = append(noticed, w.noticed(round, mono, dropped, 3*heartbeat, heartbeat, c.chains)...)
				h.heal()
			}
			require.LessOrEqual(t, slices.Min(noticed), 3*heartbeat+100*time.Millisecond, "later than promised")
			w.finish()
			w.check(false).nothingAmiss(t)
			t.Logf("noticed after %v, with an idle timeout of %v", noticed, 3*heartbeat)
		})
	}
}

// noticed holds both sides' "down" to the idle timeout, counted from the last word of
// the peer, which came at most a heartbeat before the packets were dropped. Who still
// hears the other side does not notice by itself; the other's reset is dropped too.
func (w *pair) noticed(round int, from int64, setting, idle, heartbeat time.Duration, chains []string) (after []time.Duration) {
	w.t.Helper()
	deaf := []*peer{w.dialler, w.listener}
	if len(chains) == 1 {
		deaf = map[string][]*peer{"in": {w.listener}, "out": {w.dialler}}[chains[0]]
	}
	for _, q := range deaf {
		var at int64
		line := q.wait("down", round)
		_, err := fmt.Sscan(line, &at)
		require.NoError(w.t, err)
		d := time.Duration(at - from)
		require.Contains(w.t, line, "idle timeout")
		require.GreaterOrEqual(w.t, d, idle-heartbeat-50*time.Millisecond, "sooner than promised")
		require.LessOrEqual(w.t, d, idle+setting+5*time.Second, "later than promised, and than a busy machine explains")
		after = append(after, d.Round(time.Millisecond))
	}
	return after
}
