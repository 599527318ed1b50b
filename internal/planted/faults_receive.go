package main

// What is dropped, and told.
var stageFaults = []fault{
	{
		name: "stage/acked-dropped", file: "stage.go", tests: ofRoot,
		old:    `if e.dropped || e.wire.awaited() {`,
		bad:    `if e.dropped {`,
		breaks: "an acknowledged message is dropped",
	},
	{
		name: "stage/any-tag", file: "stage.go", tests: ofRoot,
		old:    `if p == KeepLatest && e.wire.meta.Tag == tag {`,
		bad:    `if p == KeepLatest {`,
		breaks: "the latest of one tag displaces another tag",
	},
	{
		name: "stage/joined-gap-short", file: "stage.go", tests: ofRoot,
		old:    `e.last = after.last`,
		bad:    `_ = after.last`,
		breaks: "dropped messages are in no Gap",
	},
	{
		name: "stage/dropped-bytes", file: "stage.go", tests: ofRoot,
		in:     `func (s *stage) drop(`,
		old:    `s.bytes -= e.wire.size()`,
		bad:    `_ = e.wire.size()`,
		breaks: "dropped messages use up the bound in bytes",
	},
	{
		name: "stage/gap-not-grown", file: "stage.go", tests: ofRoot,
		old:    `e.last = id`,
		bad:    `_ = e.last`,
		breaks: "dropped messages are in no Gap",
	},
	{
		name: "stage/silent-drop", file: "stage.go", tests: ofRoot,
		old:    `c.q.addGap(next.gap())`,
		bad:    `_ = next.gap()`,
		breaks: "messages are dropped, and nobody is told",
	},
	{
		name: "stage/early", file: "stage.go", tests: ofRoot,
		old:    `if b.Policy.drops() && c.q.unsent < c.q.groups.len() {`,
		bad:    `if b.Policy.drops() && c.q.unsent > c.q.groups.len() {`,
		breaks: "the stalest, not the newest, is written",
	},
}

