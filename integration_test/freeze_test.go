//go:build linux

package integration

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	shortBeat = 150 * time.Millisecond
	frozen    = 1500 * time.Millisecond // more than three times the idle timeout of 450 ms
)

// A process that is stopped for longer than its peer's idle timeout: the peer cuts the
// link, by right, and both go on where they were.
func TestFreezeLongerThanPeersTimeout(t *testing.T) {
	for _, who := range []string{"listener", "dialler"} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			w := newPair(t)
			p := plan{Messages: 1 << 30, Size: 100 << 10, Rate: 3000, Seed: 3, Heartbeat: shortBeat, HandshakeTimeout: 500 * time.Millisecond}
			w.dial(p, w.listen(p))
			w.freeze(who, "up", 4)
			w.finish()
			w.check(false).nothingAmiss(t)
			require.GreaterOrEqual(t, w.dialler.count("up"), 4, "the freeze was too short to show anything")
		})
	}
}

// A process that wakes after more than its own idle timeout finds that its peer has
// spoken meanwhile: it must not cut the link.
func TestFreezeLongerThanOwnTimeout(t *testing.T) {
	for _, who := range []string{"listener", "dialler"} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			w := newPair(t)
			patient := plan{Messages: 1 << 30, Size: 10 << 10, Rate: 1000, Seed: 4, Heartbeat: shortBeat, IdleTimeout: time.Minute}
			hasty := patient
			hasty.IdleTimeout = 3 * shortBeat
			listener, dialler := hasty, patient
			if who == "dialler" {
				listener, dialler = patient, hasty
			}
			w.dial(dialler, w.listen(listener))
			w.freeze(who, "got", 4)
			w.finish()
			w.check(false).nothingAmiss(t)
			require.Equal(t, 1, w.dialler.count("up"), "a healthy link was cut")
		})
	}
}

// freeze stops a process with SIGSTOP, some times, each when both have said a word
// once more.
func (w *pair) freeze(who, word string, times int) {
	w.t.Helper()
	q := w.listener
	if who == "dialler" {
		q = w.dialler
	}
	for n := range times {
		w.dialler.wait(word, n)
		w.listener.wait(word, n)
		elapse(w.t, shortBeat)
		q.signal(syscall.SIGSTOP)
		elapse(w.t, frozen)
		q.signal(syscall.SIGCONT)
	}
}
