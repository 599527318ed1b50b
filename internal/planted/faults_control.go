package main

// Nacks, heartbeats and Close.
var controlFaults = []fault{
	{
		name: "control/close-once", file: "internal/session/control.go", tests: ofSession,
		old:    `c.ping, c.pong, c.seen, c.closed = false, nil, nil, false`,
		bad:    `c.ping, c.pong, c.seen = false, nil, nil`,
		breaks: "a Close that was lost with its link is not said again",
	},
	{
		name: "control/seen-rest-lost", file: "internal/session/control.go", tests: ofSession,
		old:    `body, c.seen = nackBody(c.seen)`,
		bad:    `body, _ = nackBody(c.seen); c.seen = nil`,
		breaks: "of many nacks only those of the first frame are confirmed",
	},
	{
		name: "control/nacks-too-long", file: "internal/session/control.go", tests: ofSession,
		old:    `for len(nacks) > 0 && len(body) < maxNackBody {`,
		bad:    `for len(nacks) > 0 {`,
		breaks: "a frame is longer than a control frame may be",
	},
	{
		name: "control/close-passes-nacks", file: "internal/session/control.go", tests: ofSession,
		old:    `return nacks, min(in.processed, n.Unit-1)`,
		bad:    `return nacks, in.processed`,
		breaks: "refused messages for which a Close has no room are confirmed",
	},
	{
		name: "control/close-without-nacks", file: "internal/session/control.go", tests: ofSession,
		old:    `nacks = append(nacks, n.Nack)`,
		bad:    `_ = n.Nack`,
		breaks: "a Close confirms refused messages",
	},
	{
		name: "control/data-after-close", file: "internal/session/control.go", tests: ofSession,
		old:    `if s.ctl.closed && f.Kind != protocol.KindClose {`,
		bad:    `if s.ctl.closed && f.Kind == protocol.KindPing {`,
		breaks: "units are received behind final numbers",
	},
	{
		name: "control/confirmed-behind-close", file: "internal/session/control.go", tests: ofSession,
		old:    `return v, nil // our numbers were final: nothing is received any more`,
		bad:    `return Verdict{}, nil // our numbers were final: nothing is received any more`,
		breaks: "receipts are not resolved while closing",
	},
	{
		name: "control/old-nacks-in-close", file: "internal/session/control.go", tests: ofSession,
		old:    `if p.Code != protocol.CodeProtocol && n.Unit > was && n.Unit <= s.out.received {`,
		bad:    `if n.Unit > was {`,
		breaks: "a Close refuses units that were never received",
	},
	{
		name: "control/nack-of-processed", file: "internal/session/control.go", tests: ofSession,
		old:    `case n.Unit <= o.processed:`,
		bad:    `case n.Unit < o.processed:`,
		breaks: "a confirmed message is refused afterwards",
	},
	{
		name: "control/nack-not-confirmed", file: "internal/session/control.go", tests: ofSession,
		old:    `c.seen = append(c.seen, protocol.Nack{Unit: n.Unit})`,
		bad:    `_ = c.seen`,
		breaks: "a refused message holds the processed number up for ever",
	},
	{
		name: "control/no-heartbeat", file: "internal/session/control.go", tests: ofSession,
		old:    `if slept || now.Sub(c.saidAt) >= s.cfg.Heartbeat {`,
		bad:    `if slept && now.Sub(c.saidAt) >= s.cfg.Heartbeat {`,
		breaks: "an idle link falls silent",
	},
	{
		name: "control/sleep-unnoticed", file: "internal/session/control.go", tests: ofSession,
		old:    `slept := (wall - monotonic).Abs() >= s.cfg.Heartbeat`,
		bad:    `slept := wall-monotonic >= 100*s.cfg.Heartbeat`,
		breaks: "a machine that slept does not ask whether its peer is there",
	},
	{
		name: "control/ack-behind-heartbeat", file: "internal/session/control.go", tests: ofSession,
		old:    `if ack := from.Add(AckDelay); !ok || ack.Before(t) {`,
		bad:    `if ack := from.Add(AckDelay); !ok {`,
		breaks: "an ack that nobody asked for comes with the next heartbeat",
	},
}
