package serpy

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/blob"
	"github.com/serpy-go/serpy/protocol"
)

// A paceLine is a line with a buffer without end before it, on which a blob goes as fast as
// its pace lets it. The time is its own.
type paceLine struct {
	rate    float64 // bytes a second
	latency time.Duration
	window  int64
	pace    blobPace
	now     time.Time
	free    time.Time // when the line has carried all that is before it
	flying  []flown
	arrives []time.Time

	carried int64
	longest time.Duration // that a message would have had to wait before the line
	most    int64
}

// run sends for so long.
func (l *paceLine) run(d time.Duration) {
	for end := l.now.Add(d); l.now.Before(end); {
		for l.pace.flight < l.window && l.pace.may() {
			f := flown{bytes: blob.Chunk, at: l.now}
			l.pace.fly(&f)
			if l.free.Before(l.now) {
				l.free = l.now
			}
			l.free = l.free.Add(time.Duration(blob.Chunk / l.rate * 1e9))
			l.longest = max(l.longest, l.free.Sub(l.now))
			l.most = max(l.most, l.pace.flight)
			l.flying, l.arrives = append(l.flying, f), append(l.arrives, l.free.Add(l.latency))
		}
		l.answer()
	}
}

// answer goes on to when the next chunk arrives whose answer the sender hears.
func (l *paceLine) answer() {
	n := 0
	for !l.flying[n].asks {
		n++
	}
	l.now = l.arrives[n].Add(l.latency)
	bytes := int64(0)
	for i := range n + 1 {
		bytes += l.flying[i].bytes
		if i == n {
			l.pace.measure(&l.flying[i], bytes, l.now)
		}
		l.pace.forget(&l.flying[i], l.now)
	}
	l.carried += bytes
	l.flying, l.arrives = l.flying[n+1:], l.arrives[n+1:]
}

// TestPace holds a blob to fill any line, and to leave only a few chunks before it, where
// a chunk takes its time.
func TestPace(t *testing.T) {
	const mbit = 1e6 / 8
	for name, c := range map[string]struct {
		rate    float64
		latency time.Duration
		chunks  float64 // that may stand before the line; 0: that does not matter
	}{
		"1 Mbit/s":          {mbit, time.Millisecond, 2},
		"10 Mbit/s":         {10 * mbit, 100 * time.Microsecond, 2},
		"10 Mbit/s, far":    {10 * mbit, 100 * time.Millisecond, 4},
		"100 Mbit/s":        {100 * mbit, 200 * time.Microsecond, 3},
		"100 Mbit/s, far":   {100 * mbit, 50 * time.Millisecond, 0},
		"1 Gbit/s":          {1000 * mbit, 100 * time.Microsecond, 0},
		"within a computer": {4e9, 20 * time.Microsecond, 0},
	} {
		t.Run(name, func(t *testing.T) {
			l := &paceLine{rate: c.rate, latency: c.latency, window: protocol.MaxBlobWindow, now: time.Unix(1, 0)}
			l.run(min(5*time.Second, time.Duration(20_000*blob.Chunk/c.rate*1e9)))
			begin, before := l.now, l.carried
			l.longest = 0
			l.run(min(40*time.Second, time.Duration(20_000*blob.Chunk/c.rate*1e9)))
			full := float64(l.carried-before) / l.now.Sub(begin).Seconds() / c.rate
			waits := l.longest.Seconds() * c.rate / blob.Chunk
			t.Logf("%.0f %% of the line; a message waits for %.1f chunks, which take %v; %d KiB under way", 100*full, waits, l.longest, l.most>>10)
			require.Greater(t, full, 0.9)
			if c.chunks > 0 {
				require.LessOrEqual(t, waits, c.chunks)
			}
		})
	}
}

// TestPaceOfAnotherWay makes the way longer under a blob.
func TestPaceOfAnotherWay(t *testing.T) {
	l := &paceLine{rate: 1e9 / 8, latency: time.Millisecond, window: protocol.MaxBlobWindow, now: time.Unix(1, 0)}
	l.run(5 * time.Second)
	l.latency = 50 * time.Millisecond
	l.run(15 * time.Second)
	before := l.carried
	l.run(10 * time.Second)
	require.Greater(t, float64(l.carried-before)/10, 0.9*l.rate)
	for _, f := range l.flying {
		l.pace.forget(&f, l.now)
	}
	require.Zero(t, l.pace.flight)
	require.Zero(t, l.pace.asks)
	require.True(t, l.pace.may())
}
