package serpy_test

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/serpytest"
)

// A tape is a conn that keeps what passes.
type tape struct {
	net.Conn

	mu      sync.Mutex
	out, in []byte
}

func (c *tape) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in = append(c.in, p[:n]...)
	return n, err
}

func (c *tape) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = append(c.out, p[:n]...)
	return n, err
}

func (c *tape) CloseWrite() error { return c.Conn.(interface{ CloseWrite() error }).CloseWrite() }

// frameEnds gives the offsets at which the frames of a stream end.
func frameEnds(t *testing.T, stream []byte) (ends []int) {
	t.Helper()
	d := protocol.Native{}.NewDecoder(1 << 20)
	for at := 0; at < len(stream); {
		_, n, err := d.Decode(stream[at:])
		require.NoError(t, err, "byte %d", at)
		at += n
		ends = append(ends, at)
	}
	return ends
}

// offsets gives the places to cut a stream at: every byte of the small frames, and
// of the large ones the first and the last 72, so that 40 on either side of each
// bound and the whole head are among them, and every few hundred between.
func offsets(ends []int) (places []int64) {
	const small, near, step = 600, 72, 1021
	begin := 0
	for _, end := range ends {
		for at := begin; at < end; {
			places = append(places, int64(at))
			if end-begin > small && at >= begin+near && at < end-near {
				at = min(at+step, end-near)
				continue
			}
			at++
		}
		begin = end
	}
	return append(places, int64(begin))
}

// TestCutAtEveryByte holds a talk of 20 messages each way, of which three each way
// are of two or three fragments, and cuts its first link at one byte after another,
// in each direction, from the first of the handshake to the last of the Close: every byte
// of all frames but those that carry whole fragments, of which it takes 72 bytes at
// either end, and each 1021st between. With the race detector it takes each 16th place.
func TestCutAtEveryByte(t *testing.T) {
	tapes := &tape{}
	synctest.Test(t, func(t *testing.T) {
		k := &talk{pace: time.Millisecond, wrap: func(c net.Conn) net.Conn { tapes.Conn = c; return tapes }}
		require.Equal(t, 1, k.run(t))
	})
	require.False(t, t.Failed(), "without a cut")
	for name, stream := range map[string][]byte{"to the listener": tapes.out, "to the dialler": tapes.in} {
		ends := frameEnds(t, stream)
		places := offsets(ends)
		t.Logf("%s: %d bytes, %d frames, %d places to cut", name, len(stream), len(ends), len(places))
		require.Greater(t, len(places), 1000)
		back := name == "to the dialler"
		t.Run(name, func(t *testing.T) { cutAtEach(t, places, back) })
	}
}

// cutAtEach holds a talk for each place, some at the same time.
func cutAtEach(t *testing.T, places []int64, back bool) {
	t.Helper()
	if raceEnabled {
		places = thin(places, 16)
	}
	var cuts, next atomic.Int64
	t.Cleanup(func() {
		t.Logf("%d talks, of which %d had a second link", len(places), cuts.Load())
		// The last few places are those behind the answer to a Close.
		assert.Greater(t, int(cuts.Load()), len(places)*9/10)
	})
	for range 4 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			for !t.Failed() {
				i := int(next.Add(1)) - 1
				if i >= len(places) {
					return
				}
				var links int
				synctest.Test(t, func(t *testing.T) { links = cutTalk(t, places[i], back) })
				if links > 1 {
					cuts.Add(1)
				}
				if t.Failed() {
					t.Logf("the first link was cut at byte %d, back: %v", places[i], back)
				}
			}
		})
	}
}

// thin takes every n-th place, and the last.
func thin(places []int64, n int) (some []int64) {
	for i := 0; i < len(places); i += n {
		some = append(some, places[i])
	}
	return append(some, places[len(places)-1])
}

func cutTalk(t *testing.T, at int64, back bool) (dials int) {
	t.Helper()
	k := &talk{pace: time.Millisecond, onDial: func(n int, dialled, _ *serpytest.Conn) {
		if dials = n; n > 1 {
			return
		}
		d := dialled.Out()
		if back {
			d = dialled.In()
		}
		d.CutAfter(at)
	}}
	k.run(t)
	return dials
}

