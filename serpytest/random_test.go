package serpytest_test

import (
	"io"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/serpytest"
)

// TestRandomLinks changes the properties of a link by chance while bytes pass:
// what arrives is always a beginning of what was sent, and all of it up to the
// cut, or to the end where there is none.
func TestRandomLinks(t *testing.T) {
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 9))
			a, b := serpytest.Pipe(serpytest.Link{Buffer: 1 + r.IntN(3000)})
			if r.IntN(2) == 0 {
				a = serpytest.Fault(a, serpytest.Link{Buffer: 1 + r.IntN(3000)})
			}
			total := 1 + r.IntN(30_000)
			cut := -1
			if r.IntN(2) == 0 {
				cut = r.IntN(total + 1)
				a.Out().CutAfter(int64(cut))
			}
			stop := make(chan struct{})
			var wg sync.WaitGroup
			wg.Go(func() { writeCounting(t, a, total, rand.New(rand.NewPCG(seed, 1))) })
			wg.Go(func() { trouble(a, stop, rand.New(rand.NewPCG(seed, 2))) })

			got, err := io.ReadAll(b)
			close(stop)
			wg.Wait()
			for i := range got {
				require.Equal(t, byte(i), got[i], "seed %d, offset %d", seed, i)
			}
			if cut >= 0 {
				require.Len(t, got, cut, "seed %d", seed)
			} else {
				require.NoError(t, err, "seed %d", seed)
				require.Len(t, got, total, "seed %d", seed)
			}
			require.NoError(t, b.Close())
			require.NoError(t, a.Close())
		})
	}
}

// writeCounting writes total bytes, each its offset's low byte, in pieces.
func writeCounting(t *testing.T, c *serpytest.Conn, total int, r *rand.Rand) {
	t.Helper()
	data := make([]byte, total)
	for i := range data {
		data[i] = byte(i)
	}
	for len(data) > 0 {
		n, err := c.Write(data[:min(len(data), 1+r.IntN(5000))])
		data = data[n:]
		if err != nil {
			assert.ErrorIs(t, err, syscall.ECONNRESET)
			return
		}
	}
	if err := c.CloseWrite(); err != nil {
		assert.ErrorIs(t, err, syscall.ECONNRESET)
	}
}

// trouble changes what c writes through until stop, and leaves it flowing.
func trouble(c *serpytest.Conn, stop <-chan struct{}, r *rand.Rand) {
	for range 100 {
		select {
		case <-time.After(time.Duration(r.IntN(20)) * time.Millisecond):
		case <-stop:
		}
		switch r.IntN(5) {
		case 0:
			c.Out().SetLatency(time.Duration(r.IntN(30)) * time.Millisecond)
		case 1:
			c.Out().SetBandwidth(int64(r.IntN(100_000)))
		case 2:
			c.Out().SetOneByte(r.IntN(3) == 0)
		case 3:
			c.Stall()
		case 4:
			c.Resume()
		}
	}
	c.Resume()
}
