package serpy_test

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/blob"
	"github.com/serpy-go/serpy/serpytest"
)

// window is how much of a blob may be under way.
const window = 1 << 20

// An errand is one blob from the dialler to the listener, over links that a test cuts.
type errand struct {
	data   []byte
	stream bool // the source can be read only once
	onDial func(n int, dialled, _ *serpytest.Conn)
	wrap   func(net.Conn) net.Conn
}

// run does it, in a bubble; resent is how many bytes were sent more than once.
func (e *errand) run(t *testing.T) (links int, resent int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), talkTime)
	defer cancel()
	l := serpytest.Listen(serpytest.Link{})
	l.OnDial(func(n int, dialled, accepted *serpytest.Conn) {
		links = n
		if e.onDial != nil {
			e.onDial(n, dialled, accepted)
		}
	})
	s, err := serpy.NewServer(l, nil)
	require.NoError(t, err)
	o := &serpy.Options{
		Reconnect: serpy.Reconnect{FirstDial: serpy.InBackground, Min: time.Millisecond, Max: 20 * time.Millisecond},
		Dial: func(ctx context.Context, address string) (net.Conn, error) {
			c, err := l.DialAddress(ctx, address)
			if err == nil && e.wrap != nil {
				return e.wrap(c), nil
			}
			return c, err
		},
	}
	c, err := serpy.Dial(ctx, "tcp://errand:1", o)
	require.NoError(t, err)
	sent := make(chan error, 1)
	go func() {
		var r io.Reader = bytes.NewReader(e.data)
		if e.stream {
			r = struct{ io.Reader }{r}
		}
		_, err := c.SendBlob(ctx, blob.Info{Name: "errand"}, r, nil)
		sent <- err
	}()
	a, err := s.Accept(ctx)
	require.NoError(t, err)
	b, err := a.ReceiveBlob(ctx)
	require.NoError(t, err)
	got, err := io.ReadAll(b)
	require.NoError(t, err)
	require.True(t, bytes.Equal(e.data, got), "%d bytes of %d", len(got), len(e.data))
	require.NoError(t, <-sent)
	resent = int64(c.Stats().Blobs.SentBytes) - int64(len(e.data))
	require.Less(t, resent, int64(c.Stats().Links)*window)
	_, err = a.ReceiveBlob(canceled(ctx))
	require.ErrorIs(t, err, context.Canceled, "it came once")
	require.NoError(t, c.Close())
	require.NoError(t, s.Close())
	return links, resent
}

func canceled(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return ctx
}

// TestBlobCutAtEveryByte sends a blob of four chunks again and again, and cuts the first
// link at every byte of all that passes, in both directions, but for the inside of the
// chunks, of which it takes 72 bytes at either end, and each 1021st between. With the
// race detector it takes each 16th place.
func TestBlobCutAtEveryByte(t *testing.T) {
	data := payload(9, 3*blob.Chunk+77)
	tapes := &tape{}
	synctest.Test(t, func(t *testing.T) {
		e := &errand{data: data, wrap: func(c net.Conn) net.Conn { tapes.Conn = c; return tapes }}
		links, resent := e.run(t)
		require.Equal(t, 1, links)
		require.Zero(t, resent)
	})
	require.False(t, t.Failed(), "without a cut")
	for name, stream := range map[string][]byte{"to the receiver": tapes.out, "to the sender": tapes.in} {
		places := offsets(frameEnds(t, stream))
		if raceEnabled {
			places = thin(places, 16)
		}
		t.Run(name, func(t *testing.T) { cutBlobAtEach(t, data, places, name == "to the sender") })
	}
}

func cutBlobAtEach(t *testing.T, data []byte, places []int64, back bool) {
	t.Helper()
	var cuts atomic.Int64
	for i, at := range places {
		synctest.Test(t, func(t *testing.T) {
			e := &errand{data: data, stream: i%2 == 0, onDial: func(n int, dialled, _ *serpytest.Conn) {
				if n > 1 {
					return
				}
				d := dialled.Out()
				if back {
					d = dialled.In()
				}
				d.CutAfter(at)
			}}
			links, _ := e.run(t)
			cuts.Add(int64(links - 1))
		})
		require.False(t, t.Failed(), "the first link was cut at byte %d, back: %v", at, back)
	}
	t.Logf("%d blobs, of which %d were cut", len(places), cuts.Load())
	require.Greater(t, int(cuts.Load()), len(places)*2/3, "what the receiver says is not always as long")
}

