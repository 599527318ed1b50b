package main

// Receipts, refusals, and what a lost session does to them.
var receiptFaults = []fault{
	{
		name: "receipt/flawed-ignored", file: "receipt.go", tests: ofRoot,
		old:    `if id <= c.resolved.Load() && !c.flawed.Load() {`,
		bad:    `if id <= c.resolved.Load() {`,
		breaks: "a refused message is confirmed",
	},
	{
		name: "receipt/waits-at-the-end", file: "receipt.go", tests: ofRoot,
		old:    `if c.ended || id <= c.resolved.Load() {`,
		bad:    `if id <= c.resolved.Load() {`,
		breaks: "a wait does not end with the connection",
	},
	{
		name: "receipt/wakes-out-of-order", file: "receipt.go", tests: ofRoot,
		old:    `i = sort.Search(i, func(k int) bool { return c.confirms[k].id > id })`,
		bad:    `i = sort.Search(i, func(k int) bool { return c.confirms[k].id < id })`,
		breaks: "who waits for an older message is not woken",
	},
	{
		name: "receipt/wake-one-less", file: "receipt.go", tests: ofRoot,
		old:    `for n < len(c.confirms) && c.confirms[n].id <= id {`,
		bad:    `for n < len(c.confirms) && c.confirms[n].id < id {`,
		breaks: "the newest receipt is not woken",
	},
	{
		name: "receipt/old-nacks-confirmed", file: "receipt.go", tests: ofRoot,
		old:    `n.horizon = max(n.horizon, oldest)`,
		bad:    `n.horizon = max(n.horizon, 0)`,
		breaks: "a refusal that is forgotten counts as confirmed",
	},
	{
		name: "receipt/old-losses-confirmed", file: "receipt.go", tests: ofRoot,
		old:    `n.horizon = max(n.horizon, n.lost[0].last)`,
		bad:    `n.horizon = max(n.horizon, 0)`,
		breaks: "a loss that is forgotten counts as confirmed",
	},
	{
		name: "receipt/all-older-lost", file: "receipt.go", tests: ofRoot,
		old:    `if l.first <= id && id <= l.last {`,
		bad:    `if id <= l.last {`,
		breaks: "confirmed messages before a lost session count as lost",
	},
	{
		name: "lose/resend-processed", file: "lose.go", tests: ofRoot,
		old:    `keep := c.opt.OnSessionLost == Resend || c.sess.PeerAckWhen() == protocol.OnProcessed`,
		bad:    `keep := c.opt.OnSessionLost == Resend`,
		breaks: "what the peer did not process is given up",
	},
	{
		name: "lose/waits-for-lost", file: "lose.go", tests: ofRoot,
		old:    `c.resolveTo(lost.last)`,
		bad:    `_ = lost.last`,
		breaks: "who waits for a lost message waits for ever",
	},
	{
		name: "lose/requests-wait", file: "lose.go", tests: ofRoot,
		old:    `c.failRequests(e)`,
		bad:    `_ = e`,
		breaks: "who waits for the reply to a lost request waits for ever",
	},
	{
		name: "lose/end-goes-too", file: "lose.go", tests: ofRoot,
		old:    `c.q.keepEnd()`,
		bad:    `c.q.closeLast()`,
		breaks: "CloseSend is lost with a session",
	},
	{
		name: "lose/only-going-away", file: "lose.go", tests: ofRoot,
		old:    `return code == protocol.CodeGoingAway || code == protocol.CodeBusy || code >= protocol.CodeEvicted`,
		bad:    `return code == protocol.CodeGoingAway`,
		breaks: "a dialler whose session was evicted ends",
	},
}

