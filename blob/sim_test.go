package blob_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/blob"
)

// FuzzWorld plays schedules: cuts, lost sessions, slow applications, aborts.
func FuzzWorld(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		f.Add(schedule(r, 200))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 4000 {
			return
		}
		if err := play(b); err != nil {
			t.Fatal(err)
		}
	})
}

func schedule(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// TestWorlds plays random schedules.
func TestWorlds(t *testing.T) {
	n := 4000
	if testing.Short() {
		n = 500
	}
	r := rand.New(rand.NewPCG(5, 6))
	for range n {
		b := schedule(r, 6+r.IntN(400))
		if err := play(b); err != nil {
			t.Fatalf("%v\nin the world of %#v", err, b)
		}
	}
}

// TestCutAtEveryBoundary cuts the link behind each frame of a transfer, in each
// direction: the blob arrives, and no more than a window is sent again.
func TestCutAtEveryBoundary(t *testing.T) {
	for _, size := range []int{0, 1, blob.Chunk - 1, blob.Chunk, blob.Chunk + 1, 5*blob.Chunk + 7} {
		for kind := range byte(8) {
			cuts := 0
			for cut := 0; ; cut++ {
				w := &world{data: content[:size], window: 2 * blob.Chunk}
				w.info.Name, w.info.Sized, w.info.Keyed = "n", kind&1 != 0, kind&2 != 0
				if w.info.Sized {
					w.info.Size = uint64(size)
				}
				if kind&4 != 0 && w.info.Keyed {
					w.info.Modified = 1
				}
				w.stream = !w.info.Keyed
				w.begin()
				moves := 0
				for move := range 3000 {
					if move == cut {
						w.cut()
					}
					w.link()
					w.accept()
					[]func(){w.read, w.write, w.arriveR, w.answer, w.arriveS, func() { w.take(blob.Chunk) }}[move%6]()
					moves = move
					if w.ended() && w.s.Forget() && w.r != nil && w.r.Forget() {
						break
					}
				}
				require.NoError(t, w.settle(), "size %d, kind %d, cut before move %d", size, kind, cut)
				require.LessOrEqual(t, w.again, int64(w.window))
				if moves < cut {
					break
				}
				cuts++
			}
			require.Greater(t, cuts, 10)
		}
	}
}
