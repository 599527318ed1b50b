package serpytest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// Kind is a promise that was broken.
type Kind uint8

// The promises of serpy that a [History] can see broken.
const (
	Lost          Kind = iota // accepted, never received, and nobody was told
	Duplicated                // received twice, and not marked so, or with all sessions alive
	OutOfOrder                // received after what was sent later
	FalseReceipt              // a receipt that says what did not happen
	Corrupted                 // other bytes than were sent
	Phantom                   // received, but never sent, or its send failed
	UnreportedGap             // messages are missing in the stream, and no Gap says so
	LyingGap                  // a Gap that says what did not happen
	Mislabelled               // a wrong count, or a wrong mark of redelivery
)

// String returns the promise's breach in plain words.
func (k Kind) String() string {
	names := [...]string{
		"lost", "duplicated", "out of order", "false receipt", "corrupted",
		"phantom", "unreported gap", "lying gap", "mislabelled",
	}
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("Kind(%d)", k)
}

// Violation is one broken promise.
type Violation struct {
	Kind Kind
	Keys []uint64 // the messages; empty where only their counts are known
	Text string   // what happened
}

// Error returns all of it in one line.
func (v Violation) Error() string {
	if len(v.Keys) == 0 {
		return fmt.Sprintf("%v: %s", v.Kind, v.Text)
	}
	keys := make([]string, 0, len(v.Keys))
	for i, k := range v.Keys {
		if i == 10 {
			keys = append(keys, fmt.Sprintf("and %d more", len(v.Keys)-i))
			break
		}
		keys = append(keys, fmt.Sprint(k))
	}
	return fmt.Sprintf("%v: message %s: %s", v.Kind, strings.Join(keys, ", "), v.Text)
}

// Verify reports each broken promise as an error of the test, the first 20 in
// full. Call it as Check.
func (h *History) Verify(tb testing.TB) {
	tb.Helper()
	found := h.Check()
	for i, v := range found {
		if i == 20 {
			tb.Errorf("and %d more", len(found)-i)
			return
		}
		tb.Error(v)
	}
}

// Check says which promises were broken, in no order; nil: none. Call it when
// the talk is over: when what was sent has been flushed, or was reported, and the receiver has read to
// the end. It may be called again after more facts.
func (h *History) Check() []Violation {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := checker{History: h, sequential: h.isSequential()}
	c.checkReceived()
	c.checkOrder()
	c.checkCounts()
	c.checkLosses()
	c.checkReceipts()
	return c.found
}

// A checker looks at a History whose mutex it holds.
type checker struct {
	*History
	found      []Violation
	sequential bool        // the n-th accepted message has the n-th count
	gaps       []placedGap // by First
}

// placedGap is a gap, and when it came.
type placedGap struct {
	Gap
	at int
}

func (c *checker) report(k Kind, text string, keys ...uint64) {
	c.found = append(c.found, Violation{Kind: k, Keys: keys, Text: text})
}

// isSequential says that all sends have returned, each before the next began.
func (h *History) isSequential() bool {
	if len(h.accepted)+h.refused != len(h.sent) {
		return false // Some may have been accepted, and taken a count.
	}
	last := 0
	for _, s := range h.accepted {
		if s.began < last {
			return false
		}
		last = s.returned
	}
	return true
}

// crashed says that a process died, after which sessions begin anew without
// a word to anybody.
func (h *History) crashed() bool { return h.senderCrash != 0 || h.receiverCrash != 0 }

// checkReceived holds each message that came to what was sent.
func (c *checker) checkReceived() {
	for _, r := range c.received {
		s := c.sent[r.key]
		if s == nil {
			c.report(Phantom, "was never sent", r.key)
			continue
		}
		if s.refused {
			c.report(Phantom, "came although its send had failed", r.key)
		}
		if r.content != s.content {
			c.report(Corrupted, fmt.Sprintf("%d bytes were sent, %d other bytes came", s.content.size, r.content.size), r.key)
		}
		oneSession := c.sessionsLost == 0 && !c.crashed()
		switch again := r.at != s.first; {
		case again && !r.redelivered:
			c.report(Duplicated, "came again, not marked as redelivered", r.key)
		case again && oneSession:
			c.report(Duplicated, "came again, although no session was lost", r.key)
		case r.redelivered && oneSession:
			c.report(Mislabelled, "marked as redelivered, although no session was lost", r.key)
		}
		if r.id != s.id {
			c.report(Mislabelled, fmt.Sprintf("had the count %d, and %d when it came again", s.id, r.id), r.key)
		}
	}
}

// checkOrder holds the order of delivery to that of acceptance: what was
// accepted before another send began comes before that one. A lost session goes
// back, once, with what it sends again.
func (c *checker) checkOrder() {
	var newest, last *Sent // of those received first here; of all
	backwards := 0
	for _, r := range c.received {
		s := c.sent[r.key]
		if s == nil || s.returned == 0 {
			continue
		}
		if last != nil && s.returned < last.began {
			backwards++
		}
		last = s
		if r.at != s.first {
			continue
		}
		if newest != nil && s.returned < newest.began {
			c.report(OutOfOrder, fmt.Sprintf("came after message %d, which was sent later", newest.key), s.key)
		}
		if newest == nil || s.began > newest.began {
			newest = s
		}
	}
	if allowed := c.sessionsLost + c.restarts(); backwards > allowed && !c.has(OutOfOrder) && !c.has(Duplicated) {
		c.report(OutOfOrder, fmt.Sprintf("the stream goes back %d times, for %d lost sessions", backwards, allowed))
	}
}

func (h *History) restarts() (n int) {
	if h.senderCrash != 0 {
		n++
	}
	if h.receiverCrash != 0 {
		n++
	}
	return n
}

func (c *checker) has(k Kind) bool {
	return slices.ContainsFunc(c.found, func(v Violation) bool { return v.Kind == k })
}

// checkReceipts holds each receipt to what the receiver did.
func (c *checker) checkReceipts() {
	for _, key := range slices.Sorted(maps.Keys(c.sent)) {
		s := c.sent[key]
		if s.again != "" {
			c.report(FalseReceipt, "its receipt changed: "+s.again, s.key)
		}
		if s.resolution() != "" && (s.refused || !s.acked) {
			c.report(FalseReceipt, s.resolution()+", although it was not accepted in a mode with receipts", s.key)
			continue
		}
		switch {
		case s.confirmed != 0 && c.WhenProcessed:
			c.checkProcessed(s)
		case s.confirmed != 0 && s.first == 0 && c.receiverCrash == 0:
			c.report(FalseReceipt, "confirmed, but never received", s.key)
		}
		if s.nacked != 0 && (s.firstNack == 0 || s.nacked < s.firstNack) {
			c.report(FalseReceipt, "refused, but not by the application", s.key)
		}
		if s.unconfirmed != 0 && c.sessionsLost == 0 && !c.closed && !c.crashed() {
			c.report(FalseReceipt, "given up, although no session was lost or closed", s.key)
		}
	}
}

// checkProcessed holds a confirmed message to the application's Ack.
func (c *checker) checkProcessed(s *Sent) {
	switch {
	case s.firstNack != 0:
		c.report(FalseReceipt, "confirmed, but the application refused it", s.key)
	case s.firstAck == 0:
		c.report(FalseReceipt, "confirmed, but the application never said that it was done", s.key)
	case s.confirmed < s.firstAck:
		c.report(FalseReceipt, "confirmed before the application said that it was done", s.key)
	}
}
