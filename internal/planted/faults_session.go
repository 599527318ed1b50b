package main

// Counts, Limits and ends, as two Hellos agree on them.
var sessionFaults = []fault{
	{
		name: "session/received-back", file: "internal/session/session.go", tests: ofSession,
		old:    `case c.Received < o.received || c.Received >= o.next:`,
		bad:    `case c.Received >= o.next:`,
		breaks: "a Hello may take back what was confirmed",
	},
	{
		name: "session/received-amid", file: "internal/session/session.go", tests: ofSession,
		old:    `case c.Received > o.received && !o.groups.has(c.Received):`,
		bad:    `case c.Received > o.next:`,
		breaks: "a Hello may confirm a part of a group",
	},
	{
		name: "session/ack-amid", file: "internal/session/outbound.go", tests: ofSession,
		old:    `case received > o.received && !o.groups.has(received):`,
		bad:    `case received > o.next:`,
		breaks: "a head may confirm a part of a group",
	},
	{
		name: "session/received-ahead", file: "internal/session/session.go", tests: ofSession,
		old:    `case c.Received < o.received || c.Received >= o.next:`,
		bad:    `case c.Received < o.received || c.Received > o.next:`,
		breaks: "a Hello may confirm a unit that was not written",
	},
	{
		name: "session/processed-back", file: "internal/session/session.go", tests: ofSession,
		old:    `case c.Processed < o.processed || c.Processed > c.Received:`,
		bad:    `case c.Processed > c.Received:`,
		breaks: "a Hello may take back what was processed",
	},
	{
		name: "session/limit-back", file: "internal/session/session.go", tests: ofSession,
		old:    `case c.LimitUnits < o.limitUnits || c.LimitBytes < o.limitBytes:`,
		bad:    `case c.LimitUnits < o.limitUnits:`,
		breaks: "a Hello may move the Limit in bytes back",
	},
	{
		name: "session/base-changes", file: "internal/session/session.go", tests: ofSession,
		old:    `case s.linked && (peer.AckWhen != o.ackWhen || peer.BaseID != o.peerBase || peer.Redelivered != in.redelivered):`,
		bad:    `case s.linked && (peer.AckWhen != o.ackWhen || peer.Redelivered != in.redelivered):`,
		breaks: "a later Hello may move all IDs",
	},
	{
		name: "session/due-after-resume", file: "internal/session/session.go", tests: ofSession,
		old:    `in.expect, o.due = in.received+1, o.received+1`,
		bad:    `in.expect, o.due = in.received+1, o.next`,
		breaks: "frames before the repeated units name the wrong unit",
	},
	{
		name: "session/nacks-not-repeated", file: "internal/session/session.go", tests: ofSession,
		old:    `s.ctl.linkUp(now, in.nacks)`,
		bad:    `s.ctl.linkUp(now, nil)`,
		breaks: "a nack that was lost with its link is never said again",
	},
	{
		name: "session/limit-not-floored", file: "internal/session/session.go", tests: ofSession,
		old:    `func floorBytes(n uint64) uint64 { return n - n%protocol.LimitBytesUnit }`,
		bad:    `func floorBytes(n uint64) uint64 { return n }`,
		breaks: "a Limit is promised that no head can say",
	},
	{
		name: "session/one-fault-more", file: "internal/session/session.go", tests: ofSession,
		old:    `return s.faults >= maxFaults`,
		bad:    `return s.faults > maxFaults`,
		breaks: "a peer that breaks rules keeps its session too long",
	},
	{
		name: "session/hello-is-progress", file: "internal/session/session.go", tests: ofSession,
		old:    `s.progress(c.Received > o.received || c.Processed > o.processed)`,
		bad:    `s.progress(true)`,
		breaks: "a peer that breaks a rule on each link keeps its session for ever",
	},
	{
		name: "session/resolved-by-own", file: "internal/session/session.go", tests: ofSession,
		old:    `if s.out.ackWhen == protocol.OnProcessed {`,
		bad:    `if s.cfg.AckWhen == protocol.OnProcessed {`,
		breaks: "receipts resolve by what we, not the peer, mean by an ack",
	},
	{
		name: "session/taken-by-limit", file: "internal/session/session.go", tests: ofSession,
		old:    `return max(o.taken, min(o.limitUnits-min(o.firstLimit, o.limitUnits), o.received))`,
		bad:    `return max(o.taken, min(o.limitUnits, o.received))`,
		breaks: "undelivered messages are reported as delivered",
	},
	{
		name: "session/window-too-wide", file: "internal/session/session.go", tests: ofSession,
		old:    `cfg.Units, cfg.Bytes = min(cfg.Units, MaxUnits), min(cfg.Bytes, MaxBytes)`,
		bad:    `cfg.Units, cfg.Bytes = min(cfg.Units, MaxUnits+1), min(cfg.Bytes, MaxBytes)`,
		breaks: "a move of the Limit looks like one backwards",
	},
}

