package peer

import (
	"context"
	"time"
)

func libzmqPeers() []Peer {
	can := only(TCP, OneWay, PingPong, Acked, FanOut, Idle)
	return []Peer{{
		Name: "libzmq", About: "the library in C, through cgo; otherwise as go-zeromq. It makes its own sockets, and the one that dialled gets another congestion control only when it is connected",
		Module: libzmqVersion(),
		Lack: func(s Spec) string {
			if libzmqVersion() == "" {
				return "libzmq is not installed, or there is no cgo"
			}
			return can(s)
		},
		Listen: libzmqListen, Dial: libzmqDial,
	}}
}

func libzmqListen(_ context.Context, s Spec) (Side, string, error) {
	l, err := newLibzmq(patternOf(s.Kind).listens, s.Size)
	if err != nil {
		return nil, "", err
	}
	address, err := l.bind()
	if err != nil {
		return nil, "", err
	}
	forceCongestion(s.Congestion)
	if s.Kind == Idle {
		return &crowd{spec: s, socket: l, before: files()}, address, nil
	}
	return newSingle(s, l), address, nil
}

func libzmqDial(_ context.Context, s Spec, address string) (Side, error) {
	if s.Kind == Idle { // one socket with many connections: a socket takes two files, a connection one
		l, err := newLibzmq(patternOf(s.Kind).dials, s.Size)
		return &crowd{spec: s, socket: l, before: files(), dial: func() error { return l.connect(address) }}, err
	}
	side, err := dialAll(s, func() (link, error) {
		l, err := newLibzmq(patternOf(s.Kind).dials, s.Size)
		if err != nil {
			return nil, err
		}
		return l, l.connect(address)
	})
	if err == nil && s.Congestion != "" {
		time.Sleep(subscribing) // it connects behind our back
		forceCongestion(s.Congestion)
	}
	return subscribed(s, side, err)
}

// A crowd is a side with many idle connections in one socket.
type crowd struct {
	spec   Spec
	socket link
	before int          // files that were open without connections
	dial   func() error // nil: it listens
}

// Run makes, or awaits, n connections; each is a file of this process.
func (c *crowd) Run(ctx context.Context, n int) (Outcome, error) {
	if c.dial != nil {
		for range n {
			if err := c.dial(); err != nil {
				return Outcome{}, err
			}
		}
	}
	return Outcome{}, awaitClients(ctx, n, 10*time.Millisecond, func() int { return files() - c.before })
}

func (c *crowd) Close() error { return c.socket.close() }
