package main

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/serpy-go/serpy"
)

// maxHoles bounds what the tally remembers of numbers that did not come; beyond
// it the oldest are forgotten, and one that comes after all counts as a duplicate.
const maxHoles = 4096

// tally counts what arrives. It believes nothing: order, duplicates and gaps are
// judged by the numbers of the messages alone. Safe from any goroutine.
type tally struct {
	mu          sync.Mutex
	received    uint64
	bytes       uint64
	redelivered uint64
	duplicates  uint64
	outOfOrder  uint64 // Messages, and gaps that are not where messages are missing.
	gaps        uint64
	dropped     uint64 // By the counts of the gaps.
	sessionLost uint64 // Likewise, of those that went with a session.
	last        uint64 // Highest number so far.
	holes       []span // Numbers below last that no message and no gap has had, oldest first.
	digest      hash.Hash
	latency     *hdrhistogram.Histogram // Microseconds.
}

// span is the numbers from first to last.
type span struct{ first, last uint64 }

func newTally() *tally {
	return &tally{digest: sha256.New(), latency: hdrhistogram.New(1, time.Hour.Microseconds(), 3)}
}

// add counts a message of the stream that arrived at now.
func (t *tally) add(m serpy.Message, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.place(m.ID, m.Gap)
	t.received++
	t.bytes += uint64(len(m.Data))
	if m.Redelivered {
		t.redelivered++
	}
	t.digest.Write(m.Data)
	if !m.Time.IsZero() {
		// Clocks of two machines can differ; what seems to come from the future took no time.
		_ = t.latency.RecordValue(min(max(now.Sub(m.Time).Microseconds(), 0), time.Hour.Microseconds()))
	}
}

// end takes note of the end marker, which has a number and perhaps a gap before it.
func (t *tally) end(m serpy.Message) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.place(m.ID, m.Gap)
}

// place judges one number, and the gap that stands before it.
func (t *tally) place(id uint64, gap *serpy.Gap) {
	if gap != nil {
		t.gap(id, *gap)
	}
	switch {
	case id > t.last+1:
		t.holes = append(t.holes, span{t.last + 1, id - 1})
		if len(t.holes) > maxHoles {
			t.holes = slices.Delete(t.holes, 0, len(t.holes)-maxHoles)
		}
		t.last = id
	case id > t.last:
		t.last = id
	case t.fill(id):
		t.outOfOrder++
	default:
		t.duplicates++
	}
}

func (t *tally) gap(id uint64, gap serpy.Gap) {
	t.gaps++
	if gap.Reason == serpy.LostWithSession {
		t.sessionLost += gap.Count
		t.last = id - 1 // The numbers may start anew.
		return
	}
	t.dropped += gap.Count
	if gap.First <= t.last || gap.Last >= id || gap.First > gap.Last {
		t.outOfOrder++
		return
	}
	if gap.First > t.last+1 {
		t.holes = append(t.holes, span{t.last + 1, gap.First - 1})
	}
	t.last = gap.Last
}

// fill takes id out of the holes, if it is in one.
func (t *tally) fill(id uint64) bool {
	for i, h := range t.holes {
		if id < h.first || id > h.last {
			continue
		}
		var rest []span
		if id > h.first {
			rest = append(rest, span{h.first, id - 1})
		}
		if id < h.last {
			rest = append(rest, span{id + 1, h.last})
		}
		t.holes = slices.Replace(t.holes, i, i+1, rest...)
		return true
	}
	return false
}

// progress is what a screen shows.
func (t *tally) progress() progress {
	t.mu.Lock()
	defer t.mu.Unlock()
	return progress{messages: t.received, bytes: t.bytes, dropped: t.dropped}
}

// report gives what has been counted so far.
func (t *tally) report() report {
	t.mu.Lock()
	defer t.mu.Unlock()
	return report{
		started: true, Received: t.received, Bytes: t.bytes,
		Redelivered: t.redelivered, Duplicates: t.duplicates, OutOfOrder: t.outOfOrder,
		Gaps: t.gaps, Dropped: t.dropped, Lost: int64(t.sessionLost), //nolint:gosec // A count of messages.
		P50: t.latency.ValueAtQuantile(50), P99: t.latency.ValueAtQuantile(99),
		SHA256Received: hex.EncodeToString(t.digest.Sum(nil)),
	}
}
