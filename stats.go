package serpy

import "sync/atomic"

// Stats are a connection's counts: totals since its birth, and what waits now.
type Stats struct {
	SendQueue    struct{ Messages, Bytes int } // accepted and not confirmed
	ReceiveQueue struct{ Messages, Bytes int } // received and not taken; fragments count as messages
	Sent         uint64                        // messages accepted
	Confirmed    uint64                        // of them, confirmed by the peer, or refused
	Received     uint64                        // messages received; those that wait are counted as ReceiveQueue counts them
	Delivered    uint64                        // messages taken by the application
	Unacked      uint64                        // units that the application has to acknowledge
	Redelivered  uint64                        // units sent again in another session
	Dropped      uint64                        // of those sent, dropped by our policy, or because the peer takes none so large
	Missing      [gapReasons]uint64            // messages that gaps in the peer's stream named, by GapReason
	Links        int                           // links that were up; counted up to 2³¹ - 1
	Blobs        BlobStats
}

// BlobStats are the counts of blobs.
type BlobStats struct {
	Sending, Receiving       int    // blobs under way now
	Sent, Received           uint64 // that came to their end, and were checked
	SentBytes, ReceivedBytes uint64 // of data; what was sent again is counted again
}

// counters are the part of Stats that nothing else knows. Guarded by c.mu.
type counters struct {
	confirmed   uint64
	lost        uint64
	redelivered uint64
	dropped     uint64
	links       int32
	slowReader  atomic.Bool // SlowReader was said, and the queue was not half empty since
}

// linked counts a link. Where each message has one of its own there may be more of them
// than the count takes: it stays at the most, since without any the peer was never there.
func (s *counters) linked() { s.links = max(s.links, s.links+1) }

// Stats gives the counts as they are now.
func (c *Connection) Stats() Stats {
	var s Stats
	c.rq.mu.Lock()
	c.rq.settle()
	s.ReceiveQueue.Messages, s.ReceiveQueue.Bytes = c.rq.waiting, c.rq.waitingBytes
	s.Delivered, s.Missing = c.rq.delivered, c.rq.gaps
	s.Received = s.Delivered + uint64(c.rq.waiting) //nolint:gosec // not negative
	c.rq.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	s.Blobs = c.blobs.counts()
	s.SendQueue.Messages, s.SendQueue.Bytes = c.q.messages, c.q.bytes+c.stage.bytes
	s.Sent, s.Confirmed, s.Dropped = c.q.accepted, c.stats.confirmed, c.stats.dropped
	s.Redelivered, s.Links = c.stats.redelivered, int(c.stats.links)
	if c.opt.AckWhen == OnProcessed {
		s.Unacked = c.sess.Unprocessed()
	}
	return s
}
