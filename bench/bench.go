package main

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/serpy-go/serpy/bench/internal/peer"
)

// bench is a run of the program: which cells, how often, in what time.
type bench struct {
	cells  []cell
	rounds int
	budget time.Duration
	most   time.Duration // that one measurement gets of it; 0 is mostShare
	idle   int           // connections
	table  *table
	step   func(done, all int, what string) // told before each measurement

	extra time.Duration // what a measurement took beyond its share, on the average so far
	round time.Duration // what the present round has taken, or the last one, but for works measured once
}

// choose makes the cells of all works and peers that match, and those that they are
// compared with. Each congestion control of others gets the works that ask for it.
func choose(all []work, peers, names *regexp.Regexp, others []string) ([]cell, error) {
	byName := make(map[string]work)
	for _, w := range all {
		byName[w.name] = w
	}
	var cells []cell
	seen := make(map[string]bool)
	add := func(c cell) {
		key := c.name() + "/" + c.congestion
		if !seen[key] {
			seen[key] = true
			cells = append(cells, c)
		}
	}
	for _, control := range append([]string{""}, others...) {
		for _, w := range all {
			if !names.MatchString(w.name) || control != "" && !w.both {
				continue
			}
			matching := w.matching(peers)
			if len(matching) == 0 {
				continue
			}
			ref, err := reference(w, byName)
			if err != nil {
				return nil, err
			}
			ref.congestion = control
			add(ref)
			for _, p := range matching {
				add(cell{work: w, peer: p, congestion: control})
			}
		}
	}
	return cells, nil
}

// matching are the peers that match and can do the work.
func (w work) matching(names *regexp.Regexp) []peer.Peer {
	var list []peer.Peer
	for _, p := range peer.All() {
		if w.alone && p.Name != "serpy" || !names.MatchString(p.Name) {
			continue
		}
		if p.Lack(w.spec) == "" {
			list = append(list, p)
		}
	}
	return list
}

// reference is the cell that those of a work are compared with.
func reference(w work, byName map[string]work) (cell, error) {
	name, of := w.ref, w
	if before, after, found := strings.Cut(w.ref, "/"); found {
		name, of = after, byName[before]
	}
	p, ok := peer.Find(name)
	if !ok || of.name == "" {
		return cell{}, fmt.Errorf("%s is compared with %s, which is not there", w.name, w.ref)
	}
	return cell{work: of, peer: p}, nil
}

// failures is how often a cell may fail before it is left out of later rounds.
const failures = 2

// run measures all cells, round after round.
func (b *bench) run(ctx context.Context) error {
	start := time.Now()
	b.extra = starting
	total := b.count()
	known := make([]int, len(b.cells))
	failed := make([]int, len(b.cells))
	done := 0
	for round := range b.rounds {
		if round > 0 && !b.fits(time.Since(start)) {
			break
		}
		b.table.Rounds, b.round = round+1, 0
		for i, c := range b.cells {
			if c.work.once && round > 0 {
				continue
			}
			b.step(done, total, fmt.Sprintf("round %d of %d: %s", round+1, b.rounds, c.name()))
			if failed[i] < failures {
				r, n, err := b.measure(ctx, c, b.share(time.Since(start), total-done), known[i])
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if err != nil {
					failed[i]++
				} else {
					known[i] = n
				}
				b.table.add(c, round, r, err)
			}
			done++
		}
	}
	b.step(total, total, "done")
	return nil
}

// fits says whether one more round like the last one ends soon enough: on a machine
// that is busy, or slow, each takes longer than its share.
func (b *bench) fits(used time.Duration) bool { return used+b.round <= b.budget+b.budget/tolerance }

// tolerance is the part of the budget by which it may be passed.
const tolerance = 16

// slack is the time beyond what a measurement is given before it is out of time, and
// what one gets that is taken once.
const (
	slack     = 10 * time.Second
	slackOnce = time.Minute
)

// measure takes one reading, and minds how long that took beyond the time given.
func (b *bench) measure(ctx context.Context, c cell, given time.Duration, known int) (reading, int, error) {
	limit := 3*given + slack
	if c.work.once {
		given, limit = mostShare/2, slackOnce
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	begin, others := time.Now(), othersTime()
	r, n, err := measure(ctx, c, given, known, b.idle)
	took := time.Since(begin)
	if !c.work.once {
		b.round += took
	}
	r.Others = max(0, float64(othersTime()-others)/float64(took)/float64(runtime.NumCPU()))
	if err == nil && !c.work.once {
		b.extra += (took - given - b.extra) / averaged
	}
	return r, n, err
}

// count is how many measurements there are.
func (b *bench) count() int {
	n := 0
	for _, c := range b.cells {
		if c.work.once {
			n++
		} else {
			n += b.rounds
		}
	}
	return n
}

// Bounds of the time that one measurement is given; what comes to it, at first: two
// processes, and what warms them up; and over how many measurements that is averaged.
const (
	leastShare = 30 * time.Millisecond
	mostShare  = time.Second
	starting   = 150 * time.Millisecond
	averaged   = 32
)

// share is the time for one measurement when so much is used and so many are left.
func (b *bench) share(used time.Duration, left int) time.Duration {
	return min(max((b.budget-used)/time.Duration(left)-b.extra, leastShare), cmp.Or(b.most, mostShare))
}
