package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/serpy-go/serpy/bench/internal/peer"
)

// cell is one peer at one work under one congestion control.
type cell struct {
	work       work
	peer       peer.Peer
	congestion string // "" is the system's
}

// name is how a cell is called in filters, references and the JSON.
func (c cell) name() string { return c.work.name + "/" + c.peer.Name }

// reading is one measurement of a cell.
type reading struct {
	Value float64
	P99   float64 `json:",omitempty"` // µs, of round trips
	CPU   float64 `json:",omitempty"` // seconds per million messages, both processes
	Alloc float64 `json:",omitempty"` // allocations of the Go heap a message, both processes
	Lost  float64 `json:",omitempty"` // share of the messages
	// Of idle connections; Value is what the listening side holds.
	Client           float64 `json:",omitempty"` // bytes
	ServerGoroutines float64 `json:",omitempty"`
	ClientGoroutines float64 `json:",omitempty"`
	Resident         float64 `json:",omitempty"` // bytes of the listening process
	ClientResident   float64 `json:",omitempty"` // and of the other
	Few              float64 `json:",omitempty"` // bytes after few messages; Value is those after all
	Most             float64 `json:",omitempty"` // bytes after a tenth of all
	Others           float64 `json:",omitempty"` // share of all CPUs that other programs used meanwhile
	Control          string  `json:",omitempty"` // congestion controls that were found in use
}

// rounded leaves each figure the digits that mean something.
func (r reading) rounded() reading {
	for _, f := range []*float64{
		&r.Value, &r.P99, &r.CPU, &r.Alloc, &r.Lost, &r.Client, &r.ServerGoroutines, &r.ClientGoroutines,
		&r.Resident, &r.ClientResident, &r.Few, &r.Most, &r.Others,
	} {
		*f = significant(*f)
	}
	return r
}

// significant rounds to five digits.
func significant(v float64) float64 {
	v, _ = strconv.ParseFloat(strconv.FormatFloat(v, 'g', 5, 64), 64) // what was written can be read
	return v
}

// run is what both sides say of so many messages.
type run struct {
	n              int
	server, client answer
}

// took is the time from the first send to the last receive.
func (r run) took(k peer.Kind) time.Duration {
	switch k {
	case peer.FanOut:
		return r.client.End.Sub(r.server.Start)
	case peer.OneWay, peer.Spread:
		return r.server.End.Sub(r.client.Start)
	case peer.Depth:
		return r.server.Time + r.client.Time
	default:
		return r.client.End.Sub(r.client.Start)
	}
}

// lasted is how long the whole run was, also where only parts of it count.
func (r run) lasted() time.Duration {
	start, end := r.client.Start, r.client.End
	if r.server.Start.Before(start) {
		start = r.server.Start
	}
	if r.server.End.After(end) {
		end = r.server.End
	}
	return max(end.Sub(start), 10*time.Microsecond)
}

// measure takes a reading in about the time given. known is how many messages fill it,
// from an earlier reading, or 0. The end of ctx ends both processes.
func measure(ctx context.Context, c cell, given time.Duration, known, idle int) (reading, int, error) {
	spec := c.work.spec
	spec.Peer, spec.Congestion = c.peer.Name, c.congestion
	p, err := startPair(ctx, spec, c.work.pin)
	if err != nil {
		return reading{}, 0, outOfTime(ctx, err)
	}
	defer p.close()
	if once := c.work.single(idle); once != nil {
		r, err := once(p)
		return r, 0, outOfTime(ctx, err)
	}
	r, err := fillTime(p, spec, given, known)
	if err != nil {
		return reading{}, 0, outOfTime(ctx, err)
	}
	return r.reading(spec, c.work.unit), max(1, int(float64(r.n)*float64(given)/float64(r.lasted()))), nil
}

func outOfTime(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("out of time: %w", err)
	}
	return err
}

// least is how many messages a run has at least, and the first one, which warms up.
func least(s peer.Spec) int {
	switch s.Kind {
	case peer.Depth:
		return s.Depth
	case peer.Acked:
		return max(64, 2*s.Window)
	case peer.Spread:
		return 2 * peer.Burst * s.Conns // all of them have their turn twice
	case peer.PingPong:
		return 64
	default:
		return min(max(4<<20/max(s.Size, 1), 2), 512)
	}
}

// mostTrips bounds the round trips of a run, whose times are all kept.
const mostTrips = 1 << 20

// fillTime repeats the run with more messages until it fills at least half of the time
// given. Those before it have warmed up caches, windows and buffers.
func fillTime(p *pair, s peer.Spec, given time.Duration, known int) (run, error) {
	n := max(least(s), known/8)
	for deaf := 0; ; {
		if s.Window == 1 || s.Kind == peer.PingPong {
			n = min(n, mostTrips)
		}
		server, client, err := p.both(order{Do: "run", N: n})
		if err != nil {
			return run{}, err
		}
		r := run{n: n, server: server, client: client}
		if r.lost() == r.messages(s) {
			if deaf++; deaf == subscribing {
				return run{}, errors.New("no message came")
			}
			continue
		}
		took := r.lasted()
		if took >= given/2 || n == mostTrips && s.Window == 1 {
			return r, nil
		}
		grow := float64(given) / float64(took)
		if known > n { // the speed is known: the next run is the one that counts
			n = known
			known = 0
			continue
		}
		n = max(int(float64(n)*min(grow, 40)), n+1)
		if s.Kind == peer.Depth {
			n = (n + s.Depth - 1) / s.Depth * s.Depth
		}
	}
}

// subscribing is how often a run is repeated of which nothing came: a subscription may
// need a while until it is known everywhere.
const subscribing = 10

func (r run) lost() float64 { return float64(r.server.Lost + r.client.Lost) }

// messages is how many were to arrive.
func (r run) messages(s peer.Spec) float64 {
	if s.Kind == peer.FanOut {
		return float64(r.n) * float64(max(s.Conns, 1))
	}
	return float64(r.n)
}

func (r run) reading(s peer.Spec, u unit) reading {
	messages, lost := r.messages(s), r.lost()
	seconds := r.took(s.Kind).Seconds()
	out := reading{
		CPU:     (r.server.CPU + r.client.CPU).Seconds() / messages * 1e6,
		Alloc:   float64(r.server.Mallocs+r.client.Mallocs) / messages,
		Lost:    lost / messages,
		Control: controls(r.server, r.client),
	}
	switch u {
	case perSecond:
		out.Value = (messages - lost) / seconds
	case megabytes:
		out.Value = (messages - lost) / seconds * float64(s.Size) / 1e6
	case nanos:
		out.Value = seconds / messages * 1e9
	case micros:
		out.Value, out.P99 = float64(r.client.P50)/1e3, float64(r.client.P99)/1e3
	case bytesEach, bytesAll: // measured otherwise
	}
	return out
}

// controls are the congestion controls that were in use, "" if the right one alone.
func controls(answers ...answer) string {
	var names []string
	for _, a := range answers {
		names = append(names, strings.Join(a.Control, "+"))
	}
	return strings.Join(names, ", ")
}