// TestBlobCutsInARow cuts the links of a blob one after another, after so many bytes as
// chance has it, in either direction.
func TestBlobCutsInARow(t *testing.T) {
	blobs := 100
	if raceEnabled {
		blobs = 10
	}
	cuts := 0
	for seed := range blobs {
		synctest.Test(t, func(t *testing.T) {
			chance := rand.New(rand.NewPCG(uint64(seed), 1))
			e := &errand{data: payload(uint64(seed), chance.IntN(2<<20)), stream: seed%2 == 0}
			e.onDial = func(n int, dialled, _ *serpytest.Conn) {
				if n > 20 {
					return
				}
				if chance.IntN(3) == 0 {
					dialled.In().CutAfter(int64(chance.IntN(1_000)))
				} else {
					dialled.Out().CutAfter(int64(chance.IntN(300_000)))
				}
			}
			links, _ := e.run(t)
			cuts += links - 1
		})
		require.False(t, t.Failed(), "seed %d", seed)
	}
	t.Logf("%d blobs, %d cuts", blobs, cuts)
	require.Greater(t, cuts, blobs)
}

// TestBlobOverABadNetwork sends a blob over real sockets that are cut again and again, in
// mid-frame, after some hundred kilobytes each.
func TestBlobOverABadNetwork(t *testing.T) {
	size := int64(150 << 20)
	if testing.Short() || raceEnabled {
		size = 8 << 20
	}
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			address := "tcp://127.0.0.1:0"
			if network == "unix" {
				address = "unix://" + filepath.Join(t.TempDir(), "s")
			}
			s, err := serpy.Listen(address, nil)
			require.NoError(t, err)
			defer func() { assert.NoError(t, s.Close()) }()
			chance := rand.New(rand.NewPCG(3, 4))
			var calm atomic.Bool
			o := &serpy.Options{Reconnect: serpy.Reconnect{FirstDial: serpy.RetryUntilDone, Min: time.Millisecond, Max: 5 * time.Millisecond}}
			o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
				var d net.Dialer
				conn, err := d.DialContext(ctx, network, strings.TrimPrefix(address, network+"://"))
				if err != nil || calm.Load() {
					return conn, err
				}
				bad := serpytest.Fault(conn, serpytest.Link{})
				bad.Out().CutAfter(80_000 + chance.Int64N(200_000))
				return bad, nil
			}
			c, err := serpy.Dial(t.Context(), s.Address(), o)
			require.NoError(t, err)
			defer func() { assert.NoError(t, c.Close()) }()
			want := make(chan checker, 1)
			go func() {
				var w checker
				_, err := io.Copy(&w, newPattern(size))
				assert.NoError(t, err)
				want <- w
			}()
			got := make(chan checker, 1)
			go func() {
				var w checker
				conn, err := s.Accept(t.Context())
				if assert.NoError(t, err) {
					b, err := conn.ReceiveBlob(t.Context())
					if assert.NoError(t, err) {
						_, err = b.WriteTo(&w)
						assert.NoError(t, err)
					}
				}
				got <- w
			}()
			_, err = c.SendBlob(t.Context(), blob.Info{}, newPattern(size), nil)
			require.NoError(t, err)
			require.Equal(t, <-want, <-got)
			st := c.Stats()
			resent := int64(st.Blobs.SentBytes) - size
			t.Logf("%d MiB, %d cuts, %d bytes sent again a cut", size>>20, st.Links-1, resent/int64(max(1, st.Links-1)))
			require.Greater(t, st.Links, int(size/280_000))
			require.Less(t, resent, int64(st.Links)*window)
			calm.Store(true)
		})
	}
}
