package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/serpy-go/serpy/bench/internal/peer"
)

func TestMain(m *testing.M) {
	if text, ok := os.LookupEnv(childVariable); ok { // the pairs start this binary
		os.Exit(runChild(text))
	}
	goleak.VerifyTestMain(m)
}

// Each peer does each kind of work once, with few messages, in two real processes.
func TestEveryPeerAtEveryKind(t *testing.T) {
	done := make(map[string]bool)
	turns := make(chan struct{}, 4) // pairs at a time
	for _, w := range works(true) {
		w.few, w.many = min(w.few, 10), min(w.many, 1000)
		w.spec.Depth, w.spec.Conns = min(w.spec.Depth, 100), min(w.spec.Conns, 10)
		for _, p := range w.matching(regexp.MustCompile("")) {
			once := fmt.Sprint(p.Name, w.spec.Kind, w.few, w.spec.Net, w.spec.Senders, w.spec.Window, w.pin, w.spec.Size > large)
			if done[once] || len(cpus()) < int(w.pin) {
				continue
			}
			done[once] = true
			t.Run(w.name+"/"+p.Name, func(t *testing.T) {
				t.Parallel()
				turns <- struct{}{}
				defer func() { <-turns }()
				smoke(t, cell{work: w, peer: p})
			})
		}
	}
}

func smoke(t *testing.T, c cell) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	r, n, err := measure(ctx, c, time.Millisecond, 0, 10)
	require.NoError(t, err)
	if c.work.spec.Kind != peer.Idle { // ten connections may be less than what a collection frees
		assert.Positive(t, r.Value)
	}
	if c.work.single(0) != nil {
		return
	}
	assert.Positive(t, n)
	if c.work.unit == micros {
		assert.GreaterOrEqual(t, r.P99, r.Value)
	}
}
