package serpytest

import (
	"cmp"
	"fmt"
	"slices"
)

// What is missing, and who was told.

// checkCounts holds the counts of messages, and the gaps between them, to one
// another.
func (c *checker) checkCounts() {
	last := uint64(0)
	for _, r := range c.received {
		if r.gap != nil {
			c.gaps = append(c.gaps, placedGap{*r.gap, r.at})
			c.checkGap(r, last)
		}
		s := c.sent[r.key]
		if r.id == 0 || s == nil || r.at != s.first {
			continue
		}
		switch {
		case r.id <= last:
			c.report(OutOfOrder, fmt.Sprintf("has the count %d, and came after %d", r.id, last), r.key)
		case r.id > last+1 && r.gap == nil && c.receiverCrash == 0:
			c.report(UnreportedGap, fmt.Sprintf("counts %d to %d are missing before %d, without a Gap", last+1, r.id-1, r.id), r.key)
		case c.sequential && !c.crashed() && s.place != 0 && r.id != s.place:
			c.report(Mislabelled, fmt.Sprintf("was accepted as number %d, but has the count %d", s.place, r.id), r.key)
		}
		last = max(last, r.id)
	}
	slices.SortStableFunc(c.gaps, func(a, b placedGap) int { return cmp.Compare(a.First, b.First) })
	for _, r := range c.received {
		// What was lost with a session may have come before: nobody could say so.
		if g, ok := c.gapAt(r.id); ok && (!g.WithSession || r.at > g.at) {
			c.report(LyingGap, fmt.Sprintf("counts %d to %d were said to be missing, but %d came", g.First, g.Last, r.id), r.key)
		}
	}
}

// checkGap holds the gap before r to its place and its own figures; last is
// the highest count before it.
func (c *checker) checkGap(r reception, last uint64) {
	g := *r.gap
	switch {
	case g.Count == 0:
		if c.sessionsLost == 0 && !c.crashed() {
			c.report(LyingGap, "an unknown number missing, although no session was lost", r.key)
		}
	case g.Last < g.First || g.Count != g.Last-g.First+1:
		c.report(LyingGap, fmt.Sprintf("from %d to %d are not %d", g.First, g.Last, g.Count), r.key)
	case g.WithSession && c.sessionsLost == 0 && !c.crashed():
		c.report(LyingGap, "lost with a session, although no session was lost", r.key)
	case r.id != 0 && (g.Last+1 != r.id || g.First > last+1 && c.receiverCrash == 0 || g.First <= last && !g.WithSession && c.receiverCrash == 0):
		c.report(LyingGap, fmt.Sprintf("%d to %d do not fill the place between %d and %d", g.First, g.Last, last, r.id), r.key)
	}
}

// gapAt returns the gap that holds a count; c.gaps is sorted.
func (c *checker) gapAt(id uint64) (placedGap, bool) {
	i, found := slices.BinarySearchFunc(c.gaps, id, func(g placedGap, id uint64) int { return cmp.Compare(g.First, id) })
	if !found {
		i--
	}
	if i < 0 || id == 0 || c.gaps[i].Last < id {
		return placedGap{}, false
	}
	return c.gaps[i], true
}

// checkLosses holds each accepted message that never came to a report: to the
// receiver by a gap, to the sender by its receipt, by the loss of a session,
// or by the policy's count.
func (c *checker) checkLosses() {
	var plain, acked []uint64 // not explained one by one
	explained := uint64(0)    // by a policy's gaps
	for _, s := range c.accepted {
		if s.first != 0 || s.unconfirmed != 0 || c.excused(s) {
			continue
		}
		var g placedGap
		byPolicy := false
		if c.sequential {
			g, byPolicy = c.gapAt(s.place)
			byPolicy = byPolicy && !g.WithSession
		}
		switch {
		case byPolicy && s.acked:
			c.report(LyingGap, "a policy is said to have dropped it, although its sender waits for a receipt", s.key)
		case byPolicy:
			explained++
		case s.acked:
			acked = append(acked, s.key)
		default:
			plain = append(plain, s.key)
		}
	}
	inGaps := c.inPolicyGaps()
	if missing := c.missing(); inGaps > missing {
		c.report(LyingGap, fmt.Sprintf("%d are said to have been dropped, but only %d did not come", inGaps, missing))
	}
	droppable := max(c.dropped, inGaps) - min(explained, inGaps)
	lost := uint64(len(plain)) - min(uint64(len(plain)), droppable) + uint64(len(acked))
	if lost > c.lostBudget {
		keys := append(plain, acked...)
		c.report(Lost, fmt.Sprintf("of %d that never came, %d were reported to nobody", len(keys), lost-c.lostBudget), keys...)
	}
}

// excused says that s may be missing because a process died.
func (c *checker) excused(s *Sent) bool {
	return s.returned < c.senderCrash || s.returned < c.receiverCrash && !c.WhenProcessed
}

// inPolicyGaps sums what gaps say was dropped by a policy.
func (c *checker) inPolicyGaps() (n uint64) {
	for _, g := range c.gaps {
		if !g.WithSession {
			n += g.Count
		}
	}
	return n
}

// missing counts the messages that may have been accepted and never came.
func (c *checker) missing() (n uint64) {
	for _, s := range c.sent {
		if s.first == 0 && !s.refused {
			n++
		}
	}
	return n
}
