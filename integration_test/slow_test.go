//go:build linux

package integration

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A link of 1 Mbit/s with a message of 1 MiB under way in each direction takes nine
// seconds for it: three times the idle timeout and WriteStall. It is slow, and healthy:
// nobody may cut it. (The bounds leave room for TCP's own: the shaper drops what does
// not fit its queue, a segment that is lost twice is sent again after a second, and the
// kernel takes nothing until a third of its buffer is free.)
func TestBusySlowLinkIsNotCut(t *testing.T) {
	h := newHost(t)
	t.Parallel()
	h.shape("1mbit")
	w := newPair(t)
	p := plan{
		Messages: 1, Fixed: true, Size: 1 << 20, Heartbeat: time.Second, WriteStall: 3 * time.Second,
		WriteBuffer: 64 << 10, Address: "tcp://" + h.address + ":7000",
	}
	begin := time.Now()
	w.dial(p, w.listen(p, h.wrap()...))
	w.finished()
	took := time.Since(begin)
	t.Logf("1 MiB each way took %v, %.2f Mbit/s", took.Round(10*time.Millisecond), 8*1.048576/took.Seconds())
	require.Greater(t, took, 7*time.Second, "the link was not slow")
	require.Equal(t, 1, w.dialler.count("up"), "a healthy link was cut")
	require.Equal(t, 1, w.listener.count("up"))
	w.check(false).nothingAmiss(t)
}

// A firewall that answers with resets, and lets go again.
func TestResetsByFirewall(t *testing.T) {
	h := newHost(t)
	t.Parallel()
	w := newPair(t)
	p := plan{Messages: 1 << 30, Size: 100 << 10, Rate: 3000, Seed: 6, Address: "tcp://" + h.address + ":7000"}
	w.dial(p, w.listen(p, h.wrap()...))
	const rounds = 10
	for n := range rounds {
		w.dialler.wait("up", n)
		w.listener.wait("up", n)
		elapse(t, 100*time.Millisecond)
		h.rule("in", "tcp", "dport", "7000", "reject", "with", "tcp", "reset")
		w.dialler.wait("down", n)
		h.heal()
	}
	w.finish()
	require.Greater(t, w.dialler.count("up"), rounds)
	w.check(false).nothingAmiss(t)
}
