package serpy

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// sends has n messages of size bytes appended, and gives the sizes of the slabs they
// stand in, in order.
func sends(q *sendQueue, n, size int) (slabs []int) {
	data := make([]byte, size)
	var last *slab
	for range n {
		(&wireMessage{payload: data}).appendTo(q)
		q.messages++
		if q.tail != last {
			last = q.tail
			slabs = append(slabs, cap(last.buf))
		}
	}
	return slabs
}

// confirmAll has all of q written and confirmed.
func confirmAll(t *testing.T, q *sendQueue) {
	t.Helper()
	pickAll(q, 1<<30)
	q.resolve(q.next-1, 0)
	require.Zero(t, q.groups.len())
	require.Nil(t, q.tail)
}

// A connection that holds a little takes a little memory: many of them would share no
// cache otherwise.
func TestSlabsGrowWithWhatIsHeld(t *testing.T) {
	q := newSendQueue(false)
	got := sends(&q, 1000, 1000)
	require.Equal(t, smallSlab, got[0])
	require.Equal(t, []int{mediumSlab, mediumSlab}, got[1:3])
	require.Equal(t, largeSlab, got[len(got)-1])
	require.IsNonDecreasing(t, got)
	require.Contains(t, got, middleSlab)
}

// Who sends in bursts begins with what the last one needed, and goes back when it sends
// less.
func TestABurstBeginsWithWhatTheLastNeeded(t *testing.T) {
	q := newSendQueue(false)
	require.Equal(t, []int{smallSlab, mediumSlab}, sends(&q, 64, 128))
	confirmAll(t, &q)
	require.Equal(t, []int{mediumSlab}, sends(&q, 64, 128))
	confirmAll(t, &q)
	require.Equal(t, []int{mediumSlab}, sends(&q, 1, 128))
	confirmAll(t, &q)
	require.Equal(t, []int{smallSlab}, sends(&q, 1, 128))
	confirmAll(t, &q)
}

// The first message of a burst is not written alone when the last burst was one.
func TestWhatComesAloneIsNoBurst(t *testing.T) {
	q := newSendQueue(false)
	for _, c := range []struct {
		n     int
		alone bool
	}{{1, true}, {fewAlone, true}, {fewAlone + 1, false}, {64, false}, {1, true}} {
		sends(&q, c.n, 128)
		confirmAll(t, &q)
		require.Equal(t, c.alone, q.alone, "%d messages", c.n)
	}
}
