package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// enough is how many of a hundred faults the tests have to find.
const enough = 95

func main() {
	match := flag.String("run", "", "plant those whose name matches `regexp`")
	list := flag.Bool("list", false, "see that each can be planted, and list them; run nothing")
	workers := flag.Int("j", 1, "plant in `n` copies at once")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := command(ctx, *match, *list, *workers)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func command(ctx context.Context, match string, list bool, workers int) error {
	pattern, err := regexp.Compile(match)
	if err != nil {
		return err
	}
	dir, err := moduleDir(ctx)
	if err != nil {
		return err
	}
	var faults []*fault
	for _, f := range all() {
		if pattern.MatchString(f.name) {
			faults = append(faults, f)
		}
	}
	if errs := check(dir, faults); len(errs) > 0 {
		return errors.Join(errs...)
	}
	if len(faults) == 0 {
		return errors.New("no fault has such a name")
	}
	if list {
		for _, f := range faults {
			fmt.Printf("%-32s %-28s %s\n", f.name, f.file, f.breaks)
		}
		fmt.Printf("%d faults, and each can be planted\n", len(faults))
		return nil
	}
	g := &garden{from: dir, faults: faults}
	return g.work(ctx, max(1, workers))
}

// moduleDir finds the root of the module.
func moduleDir(ctx context.Context) (string, error) {
	c := exec.CommandContext(ctx, "go", "env", "GOMOD")
	out, err := c.Output()
	if err != nil {
		return "", err
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
}

// A garden is one run over many faults.
type garden struct {
	from   string
	faults []*fault

	mu        sync.Mutex // guards what follows
	next      int
	found     int
	survivors []string
	errs      []error
}

func (g *garden) work(ctx context.Context, workers int) error {
	trees := make([]*tree, 0, workers)
	defer func() {
		for _, t := range trees {
			t.remove()
		}
	}()
	for range workers {
		t, err := newTree(g.from)
		if err != nil {
			return err
		}
		trees = append(trees, t)
	}
	if err := g.healthy(ctx, trees[0]); err != nil {
		return err
	}
	began := time.Now()
	var group sync.WaitGroup
	for _, t := range trees {
		group.Go(func() { g.plantAll(ctx, t) })
	}
	group.Wait()
	return g.sum(time.Since(began))
}

// healthy sees that the suites pass while nothing is planted: a test that fails
// anyway would find every fault.
func (g *garden) healthy(ctx context.Context, t *tree) error {
	done := make(map[string]bool)
	for _, f := range g.faults {
		for _, s := range f.tests {
			if done[s.name] {
				continue
			}
			done[s.name] = true
			began := time.Now()
			by, err := t.test(ctx, s)
			if err != nil {
				return err
			}
			if by != "" {
				return fmt.Errorf("without a fault: %s", by)
			}
			fmt.Printf("%-8s %-32s passes without a fault %6.1fs\n", "healthy", s.name, time.Since(began).Seconds())
		}
	}
	return nil
}

func (g *garden) plantAll(ctx context.Context, t *tree) {
	for ctx.Err() == nil {
		g.mu.Lock()
		n := g.next
		g.next++
		g.mu.Unlock()
		if n >= len(g.faults) {
			return
		}
		f := g.faults[n]
		o, err := t.try(ctx, f)
		g.mu.Lock()
		switch {
		case err != nil:
			g.errs = append(g.errs, err)
			fmt.Printf("%-8s %s\n", "ERROR", f.name)
		case o.found:
			g.found++
			fmt.Printf("%-8s %-32s %6.1fs  %s\n", "found", f.name, o.took.Seconds(), o.by)
		default:
			g.survivors = append(g.survivors, f.name)
			fmt.Printf("%-8s %-32s %6.1fs  %s\n", "SURVIVED", f.name, o.took.Seconds(), f.breaks)
		}
		g.mu.Unlock()
	}
}

// sum says how it went.
func (g *garden) sum(took time.Duration) error {
	planted := g.found + len(g.survivors)
	fmt.Printf("found %d of %d planted faults in %v; survived: %s\n", g.found, planted, took.Round(time.Second), strings.Join(g.survivors, ", "))
	switch {
	case len(g.errs) > 0:
		return errors.Join(g.errs...)
	case planted < len(g.faults):
		return errors.New("not all were planted")
	case 100*g.found < enough*planted:
		return fmt.Errorf("the tests find less than %d of 100", enough)
	}
	return nil
}
