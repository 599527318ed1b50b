//go:build linux

package integration

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/blob"
)

// listen opens a port on the host, for this process. A thread of this process goes there
// for it, and comes back: were it to end there, the peers that it has started would be
// killed, since their Pdeathsig is that of a thread.
func (h *host) listen() net.Listener {
	h.t.Helper()
	type opened struct {
		l   net.Listener
		err error
	}
	done := make(chan opened)
	go func() {
		runtime.LockOSThread()
		l, back, err := h.listenThere()
		if back {
			runtime.UnlockOSThread()
		}
		done <- opened{l, err}
	}()
	o := <-done
	require.NoError(h.t, o.err)
	return o.l
}

// listenThere takes the thread to the host and back.
func (h *host) listenThere() (l net.Listener, back bool, err error) {
	here, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, true, err
	}
	defer func() { _ = here.Close() }()
	there, err := os.Open("/var/run/netns/" + h.name)
	if err != nil {
		return nil, true, err
	}
	defer func() { _ = there.Close() }()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, true, err
	}
	l, err = net.Listen("tcp", net.JoinHostPort(h.address, "0"))
	failed := unix.Setns(int(here.Fd()), unix.CLONE_NEWNET)
	return l, failed == nil, errors.Join(err, failed)
}

// TestAHostTakesNoPeerAlong opens ports on a host while a peer runs, which lives on.
func TestAHostTakesNoPeerAlong(t *testing.T) {
	h := newHost(t)
	q := start(t, plan{Program: "crowd-server", Address: "tcp://127.0.0.1:0"})
	q.wait("listening", 0)
	for range 20 {
		require.NoError(t, h.listen().Close())
	}
	q.tell("quit")
	q.exit()
}

// TestMessagesBesideABlob sends a blob over a cable of 10 Mbit/s, and messages beside it. What
// their time hangs on is how much of the blob is before them: that is held to a few chunks. The
// time itself is only told, since a busy machine adds to it. Two heartbeats without a
// sign of life would cut the link. SERPY_BLOB_SIZE says how many bytes the blob has.
func TestMessagesBesideABlob(t *testing.T) {
	h := newHost(t)
	t.Parallel()
	h.shape("10mbit")
	const chunk = blob.Chunk * time.Second * 8 / 10_000_000
	size := sizeOr(t, 4<<20)
	const heartbeat = 2 * time.Second
	o := &serpy.Options{Heartbeat: heartbeat, IdleTimeout: 2 * heartbeat}
	s, err := serpy.NewServer(h.listen(), o)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	c, err := serpy.Dial(t.Context(), s.Address(), o)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.Close()) })
	a, err := s.Accept(t.Context())
	require.NoError(t, err)

	ctx, stop := context.WithCancel(t.Context())
	begin := time.Now()
	var work sync.WaitGroup
	work.Go(func() {
		_, err := c.SendBlob(t.Context(), blob.Info{}, io.LimitReader(zeros{}, size), nil)
		assert.NoError(t, err)
		stop()
	})
	work.Go(func() {
		b, err := a.ReceiveBlob(t.Context())
		if assert.NoError(t, err) {
			n, err := b.WriteTo(io.Discard)
			assert.NoError(t, err)
			assert.Equal(t, size, n)
		}
	})
	var ahead []int64
	work.Go(func() {
		for more := pace(ctx, 20); more(); {
			arrived := a.Stats().Blobs.ReceivedBytes
			ahead = append(ahead, int64(c.Stats().Blobs.SentBytes-arrived))
			_, err := c.SendMessage(t.Context(), serpy.Message{Data: []byte("0123456789abcdef"), Time: time.Now()})
			assert.NoError(t, err)
		}
		assert.NoError(t, c.CloseSend(t.Context()))
	})
	var took []time.Duration
	for m := range a.Messages(t.Context()) {
		took = append(took, time.Since(m.Time))
	}
	work.Wait()
	all := time.Since(begin)
	require.Equal(t, 1, c.Stats().Links, "no sign of life came in time")
	slices.Sort(took)
	slices.Sort(ahead)
	n := len(took)
	require.Equal(t, len(ahead), n)
	t.Logf("%d MiB in %v, %.2f Mbit/s; a chunk takes %v", size>>20, all.Round(time.Millisecond), float64(size)*8/1e6/all.Seconds(), chunk)
	t.Logf("%d messages: median %v, p99 %v, longest %v, behind at most %d KiB, p99 %d KiB", n, took[n/2], took[n*99/100], took[n-1], ahead[n-1]>>10, ahead[n*99/100]>>10)
	require.Greater(t, all, time.Duration(float64(size)*8/12e6*1e9), "the cable was not slow")
	require.LessOrEqual(t, ahead[n/2], int64(4*blob.Chunk))
}

// zeros is a source without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// sizeOr is what SERPY_BLOB_SIZE says, or else so many bytes.
func sizeOr(t *testing.T, size int64) int64 {
	t.Helper()
	if s := os.Getenv("SERPY_BLOB_SIZE"); s != "" {
		var err error
		size, err = strconv.ParseInt(s, 10, 64)
		require.NoError(t, err)
	}
	return size
}
