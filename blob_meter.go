package serpy

import (
	"time"

	"github.com/serpy-go/serpy/blob"
	"github.com/serpy-go/serpy/protocol"
)

// meterPace is the least time between two calls of Progress, and meterSpan over about how
// long the rate is taken.
const (
	meterPace = 100 * time.Millisecond
	meterSpan = 3 * time.Second
)

// A meter tells the application how far a blob has come. One goroutine.
type meter struct {
	tell  func(blob.Progress) // nil: nobody wants to know
	total int64
	last  int64
	when  time.Time
	rate  float64
	begun bool
}

func newMeter(o *blob.Options, info *protocol.BlobInfo) *meter {
	m := &meter{total: -1}
	if o != nil {
		m.tell = o.Progress
	}
	if info.Sized {
		m.total = int64(info.Size) //nolint:gosec // at most MaxBlob
	}
	return m
}

// at says that the receiver has so many bytes.
func (m *meter) at(bytes int64) {
	if m.tell == nil || m.begun && bytes == m.last {
		return
	}
	now := time.Now()
	if !m.begun {
		m.begun, m.when, m.last = true, now, bytes
		return
	}
	d := now.Sub(m.when)
	if d < meterPace {
		return
	}
	rate := float64(bytes-m.last) / d.Seconds()
	if m.rate == 0 {
		m.rate = rate
	}
	m.rate += (rate - m.rate) * min(1, d.Seconds()/meterSpan.Seconds())
	m.when, m.last = now, bytes
	m.say(bytes)
}

// end tells for the last time.
func (m *meter) end(bytes int64) {
	if m.tell != nil {
		m.say(bytes)
	}
}

func (m *meter) say(bytes int64) {
	p := blob.Progress{Bytes: bytes, Total: m.total, Rate: m.rate, Remaining: -1}
	if m.total >= 0 && m.rate > 0 {
		p.Remaining = time.Duration(float64(m.total-bytes) / m.rate * float64(time.Second))
	}
	m.tell(p)
}