// TestCutsInARow cuts the first links of a talk one after another, at places and
// in directions drawn by chance, over links of all kinds, with and without a
// pause between the lines.
func TestCutsInARow(t *testing.T) {
	talks := 400
	if raceEnabled {
		talks = 60
	}
	links := 0
	for seed := range uint64(talks) {
		synctest.Test(t, func(t *testing.T) { links += cutsTalk(t, seed) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%d talks, %d links", talks, links)
	assert.Greater(t, links, 3*talks)
}

func cutsTalk(t *testing.T, seed uint64) int {
	t.Helper()
	chance := rand.New(rand.NewPCG(seed, 1))
	k := &talk{pace: time.Duration(chance.IntN(3)) * 500 * time.Microsecond}
	if chance.IntN(2) == 0 {
		k.link.Latency = time.Duration(chance.IntN(5000)) * time.Microsecond
	}
	if chance.IntN(3) == 0 {
		k.link.Bandwidth = 1 << (17 + chance.IntN(8))
	}
	if chance.IntN(4) == 0 {
		k.link.Buffer = 256 + chance.IntN(2000) // much less is too slow for a fragment within WriteStall
	}
	k.onDial = func(n int, dialled, _ *serpytest.Conn) {
		if n > 8 || k.over.Load() { // Close tries only once more
			return
		}
		d := dialled.Out()
		if chance.IntN(2) == 0 {
			d = dialled.In()
		}
		d.CutAfter(chance.Int64N(1 << (7 + chance.IntN(11)))) // up to 128 bytes, or up to 128 KiB
	}
	return k.run(t)
}

// TestSmallQueuesAndCuts is a talk in which nothing ever has much room: a few units
// and the bytes of two messages each way, over links that are cut.
func TestSmallQueuesAndCuts(t *testing.T) {
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			chance := rand.New(rand.NewPCG(seed, 2))
			k := &talk{
				tune: func(listening, dialling *serpy.Options) {
					for _, o := range []*serpy.Options{listening, dialling} {
						o.MaxMessage = 140_000
						o.SendQueue = serpy.Queue{Messages: 2 + chance.IntN(4), Bytes: 250_000} // two: the listening side acknowledges by twos
						o.ReceiveQueue = serpy.Queue{Messages: 2 + chance.IntN(4), Bytes: 250_000}
					}
				},
			}
			k.onDial = func(n int, dialled, _ *serpytest.Conn) {
				if n <= 6 && !k.over.Load() { // Close tries only once more
					dialled.Out().CutAfter(chance.Int64N(60_000))
					dialled.In().CutAfter(chance.Int64N(60_000))
				}
			}
			k.run(t)
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// TestTakeover has the dialler come again while the old link looks alive to the
// listener: the old one vanished, or is stalled, at one moment of the talk after
// another, with bytes under way in both directions.
func TestTakeover(t *testing.T) {
	step := 250 * time.Microsecond
	if raceEnabled {
		step *= 8
	}
	for name, trouble := range map[string]func(*serpytest.Conn){
		"vanished": (*serpytest.Conn).Vanish,
		"stalled":  (*serpytest.Conn).Stall,
		"alive":    func(*serpytest.Conn) {},
	} {
		t.Run(name, func(t *testing.T) {
			for at := time.Duration(0); at < 40*time.Millisecond; at += step {
				synctest.Test(t, func(t *testing.T) { takeoverTalk(t, at, trouble) })
				if t.Failed() {
					t.Fatalf("after %v", at)
				}
			}
		})
	}
}

func takeoverTalk(t *testing.T, at time.Duration, trouble func(*serpytest.Conn)) {
	t.Helper()
	k := &talk{pace: time.Millisecond, link: serpytest.Link{Latency: 1700 * time.Microsecond}}
	k.during = func(ctx context.Context, c *serpy.Connection, l *serpytest.Listener, _ *serpy.Server) {
		assert.NoError(t, c.WaitConnected(ctx))
		bubbleSleep(at) // in a bubble
		old := l.Conns()[0]
		trouble(old)
		bubbleSleep(time.Millisecond)
		assert.NoError(t, c.Reconnect())
		bubbleSleep(100 * time.Millisecond)
		old.Resume() // a stalled one says now what it held back
	}
	assert.Equal(t, 2, k.run(t))
}

// TestLateHello has the listener read a Hello that was given up after its successor:
// it must not touch the live link for it.
func TestLateHello(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var late atomic.Pointer[serpytest.Conn]
		k := &talk{pace: 100 * time.Millisecond}
		k.tune = func(_, dialling *serpy.Options) { dialling.HandshakeTimeout = time.Second } // the listener waits longer
		k.onDial = func(n int, dialled, _ *serpytest.Conn) {
			if n == 2 {
				late.Store(dialled)
				dialled.Stall()
			}
		}
		k.during = func(ctx context.Context, c *serpy.Connection, l *serpytest.Listener, s *serpy.Server) {
			assert.NoError(t, c.WaitConnected(ctx))
			assert.NoError(t, c.Reconnect()) // the second link, whose Hello stays under way
			bubbleSleep(time.Millisecond)
			assert.NotNil(t, late.Load())
			assert.NoError(t, c.WaitConnected(ctx)) // the third
			assert.Equal(t, 3, l.Dialled())
			bubbleSleep(time.Millisecond) // the dialler knows first that the third is up
			assert.Equal(t, 1, s.Stats().Handshaking, "the listener still waits for it")
			late.Load().Resume()
			bubbleSleep(100 * time.Millisecond)
			assert.Equal(t, uint64(1), s.Stats().Refused)
			assert.Equal(t, serpy.Up, c.State())
		}
		assert.Equal(t, 2, k.run(t), "links: the one with the late Hello is none")
	})
}
