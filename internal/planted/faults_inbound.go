package main

// What is received: order, Limit, acks and nacks.
var inboundFaults = []fault{
	{
		name: "inbound/repeated-units", file: "internal/session/inbound.go", tests: ofSession,
		old:    `if f.First != in.expect&(1<<protocol.FirstBits-1) {`,
		bad:    `if f.First > in.expect&(1<<protocol.FirstBits-1) {`,
		breaks: "units that come again are delivered again",
	},
	{
		name: "inbound/limit-of-units-only", file: "internal/session/inbound.go", tests: ofSession,
		old:    `if in.received+count > in.limitUnits || in.bytes+bytes > in.limitBytes {`,
		bad:    `if in.received+count > in.limitUnits {`,
		breaks: "a peer fills the memory beyond the Limit",
	},
	{
		name: "inbound/ask-forgotten", file: "internal/session/inbound.go", tests: ofSession,
		old:    `in.ackNow = in.ackNow || f.Flags&protocol.AckNow != 0`,
		bad:    `in.ackNow = f.Flags&protocol.AckNow != 0`,
		breaks: "a frame behind an acknowledged message delays its receipt",
	},
	{
		name: "inbound/ack-pushed-away", file: "internal/session/inbound.go", tests: ofSession,
		old:    `if in.ackFrom.IsZero() {`,
		bad:    `if count > 0 {`,
		breaks: "each unit puts the ack of all before it off",
	},
	{
		name: "inbound/limit-bytes-exact", file: "internal/session/inbound.go", tests: ofSession,
		old:    `in.limitBytes = max(in.limitBytes, floorBytes(in.freedBytes+s.cfg.Bytes))`,
		bad:    `in.limitBytes = max(in.limitBytes, in.freedBytes+s.cfg.Bytes)`,
		breaks: "more is taken than any head said",
	},
	{
		name: "inbound/processed-twice", file: "internal/session/inbound.go", tests: ofSession,
		old:    `if first <= in.processed || last > in.received || in.done.has(first) {`,
		bad:    `if last > in.received || in.done.has(first) {`,
		breaks: "a message that is acknowledged twice frees its room twice",
	},
	{
		name: "inbound/nack-on-receipt", file: "internal/session/inbound.go", tests: ofSession,
		old:    `if nack != nil && s.cfg.AckWhen == protocol.OnProcessed {`,
		bad:    `if nack != nil {`,
		breaks: "a nack is said to a peer that takes it for a broken rule",
	},
	{
		name: "inbound/done-kept", file: "internal/session/inbound.go", tests: ofSession,
		old:    `in.done = slices.Delete(in.done, 0, 1)`,
		bad:    `in.done = slices.Delete(in.done, 0, 0)`,
		breaks: "each message acknowledged out of order stays in memory",
	},
	{
		name: "inbound/spans-never-joined", file: "internal/session/spans.go", tests: ofSession,
		old:    `before, behind := i > 0 && s[i-1][1]+1 == first, i < len(s) && last+1 == s[i][0]`,
		bad:    `before, behind := i > 0 && s[i-1][1] == first, i < len(s) && last+1 == s[i][0]`,
		breaks: "a peer makes us keep each unit that is processed out of order",
	},
	{
		name: "inbound/nacks-unordered", file: "internal/session/inbound.go", tests: ofSession,
		old:    `for i > 0 && in.nacks[i-1].Unit > n.Unit {`,
		bad:    `for i > len(in.nacks) {`,
		breaks: "the processed number passes a nack that the sender does not know",
	},
	{
		name: "inbound/nack-keeps-room", file: "internal/session/inbound.go", tests: ofSession,
		old:    `s.free(n.units, n.bytes)`,
		bad:    `_ = n.units`,
		breaks: "refused messages use the window up",
	},
	{
		name: "inbound/processed-passes-nack", file: "internal/session/inbound.go", tests: ofSession,
		old:    `p = min(p, s.in.nacks[0].Unit-1)`,
		bad:    `p = min(p, s.in.nacks[0].Unit)`,
		breaks: "a refused message is confirmed",
	},
	{
		name: "inbound/ack-storm", file: "internal/session/inbound.go", tests: ofSession,
		old:    `case dry && in.ackNow && in.saidReceived != in.received:`,
		bad:    `case in.ackNow && in.saidReceived != in.received:`,
		breaks: "one frame is answered by one ack, under any load",
	},
	{
		name: "inbound/no-lone-ack", file: "internal/session/inbound.go", tests: ofSession,
		old:    `return !in.ackFrom.IsZero() && now.Sub(in.ackFrom) >= AckDelay`,
		bad:    `return false`,
		breaks: "what nobody waits for is never acknowledged",
	},
	{
		name: "inbound/limit-one-late", file: "internal/session/inbound.go", tests: ofSession,
		old:    `return in.limitUnits-in.saidUnits >= unitStep(s.cfg.Units) || in.limitBytes-in.saidBytes >= byteStep(s.cfg.Bytes)`,
		bad:    `return in.limitUnits-in.saidUnits > unitStep(s.cfg.Units) || in.limitBytes-in.saidBytes > byteStep(s.cfg.Bytes)`,
		breaks: "a sender waits for room that is there",
	},
	{
		name: "inbound/window-without-header", file: "internal/session/inbound.go", tests: ofSession,
		old:    `largest += units*8 + protocol.MaxHeader + 256`,
		bad:    `largest += units * 8`,
		breaks: "the largest message does not fit the window",
	},
	{
		name: "inbound/window-without-step", file: "internal/session/inbound.go", tests: ofSession,
		old:    `window := max(uint64(queue), largest+min(largest/3, ackBytes)) //nolint:gosec // a size is not negative`,
		bad:    `window := max(uint64(queue), largest) //nolint:gosec // a size is not negative`,
		breaks: "the largest message waits for room that is not announced",
	},
}
