package main

import (
	"fmt"
	"strings"

	"github.com/serpy-go/serpy/bench/internal/peer"
)

// work is what is measured of each peer that can do it.
type work struct {
	name  string
	title string // of its column
	spec  peer.Spec
	pin   pin
	unit  unit
	ref   string // the peer that the others are compared with; "work/peer" names one of another work
	both  bool   // measured under each congestion control
	once  bool   // measured in one round: it takes long, or does not scatter
	alone bool   // of the library only
	few   int    // not 0: what is measured is the memory after few and after many messages
	many  int
}

// unit says what a value is, and which way is better.
type unit string

const (
	perSecond unit = "messages/s"
	megabytes unit = "MB/s"
	micros    unit = "µs" // median of the round trips
	nanos     unit = "ns/message"
	bytesEach unit = "B/connection"
	bytesAll  unit = "B" // of both processes
)

// lower says that less is better.
func (u unit) lower() bool { return u != perSecond && u != megabytes }

// The sizes of the works that have one, in bytes.
const (
	small  = 128
	medium = 1 << 10
	large  = 64 << 10
)

// works are all of them, in the order of the tables.
func works(quick bool) []work {
	all := make([]work, 0, 64)
	for _, size := range []int{16, small, medium, large} {
		all = append(all, work{
			name: "oneway-" + sizeName(size), title: sizeTitle(size), unit: perSecond, ref: "rawtcp", both: !quick || size == medium,
			spec: peer.Spec{Kind: peer.OneWay, Net: peer.TCP, Size: size},
		})
	}
	for _, size := range []int{medium, large} {
		all = append(all, work{
			name: "unix-" + sizeName(size), title: "unix socket, " + sizeTitle(size), unit: perSecond, ref: "oneway-" + sizeName(size) + "/rawtcp",
			spec: peer.Spec{Kind: peer.OneWay, Net: peer.Unix, Size: size},
		})
	}
	all = append(all,
		work{
			name: "tls-1k", title: "TLS, 1 KiB", unit: perSecond, ref: "rawtcp", both: !quick,
			spec: peer.Spec{Kind: peer.OneWay, Net: peer.TLS, Size: medium},
		},
		work{
			name: "senders-4", title: "4 senders, 128 B", unit: perSecond, ref: "oneway-128/serpy", alone: true,
			spec: peer.Spec{Kind: peer.OneWay, Net: peer.TCP, Size: small, Senders: 4},
		},
		work{
			name: "blob", title: "blob", unit: megabytes, ref: "rawtcp", both: !quick,
			spec: peer.Spec{Kind: peer.OneWay, Net: peer.TCP, Size: peer.BlobSize},
		},
	)
	all = append(all, roundTrips()...)
	all = append(all,
		work{
			name: "acked-1024", title: "acked, 1 024 under way", unit: perSecond, ref: "rawtcp",
			spec: peer.Spec{Kind: peer.Acked, Net: peer.TCP, Size: small, Window: 1024},
		},
		work{
			name: "fanout-100", title: "fan-out, 1 KiB × 100", unit: perSecond, ref: "rawtcp", both: !quick,
			spec: peer.Spec{Kind: peer.FanOut, Net: peer.TCP, Size: medium, Conns: 100},
		},
		work{
			name: "idle", title: grouped(idleConns(quick)) + " idle", unit: bytesEach, ref: "rawtcp", once: true,
			spec: peer.Spec{Kind: peer.Idle, Net: peer.TCP, Size: small},
		},
	)
	for _, kind := range []peer.Kind{peer.Encode, peer.Decode} {
		all = append(all, work{
			name: "base85-" + string(kind), title: "base85, " + string(kind), unit: megabytes, ref: "ascii85",
			spec: peer.Spec{Kind: kind, Net: peer.TCP, Size: 4 << 10},
		})
	}
	return append(all, growth(quick)...)
}

// roundTrips are measured with both processes on one CPU, and each on one of its own:
// left to themselves they would be now here, now there.
func roundTrips() []work {
	var all []work
	for _, where := range []struct {
		name string
		pin  pin
	}{{"same", sameCPU}, {"split", splitCPU}} {
		all = append(all,
			work{
				name: "pingpong-" + where.name, title: "ping-pong, " + where.name, unit: micros, ref: "rawtcp", pin: where.pin,
				spec: peer.Spec{Kind: peer.PingPong, Net: peer.TCP, Size: small},
			},
			work{
				name: "acked-" + where.name, title: "acked, " + where.name, unit: micros, ref: "rawtcp", pin: where.pin,
				spec: peer.Spec{Kind: peer.Acked, Net: peer.TCP, Size: small, Window: 1},
			})
	}
	return all
}

// growth is how the library's cost grows with the connections, the queues, the sizes
// and the messages that it has carried.
func growth(quick bool) []work {
	var all []work
	for _, n := range []int{1, 100, 1000, 10_000} {
		if n > idleConns(quick) {
			break
		}
		all = append(all, work{
			name: fmt.Sprintf("conns-%d", n), title: grouped(n) + " connections", unit: nanos, ref: "rawtcp", alone: true,
			once: n >= 1000,
			spec: peer.Spec{Kind: peer.Spread, Net: peer.TCP, Size: small, Conns: n},
		})
	}
	for n := 10; n <= 1_000_000; n *= 10 {
		all = append(all, work{
			name: fmt.Sprintf("depth-%d", n), title: grouped(n) + " queued", unit: nanos, ref: "depth-1000/serpy", alone: true,
			spec: peer.Spec{Kind: peer.Depth, Net: peer.TCP, Size: 16, Depth: n},
		})
	}
	for _, size := range []int{1, 16, 256, 4 << 10, large, 1 << 20, 16 << 20} {
		all = append(all, work{
			name: "size-" + sizeName(size), title: sizeTitle(size), unit: nanos, ref: "rawtcp", alone: true,
			spec: peer.Spec{Kind: peer.OneWay, Net: peer.TCP, Size: size},
		})
	}
	many := 100_000_000
	if quick {
		many = 10_000_000
	}
	return append(all, work{
		name: "memory", title: "after " + grouped(many) + " messages", unit: bytesAll, ref: "serpy", alone: true, once: true, few: 100_000, many: many,
		spec: peer.Spec{Kind: peer.OneWay, Net: peer.TCP, Size: 16, Rest: true},
	})
}

// grows says that the work is one of those that show how the cost grows.
func (w work) grows() bool { return w.unit == nanos || w.unit == bytesAll }

// series is what the works have in common that differ in how much there is of it.
func (w work) series() string {
	before, _, _ := strings.Cut(w.name, "-")
	return before
}

// idleConns is how many connections are made for the work of that name.
func idleConns(quick bool) int {
	if quick {
		return 1000
	}
	return 10_000
}

func sizeName(n int) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%dm", n>>20)
	case n >= 1<<10:
		return fmt.Sprintf("%dk", n>>10)
	}
	return fmt.Sprint(n)
}

func sizeTitle(n int) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d B", n)
}
