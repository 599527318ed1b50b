package main

import (
	"time"

	"github.com/serpy-go/serpy/bench/internal/peer"
)

// single is how a work is measured that has no speed; nil if it has one.
func (w work) single(idle int) func(p *pair) (reading, error) {
	switch {
	case w.spec.Kind == peer.Idle:
		return func(p *pair) (reading, error) { return measureIdle(p, idle) }
	case w.few > 0:
		return func(p *pair) (reading, error) { return measureGrowth(p, w.few, w.many/10, w.many) }
	}
	return nil
}

// settle gives n connections, or messages, the time until their memory is measured:
// what the handshakes needed has gone by then, timers too.
func settle(n int) { time.Sleep(min(time.Second, time.Duration(n)*time.Millisecond)) }

// rested is how long both sides are silent until what they hold after a stream is
// measured: a burst's memory is given back after one to two seconds without use, that of
// the link with the first sign of life after one.
const rested = 4 * time.Second

// measureIdle is what n connections that do nothing hold, each.
func measureIdle(p *pair, n int) (reading, error) {
	server0, client0, err := p.both(order{Do: "memory"})
	if err != nil {
		return reading{}, err
	}
	if _, _, err = p.both(order{Do: "run", N: n}); err != nil {
		return reading{}, err
	}
	settle(n)
	server, client, err := p.both(order{Do: "memory"})
	if err != nil {
		return reading{}, err
	}
	each := func(now, before int64) float64 { return float64(now-before) / float64(n) }
	return reading{
		Value:            each(server.Memory.Go, server0.Memory.Go),
		Client:           each(client.Memory.Go, client0.Memory.Go),
		Resident:         each(server.Memory.Resident, server0.Memory.Resident),
		ClientResident:   each(client.Memory.Resident, client0.Memory.Resident),
		ServerGoroutines: float64(server.Memory.Goroutines-server0.Memory.Goroutines) / float64(n),
		ClientGoroutines: float64(client.Memory.Goroutines-client0.Memory.Goroutines) / float64(n),
	}, nil
}

// measureGrowth is what both processes hold when few, most and all of the messages have
// passed.
func measureGrowth(p *pair, few, most, all int) (r reading, err error) {
	passed := 0
	for _, stage := range []struct {
		n    int
		into *float64
	}{{few, &r.Few}, {most, &r.Most}, {all, &r.Value}} {
		if _, _, err = p.both(order{Do: "run", N: stage.n - passed}); err != nil {
			return reading{}, err
		}
		passed = stage.n
		time.Sleep(rested)
		server, client, err := p.both(order{Do: "memory"})
		if err != nil {
			return reading{}, err
		}
		*stage.into = float64(server.Memory.Go + client.Memory.Go)
	}
	return r, nil
}