// Links: reconnection, the writer and the reader.
var linkFaults = []fault{
	{
		name: "reconnect/reset-on-accept", file: "reconnect.go", tests: ofRoot,
		old:    `if lived >= r.opt.StableAfter || progress {`,
		bad:    `if lived >= 0 || progress {`,
		breaks: "a server that accepts and drops is dialled without a pause",
	},
	{
		name: "reconnect/one-attempt-less", file: "reconnect.go", tests: ofRoot,
		old:    `if r.attempts > r.opt.MaxAttempts {`,
		bad:    `if r.attempts >= r.opt.MaxAttempts {`,
		breaks: "it gives up too early",
	},
	{
		name: "reconnect/busy-is-final", file: "reconnect.go", tests: ofRoot,
		old:    `if errors.Is(err, errPeerClosed) || errors.As(err, &refused) && refused.Final || errors.As(err, &closed) || c.halted.Load() {`,
		bad:    `if errors.Is(err, errPeerClosed) || errors.As(err, &refused) || errors.As(err, &closed) || c.halted.Load() {`,
		breaks: "a server that is busy for a moment ends the connection",
	},
	{
		name: "reconnect/broken-goes-on", file: "reconnect.go", tests: ofRoot,
		old:    `case broken || errors.Is(err, errGoingAway):`,
		bad:    `case broken && errors.Is(err, errGoingAway):`,
		breaks: "a session whose peer breaks rules goes on for ever",
	},
	{
		name: "stream/nobody-hurries", file: "stream.go", tests: ofRoot,
		old:    `func (s *stream) leaves() bool { return s.on && !s.all }`,
		bad:    `func (s *stream) leaves() bool { return s.on }`,
		breaks: "who waits waits for what nobody writes",
	},
	{
		name: "stream/nobody-looks", file: "stream.go", tests: ofRoot,
		old:    `s.on = false`,
		bad:    `s.on = true`,
		breaks: "the rest of a stream is never written",
	},
	{
		name: "write/two-writers", file: "write.go", tests: ofRoot,
		old:    `return l != nil && !l.writing && !l.dead && !l.saidClose && c.hasWork(l)`,
		bad:    `return l != nil && !l.dead && !l.saidClose && c.hasWork(l)`,
		breaks: "two writers share a link",
	},
	{
		name: "write/replay-needs-credit", file: "write.go", tests: ofRoot,
		old:    `return units > 0 || c.q.unsent < c.q.groups.len() && c.q.groups.at(c.q.unsent).first < c.sess.Next()`,
		bad:    `return units > 0`,
		breaks: "what has to be written again waits for room that it has",
	},
	{
		name: "write/replay-counted", file: "write.go", tests: ofRoot,
		old:    `if g.first >= c.sess.Next() {`,
		bad:    `if g.count > 0 {`,
		breaks: "what is written again is counted again",
	},
	{
		name: "write/sum-of-half", file: "write.go", tests: ofRoot,
		old:    `p.sum, p.summed = protocol.Sum(protocol.Sum(0, body), p.ref), true`,
		bad:    `p.sum, p.summed = protocol.Sum(0, body), true`,
		breaks: "large messages have a wrong checksum",
	},
	{
		name: "write/behind-a-reference", file: "write.go", tests: ofRoot,
		old:    `p.follow = before != nil && before.slab == g.slab && before.end == g.start && before.ref == nil`,
		bad:    `p.follow = before != nil && before.slab == g.slab && before.end == g.start`,
		breaks: "bytes go out in another order",
	},
	{
		name: "link/no-sum-taken", file: "link.go", tests: ofRoot,
		old:    `if f.Flags&protocol.NoSum != 0 && l.noSum == 0 {`,
		bad:    `if f.Flags&protocol.NoSum != 0 && l.noSum != 0 {`,
		breaks: "a peer leaves checksums out though we did not agree",
	},
	{
		name: "link/idle-too-early", file: "link.go", tests: ofRoot,
		old:    `if time.Since(l.heard) < l.c.opt.IdleTimeout {`,
		bad:    `if time.Since(l.heard) < 0 {`,
		breaks: "a link that speaks is cut for being idle",
	},
	{
		name: "link/dry-ack", file: "link.go", tests: ofRoot,
		old:    `answer := dry && c.sess.AckDue(now, true)`,
		bad:    `answer := dry && c.sess.AckDue(now, false)`,
		breaks: "an ack that somebody waits for is late",
	},
	{
		name: "state/base-forgotten", file: "state.go", tests: ofRoot,
		old:    `c.era.begun, c.era.baseID, c.era.redelivered = true, l.hello.BaseID, l.hello.Redelivered`,
		bad:    `c.era.begun, c.era.redelivered = true, l.hello.Redelivered`,
		breaks: "IDs begin at 1 in each session",
	},
	{
		name: "state/taken-of-old-era", file: "state.go", tests: ofRoot,
		old:    `if f.era == c.era {`,
		bad:    `if f.era != nil {`,
		breaks: "what was taken of a lost session makes room in the new one",
	},
	{
		name: "state/acks-of-old-era", file: "state.go", tests: ofRoot,
		old:    `if c.era == nil || c.era.epoch != m.epoch {`,
		bad:    `if c.era == nil {`,
		breaks: "an Ack of a message of a lost session confirms another message",
	},
	{
		name: "state/base-one-off", file: "connection.go", tests: ofRoot,
		old:    `base = c.q.groups.at(0).firstID - 1`,
		bad:    `base = c.q.groups.at(0).firstID`,
		breaks: "messages have other IDs in a new session",
	},
}