// The receive queue and its memory.
var receiveFaults = []fault{
	{
		name: "receive/chunk-too-soon", file: "receive.go", tests: ofRoot,
		old:    `r.chunk.hold(r.count)`,
		bad:    `r.chunk.hold(r.count - 1)`,
		breaks: "memory of a message that nobody took serves for something else",
	},
	{
		name: "receive/count-unchecked", file: "receive.go", tests: ofRoot,
		old:    `if err == nil && (r.count == 1) != (len(rest) == 0) {`,
		bad:    `if err == nil && r.count == 0 {`,
		breaks: "a group holds another count of units than it says",
	},
	{
		name: "receive/loss-untold", file: "receive.go", tests: ofRoot,
		old:    `q.addGap(Gap{Reason: LostWithSession})`,
		bad:    `_ = Gap{Reason: LostWithSession}`,
		breaks: "messages may be missing, and the application is not told",
	},
	{
		name: "receive/id-behind-gap", file: "making.go", tests: ofRoot,
		old:    `q.id = max(q.id, g.Last)`,
		bad:    `_ = g.Last`,
		breaks: "messages behind a gap have the IDs of those that are missing",
	},
	{
		name: "receive/message-in-message", file: "making.go", tests: ofRoot,
		old:    `case q.making != nil && u.Flags&protocol.UnitContinued == 0:`,
		bad:    `case q.making != nil && q.making.skip:`,
		breaks: "a message begins inside another",
	},
	{
		name: "receive/behind-the-end", file: "making.go", tests: ofRoot,
		old:    `case q.ended:`,
		in:     `func (q *receiveQueue) unitTaken(`,
		bad:    `case q.ended && q.making != nil:`,
		breaks: "messages come behind the end",
	},
	{
		name: "receive/gap-replaced", file: "making.go", tests: ofRoot,
		old:    `g.First, g.Last, g.Count = min(was.First, g.First), max(was.Last, g.Last), was.Count+g.Count`,
		bad:    `g.First = min(was.First, g.First)`,
		breaks: "of two gaps at one place one is forgotten",
	},
	{
		name: "receive/gap-known", file: "making.go", tests: ofRoot,
		old:    `q.vague = g.Count == 0 || q.vague && g.Reason != LostWithSession`,
		bad:    `q.vague = g.Count == 0`,
		breaks: "a gap says how many are missing where nobody knows",
	},
	{
		name: "receive/gap-not-processed", file: "receive.go", tests: ofRoot,
		old:    `if !q.now.acks {`,
		bad:    `if q.now.acks {`,
		breaks: "a gap stops the processed number for ever",
	},
	{
		name: "receive/fragment-restarts", file: "making.go", tests: ofRoot,
		old:    `if first := u.Flags&protocol.UnitContinued == 0; first == (w != nil) {`,
		bad:    `if first := u.Flags&protocol.UnitContinued == 0; !first && w == nil {`,
		breaks: "a fragment begins a message inside another",
	},
	{
		name: "receive/header-lent", file: "making.go", tests: ofRoot,
		old:    `meta.Header = bytes.Clone(meta.Header) // the chunk may serve again before the message is whole`,
		bad:    `meta.Header = bytes.TrimSpace(meta.Header)`,
		breaks: "the header of a large message changes under way",
	},
	{
		name: "receive/fragments-too-long", file: "making.go", tests: ofRoot,
		old:    `if len(w.data)+len(u.Payload) > w.meta.Size {`,
		bad:    `if len(w.data) > w.meta.Size {`,
		breaks: "a message in the making is larger than it said",
	},
	{
		name: "receive/fragments-keep-room", file: "making.go", tests: ofRoot,
		old:    `q.free.units++ // it has no need of a place among the messages any more`,
		bad:    `q.free.units += 0`,
		breaks: "a message of many fragments never fits a small queue",
	},
	{
		name: "receive/message-too-short", file: "making.go", tests: ofRoot,
		old:    `if len(w.data) != w.meta.Size {`,
		bad:    `if len(w.data) > w.meta.Size {`,
		breaks: "a message is shorter than it said",
	},
	{
		name: "receive/gap-repeated", file: "making.go", tests: ofRoot,
		old:    `q.gap, q.vague = nil, false`,
		bad:    `q.vague = false`,
		breaks: "every message has the gap of the first",
	},
	{
		name: "receive/redelivered-one-less", file: "making.go", tests: ofRoot,
		old:    `m.Redelivered = m.unit <= e.redelivered`,
		bad:    `m.Redelivered = m.unit < e.redelivered`,
		breaks: "a message that comes again is not flagged",
	},
	{
		name: "receive/free-untold", file: "receive.go", tests: ofRoot,
		old:    `if !now && q.regions.len() > 0 && f.units < q.tellUnits && f.bytes < q.tellBytes {`,
		bad:    `if !now && f.units < q.tellUnits && f.bytes < q.tellBytes {`,
		breaks: "the last room that was freed is not announced",
	},
	{
		name: "receive/ahead-kept", file: "receive.go", tests: ofRoot,
		old:    `q.retract()`,
		in:     `func (q *receiveQueue) compact(`,
		bad:    `q.settle()`,
		breaks: "what was cut ahead is taken from memory that was given back",
	},
	{
		name: "receive/ahead-uncounted", file: "stats.go", tests: ofRoot,
		old:    `c.rq.settle()`,
		bad:    `_ = c.rq.settle`,
		breaks: "what was taken without the lock is counted as waiting",
	},
	{
		name: "receive/lent-overwritten", file: "chunk.go", tests: ofRoot,
		old:    `if b.parsed == b.filled && b.chunk.alone() {`,
		bad:    `if b.parsed == b.filled {`,
		breaks: "received messages change after they were taken",
	},
	{
		name: "receive/chunk-recycled", file: "chunk.go", tests: ofRoot,
		old:    `if live := k.live.Add(-int64(n)); live <= 0 {`,
		bad:    `if live := k.live.Add(-int64(n)); live <= 1 {`,
		breaks: "memory that the reader fills serves for something else",
	},
}
