package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
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

// A peer that fails, in real processes, costs its rows only, and is tried twice.
func TestAPeerThatFailsIsLeftOut(t *testing.T) {
	cells, err := choose(works(true), regexp.MustCompile("ascii85|serpy"), regexp.MustCompile("^base85-encode$"), nil)
	require.NoError(t, err)
	require.Len(t, cells, 2)
	broken := cells[1]
	broken.peer.Name = "broken"
	tried := 0
	b := &bench{
		cells: append(cells, broken), rounds: 3, budget: time.Hour, most: time.Millisecond, idle: 1, table: newTable(),
		step: func(_, _ int, what string) {
			if strings.HasSuffix(what, broken.name()) {
				tried++
			}
		},
	}
	require.NoError(t, b.run(t.Context()))
	b.table.finish(nil)
	rows := b.table.Rows
	require.Len(t, rows, 3)
	assert.Len(t, rows[0].Rounds, 3)
	assert.Positive(t, rows[1].Ratio+rows[0].Ratio)
	assert.Empty(t, rows[2].Rounds)
	assert.Contains(t, rows[2].Error, `no peer "broken"`)
	assert.Equal(t, 3, tried, "it is told")
	assert.Contains(t, b.table.markdown(works(true)), `- broken, base85-encode: listening: the process ended: no peer "broken" (0 of 3 rounds are there)`)
}
