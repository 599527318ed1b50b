package serpy

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEachWhoWaitsIsWokenInTime(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		var c Connection
		const n = 8
		woken := make(map[uint64]chan struct{})
		for _, i := range r.Perm(n) {
			id, ch := uint64(i+1), make(chan struct{})
			woken[id] = ch
			require.True(t, c.await(id, confirm{id: id, ch: ch, once: true}))
		}
		for to := range uint64(n) {
			c.resolveTo(to + 1)
			for id, ch := range woken {
				select {
				case <-ch:
					require.LessOrEqual(t, id, to+1)
				default:
					require.Greater(t, id, to+1)
				}
			}
		}
		require.Empty(t, c.confirms)
	}
}

// What the memory has no room for is unconfirmed, never confirmed.
func TestForgottenLossesAreNotConfirmed(t *testing.T) {
	var n nackMemory
	cause := errors.New("lost")
	const more = maxLostRanges + 2
	for i := range uint64(more) {
		n.lose(10*i+2, 10*i+4, cause)
	}
	require.Len(t, n.lost, maxLostRanges)
	for id := range uint64(10*more + 1) {
		err := n.outcome(id)
		switch lost := id%10 >= 2 && id%10 <= 4; {
		case id <= 14: // older than the memory
			require.ErrorIs(t, err, ErrUnconfirmed, id)
		case lost && id < 10*more:
			require.ErrorIs(t, err, cause, id)
		default:
			require.NoError(t, err, id)
		}
	}
}
