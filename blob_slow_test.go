package serpy_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/blob"
	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/serpytest"
)

// A watch notes when the frames of a link arrive at one end.
type watch struct {
	net.Conn

	mu      sync.Mutex
	decoder protocol.Decoder
	rest    []byte
	seen    []arrival
}

type arrival struct {
	at   time.Time
	kind protocol.Kind
}

func (w *watch) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rest = append(w.rest, p[:n]...)
	for {
		f, used, err := w.decoder.Decode(w.rest)
		if err != nil {
			break
		}
		w.rest = w.rest[used:]
		w.seen = append(w.seen, arrival{time.Now(), f.Kind})
	}
	return n, err
}

func (w *watch) CloseWrite() error { return w.Conn.(interface{ CloseWrite() error }).CloseWrite() }

// silence is the longest time without any frame, and without one of a kind.
func (w *watch) silence() (longest time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := 1; i < len(w.seen); i++ {
		longest = max(longest, w.seen[i].at.Sub(w.seen[i-1].at))
	}
	return longest
}

// TestBlobOnASlowLink sends a blob over a link of 10 Mbit/s, both ways at once: messages
// and signs of life still come in time. The time is that of a bubble: no machine is so slow
// that it would show here.
func TestBlobOnASlowLink(t *testing.T) {
	const (
		bandwidth = 10_000_000 / 8
		heartbeat = 150 * time.Millisecond
		chunk     = blob.Chunk * time.Second / bandwidth
	)
	bubble(t, "", func(t *testing.T) {
		o := &serpy.Options{Heartbeat: heartbeat, IdleTimeout: time.Second}
		h := &host{link: serpytest.Link{Bandwidth: bandwidth, Latency: time.Millisecond, Buffer: deepBuffer}}
		s := h.start(t, o)
		var w *watch
		dialling := *o
		dialling.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			conn, err := h.net().DialAddress(ctx, address)
			w = &watch{Conn: conn, decoder: protocol.Native{}.NewDecoder(1 << 20)}
			return w, err
		}
		c, err := serpy.Dial(t.Context(), "tcp://host:1", &dialling)
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		a := accepted(t, s)
		const size = 8 << 20
		var running sync.WaitGroup
		for _, way := range [][2]*serpy.Connection{{a, c}, {c, a}} {
			running.Go(func() {
				_, err := way[0].SendBlob(t.Context(), blob.Info{}, newPattern(size), nil)
				assert.NoError(t, err)
			})
			running.Go(func() {
				var sum checker
				b, err := way[1].ReceiveBlob(t.Context())
				if assert.NoError(t, err) {
					_, err = b.WriteTo(&sum)
					assert.NoError(t, err)
				}
				assert.Equal(t, int64(size), sum.n)
			})
		}
		const n = 100
		running.Go(func() {
			for i := range n {
				bubbleSleep(50 * time.Millisecond)
				m := serpy.Message{Data: fmt.Append(nil, i), Time: time.Now()}
				_, err := a.SendMessage(t.Context(), m)
				assert.NoError(t, err)
			}
		})
		var took []time.Duration
		for range n {
			m := get(t, c)
			took = append(took, time.Since(m.Time))
		}
		running.Wait()
		slices.Sort(took)
		t.Logf("a chunk takes %v; messages: median %v, p99 %v, longest %v; longest silence %v", chunk, took[n/2], took[n*99/100], took[n-1], w.silence())
		require.Less(t, took[n*99/100], 3*chunk)
		require.Less(t, w.silence(), 2*heartbeat)
		require.Equal(t, 1, c.Stats().Links)
	})
}

// deepBuffer is what a network may hold: what is in it takes seconds.
const deepBuffer = 4 << 20
