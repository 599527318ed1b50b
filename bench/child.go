package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/serpy-go/serpy/bench/internal/peer"
)

// childVariable makes this program one side of a pair: it holds the plan as JSON.
const childVariable = "SERPY_BENCH_SIDE"

// plan is what a child is started with.
type plan struct {
	Listens bool
	Spec    peer.Spec
}

// order is a line that a child reads. The end of its input ends it.
type order struct {
	Do      string // "dial", "run", "memory"
	Address string // to dial
	N       int    // messages of the run
}

// answer is the line that a child writes for each order, and once before the first.
type answer struct {
	Err     string        `json:",omitempty"`
	Address string        `json:",omitempty"` // where it listens
	Start   time.Time     `json:",omitzero"`  // of the run
	End     time.Time     `json:",omitzero"`
	Time    time.Duration `json:",omitempty"` // that counts, where it is not the whole run
	Lost    int           `json:",omitempty"`
	P50     time.Duration `json:",omitempty"` // of the round trips
	P99     time.Duration `json:",omitempty"`
	CPU     time.Duration `json:",omitempty"` // of all threads, user and system
	Mallocs uint64        `json:",omitempty"` // allocations of the Go heap
	Memory  memory        `json:",omitzero"`
	Control []string      `json:",omitempty"` // congestion controls of the connections
}

// memory is what a process holds, after a collection.
type memory struct {
	Go         int64 // bytes in use on the Go heap and in stacks
	Resident   int64 // bytes, of everything
	Goroutines int
}

// runChild is the main program of a child.
func runChild(text string) int {
	var p plan
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	raiseFiles()
	c := child{plan: p, out: json.NewEncoder(os.Stdout)}
	os.Stdout = os.Stderr // what a peer has to say is no answer
	if err := c.serve(context.Background(), bufio.NewReader(os.Stdin)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

type child struct {
	plan plan
	side peer.Side
	out  *json.Encoder
}

// serve listens, if it is its turn, and then does as it is told.
func (c *child) serve(ctx context.Context, in io.Reader) error {
	lib, ok := peer.Find(c.plan.Spec.Peer)
	if !ok {
		return fmt.Errorf("no peer %q", c.plan.Spec.Peer)
	}
	var ready answer
	if c.plan.Listens {
		side, address, err := lib.Listen(ctx, c.plan.Spec)
		if err != nil {
			ready.Err = err.Error()
		}
		c.side, ready.Address = side, address
	}
	if err := c.out.Encode(ready); err != nil {
		return err
	}
	for lines := json.NewDecoder(in); ; {
		var o order
		if err := lines.Decode(&o); err != nil {
			return nil //nolint:nilerr // the end of the orders is the end of the child
		}
		var a answer
		if err := c.obey(ctx, lib, o, &a); err != nil {
			a.Err = err.Error()
		}
		if err := c.out.Encode(a); err != nil {
			return err
		}
	}
}

func (c *child) obey(ctx context.Context, lib peer.Peer, o order, a *answer) error {
	switch o.Do {
	case "dial":
		side, err := lib.Dial(ctx, c.plan.Spec, o.Address)
		c.side = side
		return err
	case "run":
		return c.run(ctx, o.N, a)
	case "memory":
		a.Memory = holds()
		return nil
	}
	return fmt.Errorf("no order %q", o.Do)
}

// run has the side do its part, and takes the time and the costs.
func (c *child) run(ctx context.Context, n int, a *answer) error {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu := processTime()
	a.Start = time.Now()
	o, err := c.side.Run(ctx, n)
	a.End = time.Now()
	a.CPU = processTime() - cpu
	runtime.ReadMemStats(&after)
	a.Mallocs = after.Mallocs - before.Mallocs
	a.Lost, a.Time = o.Lost, o.Time
	if !o.Last.IsZero() {
		a.End = o.Last
	}
	if len(o.Took) > 0 {
		slices.Sort(o.Took)
		a.P50, a.P99 = o.Took[len(o.Took)/2], o.Took[len(o.Took)*99/100]
	}
	a.Control = peer.Congestions()
	return err
}

// holds measures the memory in use when what is garbage is gone.
func holds() memory {
	runtime.GC()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return memory{
		Go:         int64(m.HeapInuse + m.StackInuse), //nolint:gosec // G115: sizes of memory
		Resident:   resident(),
		Goroutines: runtime.NumGoroutine(),
	}
}
