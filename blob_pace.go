package serpy

import (
	"time"

	"github.com/serpy-go/serpy/blob"
)

// A blobPace bounds how many bytes of blobs are under way on a link, so that they do not
// fill the buffers of the network: what is in them, a message has to wait for. The bound
// is what the line carries in the time of an answer that nothing was in the way of, and
// a chunk. Where a chunk takes no time worth counting, it is no bound. Guarded by c.mu.
type blobPace struct {
	flight int64 // bytes that were written, and are not known to have arrived
	bound  int64
	asks   int   // chunks of these that ask for an answer at once
	silent int64 // bytes behind the last that asked

	known  bool          // alone is; else chunks go one by one
	alone  time.Duration // the shortest time from a chunk to its answer, when nothing else was under way
	since  time.Time     // when that was found
	rate   float64       // bytes a second
	landed int64         // bytes that arrived since the rate was found
	busy   time.Duration // while something was under way, since then, but for
	begun  time.Time     // since this; zero: nothing is under way
}

const (
	leastPace    = 2 * blob.Chunk // one is on the line while the answer to another one is
	paceSlack    = 5 * time.Millisecond
	paceSpan     = 10 * time.Second
	paceSample   = 2 * time.Millisecond
	paceAsk      = time.Millisecond
	paceDecline  = 0.9  // of the rate, a sample
	paceGrowth   = 1.1  // of the rate: the line may carry more yet
	paceUnqueued = 1.25 // of alone: nothing waits on the line
)

// flown is a chunk that is under way.
type flown struct {
	end   int64 // its last byte in the blob
	bytes int64
	ahead int64 // bytes that were under way before it
	asks  bool
	at    time.Time
}

// may says whether another chunk may be written. Nothing is held back unless an answer is
// on its way that ends the wait.
func (p *blobPace) may() bool { return p.asks == 0 || p.flight < p.room() }

func (p *blobPace) room() int64 {
	if !p.known {
		return 1
	}
	return max(p.bound, leastPace)
}

// fly counts a chunk that is written, and says whether it has to ask for an answer.
func (p *blobPace) fly(f *flown) {
	f.ahead = p.flight
	p.flight += f.bytes
	p.silent += f.bytes
	if p.flight >= p.room() || p.silent >= int64(p.rate*paceAsk.Seconds()) {
		f.asks = true
		p.asks++
		p.silent = 0
	}
	if p.begun.IsZero() {
		p.begun = f.at
	}
}

// forget counts a chunk out that is not under way any more, or does not matter.
func (p *blobPace) forget(f *flown, now time.Time) {
	p.flight -= f.bytes
	if f.asks {
		p.asks--
	}
	if p.flight == 0 {
		p.busy += now.Sub(p.begun)
		p.begun = time.Time{}
	}
}

// measure learns from an answer that says that so many bytes have arrived, f the last of
// them.
func (p *blobPace) measure(f *flown, bytes int64, now time.Time) {
	took := now.Sub(f.at)
	switch {
	case !p.known && f.ahead == 0:
		p.alone, p.since, p.known = took, now, true
		p.bound /= 2 // the line is empty: not all at once
		p.landed, p.busy, p.begun = 0, 0, now
		return
	case p.known && took < p.alone:
		p.alone, p.since = took, now
	case now.Sub(p.since) > paceSpan:
		p.known = false // the way may be another one by now
	}
	p.landed += bytes
	span := p.busy + now.Sub(p.begun)
	if span < max(p.alone, paceSample) {
		return
	}
	rate := float64(p.landed) / span.Seconds()
	p.landed, p.busy, p.begun = 0, 0, now
	full := took.Seconds() > p.alone.Seconds()*paceUnqueued // else it says nothing of the line
	grown := rate > p.rate*paceGrowth
	switch {
	case full:
		p.rate = max(rate, p.rate*paceDecline)
	case grown:
		p.rate = rate
	}
	carried := p.rate * p.alone.Seconds()
	if grown && !full {
		carried *= 2
	}
	p.bound = blob.Chunk * (1 + int64((carried+p.rate*paceSlack.Seconds())/blob.Chunk))
}

// fly counts a chunk that is written; true: it has to ask for an answer. c.mu is held.
func (s *blobSend) fly(k *blobChunk, now time.Time) (asks bool) {
	n := int64(len(k.data))
	f := s.flying.push(flown{end: k.offset + n, bytes: n, at: now})
	s.c.blobs.pace.fly(f)
	return f.asks
}

// landed counts what the receiver has. c.mu is held.
func (s *blobSend) landed(has int64) {
	p := &s.c.blobs.pace
	now := time.Now()
	var last flown
	bytes := int64(0)
	for s.flying.len() > 0 && s.flying.at(0).end <= has {
		last = *s.flying.at(0)
		s.flying.pop()
		bytes += last.bytes
		if s.flying.len() == 0 || s.flying.at(0).end > has {
			p.measure(&last, bytes, now)
		}
		p.forget(&last, now)
	}
}

// ground forgets what is under way: the blob or the link has ended. c.mu is held.
func (s *blobSend) ground() {
	now := time.Now()
	for s.flying.len() > 0 {
		s.c.blobs.pace.forget(s.flying.at(0), now)
		s.flying.pop()
	}
}