// What is sent: credit, heads and the peer's acks.
var outboundFaults = []fault{
	{
		name: "outbound/credit-one-less", file: "internal/session/outbound.go", tests: ofSession,
		old:    `return o.limitUnits - min(o.limitUnits, o.next-1), o.limitBytes - min(o.limitBytes, o.bytes)`,
		bad:    `return o.limitUnits - min(o.limitUnits, o.next), o.limitBytes - min(o.limitBytes, o.bytes)`,
		breaks: "a window of one unit never moves",
	},
	{
		name: "outbound/credit-of-confirmed", file: "internal/session/outbound.go", tests: ofSession,
		old:    `return o.limitUnits - min(o.limitUnits, o.next-1), o.limitBytes - min(o.limitBytes, o.bytes)`,
		bad:    `return o.limitUnits - min(o.limitUnits, o.received), o.limitBytes - min(o.limitBytes, o.bytes)`,
		breaks: "the peer is overrun",
	},
	{
		name: "outbound/credit-without-link", file: "internal/session/outbound.go", tests: ofSession,
		in:     `func (s *Session) Credit(`,
		old:    `if !s.up {`,
		bad:    `if s.up && o.next == 0 {`,
		breaks: "units are numbered and thrown away while no link is there",
	},
	{
		name: "outbound/bytes-not-counted", file: "internal/session/outbound.go", tests: ofSession,
		old:    `o.bytes += uint64(bytes) //nolint:gosec // as above`,
		bad:    `o.bytes += uint64(count) //nolint:gosec // as above`,
		breaks: "the Limit in bytes is overrun",
	},
	{
		name: "outbound/due-not-moved", file: "internal/session/outbound.go", tests: ofSession,
		old:    `s.out.due = first + uint64(count) //nolint:gosec // a count is not negative`,
		bad:    `s.out.due = s.out.next`,
		breaks: "control between repeated units names the wrong unit",
	},
	{
		name: "outbound/ack-timer-kept", file: "internal/session/outbound.go", tests: ofSession,
		old:    `in.ackNow, in.unsaidUnits, in.unsaidBytes, in.ackFrom = false, 0, 0, time.Time{}`,
		bad:    `in.ackNow, in.unsaidUnits, in.unsaidBytes = false, 0, 0`,
		breaks: "acks that rode along are said again, without end",
	},
	{
		name: "outbound/limit-said-forgotten", file: "internal/session/outbound.go", tests: ofSession,
		old:    `in.saidReceived, in.saidProcessed, in.saidUnits, in.saidBytes = f.Received, f.Processed, units, bytes`,
		bad:    `in.saidReceived, in.saidProcessed = f.Received, f.Processed`,
		breaks: "the same Limit is said again, without end",
	},
	{
		name: "outbound/spoke-not-noted", file: "internal/session/outbound.go", tests: ofSession,
		old:    `s.ctl.saidAt = now`,
		bad:    `s.ctl.lastAt = now`,
		breaks: "a link that speaks pings all the same",
	},
	{
		name: "outbound/received-ahead", file: "internal/session/outbound.go", tests: ofSession,
		old:    `case received >= o.next:`,
		bad:    `case received > o.next:`,
		breaks: "an ack of what was never written is believed",
	},
	{
		name: "outbound/processed-ahead", file: "internal/session/outbound.go", tests: ofSession,
		old:    `case processed > received:`,
		bad:    `case processed > o.next:`,
		breaks: "units are processed that were not received",
	},
	{
		name: "outbound/received-is-processed", file: "internal/session/outbound.go", tests: ofSession,
		old:    `o.received, o.processed = received, processed`,
		bad:    `o.received, o.processed = received, received`,
		breaks: "receipts resolve before the application is done",
	},
	{
		name: "outbound/limit-bytes-stands", file: "internal/session/outbound.go", tests: ofSession,
		old:    `o.limitUnits, o.limitBytes = units, bytes*protocol.LimitBytesUnit`,
		bad:    `o.limitUnits, o.limitBytes = units, max(o.limitBytes, bytes)`,
		breaks: "the sender stops for good after one window",
	},
}
