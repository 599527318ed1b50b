package main

// goal is what a figure of the library is to reach.
type goal struct {
	what string // in the words of the table
	cell string // work/peer, and /congestion where it is of one only
	to   string // the cell of the same round by which it is divided; "" is the row's reference, alone is none
	of   figureOf
	must float64 // the bound; 0 where there is only an aim
	aim  float64 // where it would be well; 0 where there is only a bound
	per  float64 // by which the figure is divided, too; 0 is 1
}

// alone is the reference of a figure that is taken as it is.
const alone = "-"

// figureOf is which figure of a reading a goal is about.
type figureOf uint8

const (
	theValue figureOf = iota
	theTail           // 99th percentile
	theAllocations
	theLost
	theClient // what the dialling side holds
	theGoroutines
	theClientGoroutines
	theGrowth // what is held after all messages, to what is held after few
	theLater  // the same, to what is held after a tenth of them
)

func (f figureOf) in(r reading) float64 {
	switch f {
	case theTail:
		return r.P99
	case theAllocations:
		return r.Alloc
	case theLost:
		return r.Lost
	case theClient:
		return r.Client
	case theGoroutines:
		return r.ServerGoroutines
	case theClientGoroutines:
		return r.ClientGoroutines
	case theGrowth:
		return r.Value / r.Few
	case theLater:
		return r.Value / r.Most
	case theValue:
	}
	return r.Value
}

// next to nothing: what a program allocates beside its messages.
const nothing = 0.01

// goals are all of them, in the order of the table.
func goals(all []work) []goal {
	return append(streamGoals(), append(otherGoals(), growthGoals(all)...)...)
}

func streamGoals() []goal {
	return []goal{
		{what: "16 B, Release", cell: "oneway-16/serpy", must: 0.55, aim: 0.75},
		{what: "the same, to libzmq", cell: "oneway-16/serpy", to: "oneway-16/libzmq", must: 10},
		{what: "the same, allocations a message", cell: "oneway-16/serpy", to: alone, of: theAllocations, must: nothing},
		{what: "16 B, batch calls", cell: "oneway-16/serpy-batch", must: 1.0, aim: 1.3},
		{what: "128 B, Release", cell: "oneway-128/serpy", must: 0.80, aim: 1.0},
		{what: "128 B, batch calls", cell: "oneway-128/serpy-batch", must: 1.0, aim: 1.3},
		{what: "1 KiB, Release", cell: "oneway-1k/serpy", must: 1.2, aim: 1.4},
		{what: "1 KiB, Release, cubic", cell: "oneway-1k/serpy/cubic", must: 0.60, aim: 0.80},
		{what: "64 KiB, copied", cell: "oneway-64k/serpy", must: 1.0, aim: 1.3},
		{what: "64 KiB, NoCopy", cell: "oneway-64k/serpy-nocopy", must: 1.2, aim: 1.7},
		{what: "16 B, without Release", cell: "oneway-16/serpy-keep", must: 0.50, aim: 0.65},
		{what: "128 B, without Release", cell: "oneway-128/serpy-keep", must: 0.60, aim: 0.85},
		{what: "1 KiB, without Release", cell: "oneway-1k/serpy-keep", must: 0.70, aim: 1.0},
		{what: "64 KiB, without Release", cell: "oneway-64k/serpy-keep", must: 0.55, aim: 0.8},
		{what: "unix socket, 1 KiB", cell: "unix-1k/serpy", must: 1.5, aim: 2.0},
		{what: "unix socket, 64 KiB, NoCopy", cell: "unix-64k/serpy-nocopy", must: 1.8, aim: 2.4},
		{what: "4 senders on a connection, 128 B, to one sender", cell: "senders-4/serpy", must: 0.8, aim: 1.0},
		{what: "TLS, 1 KiB, to a bare socket with TLS", cell: "tls-1k/serpy", must: 0.7, aim: 1.0},
		{what: "a blob, to io.Copy with a CRC", cell: "blob/serpy-blob", to: "blob/rawtcp-crc", must: 0.8},
	}
}

func otherGoals() []goal {
	return []goal{
		{what: "ping-pong, same, median", cell: "pingpong-same/serpy", must: 1.12, aim: 1.05},
		{what: "ping-pong, same, p99", cell: "pingpong-same/serpy", of: theTail, must: 1.15},
		{what: "ping-pong, split, with Spin, median", cell: "pingpong-split/serpy-spin", must: 0.12, aim: 0.09},
		{what: "ping-pong, same, with Spin, median", cell: "pingpong-same/serpy-spin", must: 1.12, aim: 1.05},
		{what: "acknowledged one at a time, same, median", cell: "acked-same/serpy", must: 1.10, aim: 1.05},
		{what: "acknowledged one at a time, same, p99", cell: "acked-same/serpy", of: theTail, must: 1.2},
		{what: "acknowledged, 1 024 under way", cell: "acked-1024/serpy", must: 0.9, aim: 1.2},
		{what: "the same, to JetStream in memory", cell: "acked-1024/serpy", to: "acked-1024/jetstream-memory", must: 30},
		{what: "fan-out, 1 KiB × 100", cell: "fanout-100/serpy", must: 0.75, aim: 1.0},
		{what: "the same, to NATS", cell: "fanout-100/serpy", to: "fanout-100/nats", must: 3},
		{what: "the same, share of messages lost", cell: "fanout-100/serpy", to: alone, of: theLost, must: 0},
		{what: "idle connection, bytes, listening side", cell: "idle/serpy", to: alone, must: 7500, aim: 5000},
		{what: "idle connection, bytes, dialling side", cell: "idle/serpy", to: alone, of: theClient, must: 7500, aim: 5000},
		{what: "idle connection, goroutines, listening side", cell: "idle/serpy", to: alone, of: theGoroutines, must: 2, aim: 1},
		{what: "idle connection, goroutines, dialling side", cell: "idle/serpy", to: alone, of: theClientGoroutines, must: 2, aim: 1},
		{what: "base85, encode, to encoding/ascii85", cell: "base85-encode/serpy-base85", must: 2},
		{what: "base85, encode, MB/s", cell: "base85-encode/serpy-base85", to: alone, aim: 1000},
		{what: "base85, decode, to encoding/ascii85", cell: "base85-decode/serpy-base85", must: 2},
		{what: "base85, decode, MB/s", cell: "base85-decode/serpy-base85", to: alone, aim: 1000},
	}
}

// step is what a row of growing work may cost more than the one before: a tenth of
// the messages is in the processor's cache there, all of them here. More is a step.
const step = 2

// growthGoals compare each row of how the cost grows with the row before.
func growthGoals(all []work) []goal {
	var list []goal
	var before work
	for _, w := range all {
		if !w.grows() {
			continue
		}
		if w.spec.Kind == before.spec.Kind && w.series() == before.series() {
			g := goal{what: "a message, " + w.title + ", to " + before.title, cell: w.name + "/serpy", to: before.name + "/serpy", must: step}
			if w.series() == "size" {
				g.what = "a byte, " + w.title + ", to " + before.title
				g.per = float64(w.spec.Size) / float64(before.spec.Size)
			}
			list = append(list, g)
		}
		before = w
		if w.few > 0 {
			g := goal{what: "memory " + w.title + ", to that after " + grouped(w.few), cell: w.name + "/serpy", to: alone, of: theGrowth, must: 1.1}
			later := g
			later.what, later.of = "memory "+w.title+", to that after "+grouped(w.many/10), theLater
			list = append(list, g, later)
		}
	}
	return list
}
