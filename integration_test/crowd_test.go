//go:build linux

package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/serpy-go/serpy"
)

// crowdServer answers requests, or sends each connection what the plan says.
func (p *program) crowdServer() error {
	s, err := serpy.Listen(p.plan.Address, p.plan.options())
	if err != nil {
		return err
	}
	p.say("listening %s", s.Address())
	return s.Serve(p.quit, func(ctx context.Context, c *serpy.Connection) error {
		var work sync.WaitGroup
		defer work.Wait()
		if p.plan.Messages > 0 {
			work.Go(func() { p.pour(ctx, c) })
		}
		for m := range c.Messages(ctx) {
			if p.plan.Messages > 0 {
				continue
			}
			if err := m.Reply(ctx, m); err != nil {
				return err
			}
		}
		return c.Err()
	})
}

// pour sends messages that bear their number, and then no more.
func (p *program) pour(ctx context.Context, c *serpy.Connection) {
	for n := 1; n <= p.plan.Messages; n++ {
		if err := c.Send(ctx, fill(uint64(n), p.plan.Size)); err != nil {
			p.say("pour %v", err)
			return
		}
	}
	if err := c.CloseSend(ctx); err != nil {
		p.say("pour %v", err)
	}
}

// crowd makes many connections, of which a few talk.
func (p *program) crowd() error {
	conns := make([]*serpy.Connection, p.plan.Connections)
	err := inParallel(64, len(conns), func(i int) (err error) {
		conns[i], err = serpy.Dial(p.quit, p.plan.Address, p.plan.options())
		return err
	})
	if err != nil {
		return err
	}
	p.say("connected")
	finish, stop := context.WithCancel(p.quit)
	defer stop()
	go func() {
		select {
		case <-p.finish:
			stop()
		case <-finish.Done():
		}
	}()
	var requests atomic.Uint64
	err = inParallel(p.plan.Active, p.plan.Active, func(i int) error {
		wait := pace(finish, p.plan.Rate)
		for n := uint64(1); wait(); n++ {
			want := fill(n, 64)
			m, err := conns[i].Request(p.quit, serpy.Message{Data: want})
			if err != nil {
				return err
			}
			if string(m.Data) != string(want) {
				return fmt.Errorf("connection %d: request %d got another answer", i, n)
			}
			requests.Add(1)
		}
		return nil
	})
	links := 0
	for _, c := range conns {
		links += c.Stats().Links
	}
	p.say("requests %d", requests.Load())
	p.say("links %d", links)
	return errors.Join(err, inParallel(64, len(conns), func(i int) error { return conns[i].Close() }))
}

// inParallel calls f for 0 to n-1 on so many goroutines, and joins the errors.
func inParallel(goroutines, n int, f func(i int) error) error {
	var next atomic.Int64
	var work sync.WaitGroup
	errs := make([]error, goroutines)
	for g := range goroutines {
		work.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && errs[g] == nil; i = int(next.Add(1)) - 1 {
				errs[g] = f(i)
			}
		})
	}
	work.Wait()
	return errors.Join(errs...)
}

// memoryNow is what the kernel says this process has resident, in bytes, when the
// heap was collected and given back.
func memoryNow() int64 {
	debug.FreeOSMemory()
	return procStatus("VmRSS:")
}

// heapNow is the heap in use after two collections, in bytes.
func heapNow() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}

// procStatus reads a figure in KiB of this process's status, as bytes; -1: none.
func procStatus(name string) int64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return -1
	}
	_, rest, _ := strings.Cut(string(b), name)
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return -1
	}
	n, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return -1
	}
	return n << 10
}
