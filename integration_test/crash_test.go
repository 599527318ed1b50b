//go:build linux

package integration

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// crashPlan is of a talk in which somebody dies: messages of all modes as fast as they
// go, so that there is always something under way.
func crashPlan(seed uint64) plan {
	p := plan{Messages: 100_000, Size: 200 << 10, Seed: seed, SessionTimeout: time.Second}
	if seed%2 == 1 {
		p.ReadRate = 15_000 // the queues are full
	}
	return p
}

// rounds is how often each kind of crash is tried in a run.
const rounds = 4

// kill -9 of the listener, which receives and sends; another is started in its place.
// The dialler's connection lives on.
func TestKillListener(t *testing.T) {
	for _, c := range []struct {
		name              string
		processed, resend bool
	}{{"on receipt", false, false}, {"on receipt, resend", false, true}, {"when processed", true, false}} {
		t.Run(c.name, func(t *testing.T) {
			var sum account
			for round := range rounds {
				p := crashPlan(uint64(round))
				p.OnProcessed, p.Resend = c.processed, c.resend
				sum.add(killListener(t, p))
			}
			t.Logf("%d kills: %v", rounds, &sum)
			require.GreaterOrEqual(t, sum.sessionsLost, rounds)
			if c.processed {
				require.Zero(t, sum.undelivered)
			}
		})
	}
}

func killListener(t *testing.T, p plan) *account {
	t.Helper()
	w := newPair(t)
	address := w.listen(p)
	w.dial(p, address)
	w.listener.wait("got", 2+int(p.Seed)) // the kill comes amid the talk
	w.dialler.wait("got", 1)
	w.listener.kill()
	w.died(1, 0, 1, 1)
	p.Life, p.Address = 1, "tcp://"+address
	w.listen(p)
	w.listener.wait("got", 2)
	w.finish()
	return w.check(p.OnProcessed)
}

// kill -9 of the dialler. The listener's connection ends when its session times out;
// the dialler's successor begins another.
func TestKillDialler(t *testing.T) {
	for _, processed := range []bool{false, true} {
		t.Run(map[bool]string{false: "on receipt", true: "when processed"}[processed], func(t *testing.T) {
			var sum account
			for round := range rounds {
				p := crashPlan(uint64(round))
				p.OnProcessed = processed
				sum.add(killDialler(t, p))
			}
			t.Logf("%d kills: %v", rounds, &sum)
			require.GreaterOrEqual(t, sum.sessionsLost, rounds)
		})
	}
}

func killDialler(t *testing.T, p plan) *account {
	t.Helper()
	w := newPair(t)
	address := w.listen(p)
	w.dial(p, address)
	w.listener.wait("got", 2+int(p.Seed))
	w.dialler.wait("got", 1)
	w.dialler.kill()
	w.died(0, 0, 1, 1)
	p.Life = 1
	w.dial(p, address)
	w.dialler.wait("got", 2)
	w.listener.wait("lost", 0)
	w.finish()
	return w.check(p.OnProcessed)
}
