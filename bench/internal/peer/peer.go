// Package peer holds the libraries that are measured, each behind the same few
// calls. A peer has two sides, which live in processes of their own: one listens,
// the other dials. What a side does in a run, its Spec says.
//
// The loop over the messages is within a peer, so that a message of the fastest
// ones is not charged with a call through an interface.
package peer

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// Kind is what the two sides do with each other.
type Kind string

// The kinds. Unless said otherwise the dialling side sends.
const (
	OneWay   Kind = "oneway"   // messages one way; the run ends when the last has been received
	PingPong Kind = "pingpong" // the message comes back, and then the next one goes
	Acked    Kind = "acked"    // a message is confirmed; at most Window of them are under way
	FanOut   Kind = "fanout"   // the listening side sends each message to all connections
	Idle     Kind = "idle"     // n connections are made, and nothing is sent
	Spread   Kind = "spread"   // one way over all connections in turn, in bursts
	Depth    Kind = "depth"    // the queues are filled with Depth messages, and emptied
	Encode   Kind = "encode"   // bytes are written as text, in one process
	Decode   Kind = "decode"   // and back
)

// The nets that a Spec may name.
const (
	TCP  = "tcp"
	Unix = "unix"
	TLS  = "tls"
)

// Spec is what a pair of processes measures.
type Spec struct {
	Peer       string
	Kind       Kind
	Net        string // tcp, unix or tls
	Size       int    // bytes of a message
	Conns      int    // connections
	Senders    int    // goroutines that send on one connection
	Window     int    // messages under way
	Depth      int    // messages in the queues
	Rest       bool   // what the sides hold at rest is measured
	Congestion string // of TCP; "" is the system's
	Dir        string // for sockets and stores; it is the run's own, and removed
}

// accepts is how many connections the listening side has in a run of n: when they are
// idle, that is what n counts.
func (s *Spec) accepts(n int) int {
	if s.Kind == Idle {
		return n
	}
	return max(s.Conns, 1)
}

// A Side is one side of a peer, connected.
type Side interface {
	// Run does this side's part for n messages and says how it went. A side that
	// receives returns when it has all of them.
	Run(ctx context.Context, n int) (Outcome, error)
	Close() error
}

// Outcome is what a side alone knows of a run. The zero Outcome says that all went
// as it should.
type Outcome struct {
	Lost int             // messages that never came
	Last time.Time       // when the last one came, where some are lost; else zero
	Took []time.Duration // of each message, where round trips are measured
	Time time.Duration   // what counts, where it is not the whole run; else zero
}

// Peer is a library, or a way to use one.
type Peer struct {
	Name   string
	About  string // how it is used here, in half a sentence
	Module string // whose version is told; "" if it has none
	// Lack says why it cannot do a Spec; "" where it can.
	Lack   func(s Spec) string
	Listen func(ctx context.Context, s Spec) (side Side, address string, err error)
	Dial   func(ctx context.Context, s Spec, address string) (Side, error)
}

// All are the peers, in the order of the tables.
func All() []Peer {
	return slices.Concat(rawPeers(), serpyPeers(), codecPeers(), mangosPeers(), goZeroMQPeers(), libzmqPeers(), natsPeers(), jetStreamPeers(), mqttPeers(), grpcPeers(), websocketPeers())
}

// Find gives the peer of that name.
func Find(name string) (Peer, bool) {
	for _, p := range All() {
		if p.Name == name {
			return p, true
		}
	}
	return Peer{}, false
}

// Version is the version of a peer's module in this program, "" where it has none.
func (p Peer) Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || p.Module == "" {
		return ""
	}
	if !strings.Contains(p.Module, "/") { // no module path: the version itself
		return p.Module
	}
	for _, d := range info.Deps {
		if d.Path == p.Module {
			return d.Version
		}
	}
	return ""
}

// BlobSize is what a large payload is cut into where a peer knows messages only, in
// bytes.
const BlobSize = 256 << 10

// Confirmed is the size of what a peer without acknowledgements of its own sends
// back for a message, in bytes.
const Confirmed = 8

// errRun is a Spec that a peer was asked for although it lacks it.
var errRun = errors.New("this peer cannot do that")

// only gives a Lack for a peer that does the kinds given, over the nets given.
func only(nets string, kinds ...Kind) func(Spec) string {
	return func(s Spec) string {
		if !strings.Contains(nets, s.Net) {
			return "not over " + s.Net
		}
		for _, k := range kinds {
			if k == s.Kind && s.Senders <= 1 {
				return ""
			}
		}
		return "not measured"
	}
}
