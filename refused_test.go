package serpy_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
)

// What the peer's application refused is not handed to it again when the session is
// lost, though its receipt had to wait for that of an older message. A Gap stands in
// its place.
func TestRefusedMessageIsNotSentAgain(t *testing.T) {
	bubble(t, "processed", func(t *testing.T) {
		options := &serpy.Options{AckWhen: serpy.OnProcessed}
		h, a, c := meet(t, options, nil)
		receipts := make([]serpy.Receipt, 5)
		for i := 1; i < len(receipts); i++ {
			receipts[i] = put(t, c, fmt.Sprint("message ", i), serpy.Acked)
		}
		for i := 1; i < len(receipts); i++ {
			if m := get(t, a); i == 2 {
				m.Nack("no")
			}
		}
		require.Equal(t, uint64(2), event[serpy.Nacked](t, c).ID)
		resolved, _ := receipts[2].Poll()
		require.False(t, resolved, "receipts resolve in order")
		h.net().Refuse(true)
		h.net().CutAll()
		require.NoError(t, waitDown(t, c))

		a = accepted(t, h.restart(t, options))
		for _, i := range []int{1, 3, 4} {
			m := get(t, a)
			require.Equal(t, fmt.Sprint("message ", i), m.String())
			require.Equal(t, uint64(i), m.ID)
			require.True(t, m.Redelivered)
			if i == 3 {
				require.Equal(t, &serpy.Gap{First: 2, Last: 2, Count: 1, Reason: serpy.LostWithSession}, m.Gap)
			} else {
				require.Nil(t, m.Gap)
			}
			m.Ack()
		}
		for i := 1; i < len(receipts); i++ {
			err := receipts[i].Wait(within(t, time.Second))
			if i == 2 {
				var nack *serpy.NackError
				require.ErrorAs(t, err, &nack)
				require.Equal(t, "no", nack.Reason)
				continue
			}
			require.NoError(t, err, i)
		}
	})
}

// Who waits for the reply to a request of a session that is lost does not wait for ever,
// whether the peer had received the request or not.
func TestARequestOfALostSessionEnds(t *testing.T) {
	for name, received := range map[string]bool{"received": true, "under way": false} {
		bubble(t, name, func(t *testing.T) {
			h, a, c := meet(t, nil, nil)
			if !received {
				h.net().Conns()[0].Out().Stall()
			}
			asked := make(chan error, 1)
			go func() {
				_, err := c.Request(within(t, time.Hour), serpy.TextMessage("anybody?"))
				asked <- err
			}()
			if received {
				get(t, a)
			}
			bubbleSleep(time.Second)
			h.net().Refuse(true)
			h.net().CutAll()
			require.NoError(t, waitDown(t, c))
			accepted(t, h.restart(t, nil))
			err := <-asked
			require.ErrorIs(t, err, serpy.ErrUnconfirmed)
			var lost *serpy.SessionLostError
			require.ErrorAs(t, err, &lost)
		})
	}
}
