package serpy_test

import (
	"context"
	"encoding/binary"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/blob"
)

// A small blob of the test below: its number, twelve times and a half.
func smallBlob(n uint64) []byte {
	b := make([]byte, 0, 104)
	for len(b) < 100 {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	return b[:100]
}

// TestSmallBlobs sends a hundred thousand blobs of a hundred bytes, 64 at once, and wants
// each of them once.
func TestSmallBlobs(t *testing.T) {
	n := uint64(100_000)
	if testing.Short() || raceEnabled {
		n = 2_000
	}
	a, c := blobPair(t, "tcp", nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var next atomic.Uint64
	var senders sync.WaitGroup
	for range 64 {
		senders.Go(func() {
			for i := next.Add(1); i <= n; i = next.Add(1) {
				r := struct{ io.Reader }{&oneRead{smallBlob(i)}}
				if _, err := c.SendBlob(ctx, blob.Info{Size: 100}, r, nil); !assert.NoError(t, err) {
					cancel()
					return
				}
			}
		})
	}
	seen := make([]bool, n+1)
	buf := make([]byte, 0, 128)
	for range n {
		b, err := a.ReceiveBlob(ctx)
		require.NoError(t, err)
		k, err := io.ReadFull(b, buf[:100])
		require.NoError(t, err)
		_, err = b.Read(buf[100:101])
		require.ErrorIs(t, err, io.EOF)
		i := binary.LittleEndian.Uint64(buf[:8])
		require.Equal(t, smallBlob(i), buf[:k])
		require.False(t, seen[i], "blob %d came twice", i)
		seen[i] = true
	}
	senders.Wait()
	eventually(t, func() bool { return a.Stats().Blobs.Receiving == 0 })
	require.Equal(t, n, c.Stats().Blobs.Sent)
	require.Equal(t, n, a.Stats().Blobs.Received)
	require.Zero(t, c.Stats().Blobs.Sending)
	require.Equal(t, 1, c.Stats().Links)
}

// oneRead gives its data once.
type oneRead struct{ data []byte }

func (r *oneRead) Read(p []byte) (int, error) {
	if len(r.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.data)
	r.data = r.data[n:]
	return n, nil
}
