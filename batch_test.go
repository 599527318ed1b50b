package serpy_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
)

func TestBatches(t *testing.T) {
	c := dial(t, serve(t, small(), echo), nil)
	const n = 3000
	go func() {
		for at := 0; at < n; {
			ms := make([]serpy.Message, 100)
			for i := range ms {
				ms[i] = serpy.Message{Data: fmt.Append(nil, at+1)}
				if i%10 == 3 { // the long way, amid the fast one
					ms[i].Tag, ms[i].Mode = 9, serpy.Acked
				}
				at++
			}
			_, err := c.SendBatch(t.Context(), ms)
			assert.NoError(t, err)
		}
	}()
	into := make([]serpy.Message, 64)
	for next := 1; next <= n; {
		k, err := c.ReceiveBatch(t.Context(), into)
		require.NoError(t, err)
		require.Positive(t, k)
		for _, m := range into[:k] {
			require.Equal(t, fmt.Sprint(next), m.String())
			require.Equal(t, (next-1)%10 == 3, m.Tag == 9)
			next++
		}
	}
	ms := []serpy.Message{{Mode: serpy.Acked}, {Mode: serpy.Acked}}
	r, err := c.SendBatch(t.Context(), ms)
	require.NoError(t, err)
	require.NoError(t, r.Wait(t.Context()), "the receipt of the last")
	k, err := c.ReceiveBatch(t.Context(), nil)
	require.NoError(t, err)
	require.Zero(t, k)
}

// Received Data is the caller's: what comes later does not change it, until it is
// released, or, where it is lent, until the next batch.
func TestReceivedDataStays(t *testing.T) {
	c := dial(t, serve(t, nil, echo), nil)
	payload := func(i, size int) []byte {
		b := make([]byte, size)
		for k := range b {
			b[k] = byte(i)
		}
		return b
	}
	var kept []serpy.Message
	var sizes []int
	into := make([]serpy.Message, 16)
	for i := range 400 {
		size := []int{1, 100, 5000, 40_000, 100_000}[i%5]
		mine := payload(i, size)
		require.NoError(t, c.Send(t.Context(), mine))
		clear(mine) // sent data may be used again at once
		switch i % 3 {
		case 0:
			m, err := c.Receive(t.Context())
			require.NoError(t, err)
			require.Equal(t, len(m.Data), cap(m.Data), "an append does not reach what lies behind")
			kept, sizes = append(kept, m), append(sizes, i)
		case 1:
			m, err := c.Receive(t.Context())
			require.NoError(t, err)
			require.Equal(t, payload(i, size), m.Data)
			m.Release()
		case 2:
			n, err := c.ReceiveBatch(t.Context(), into)
			require.NoError(t, err)
			require.Equal(t, 1, n)
			require.Equal(t, payload(i, size), into[0].Data)
			kept, sizes = append(kept, into[0].Clone()), append(sizes, i)
		}
	}
	for k, m := range kept {
		i := sizes[k]
		require.Equal(t, payload(i, []int{1, 100, 5000, 40_000, 100_000}[i%5]), m.Data)
	}
}

// A message that is sent without a copy is read where it lies until its receipt.
func TestNoCopy(t *testing.T) {
	c := dial(t, serve(t, nil, echo), nil)
	data := make([]byte, 300_000)
	for i := range 20 {
		for k := range data {
			data[k] = byte(i)
		}
		r, err := c.SendMessage(t.Context(), serpy.Message{Data: data, NoCopy: true, Mode: serpy.Acked})
		require.NoError(t, err)
		require.NoError(t, r.Wait(t.Context()))
		m, err := c.Receive(t.Context())
		require.NoError(t, err)
		require.False(t, m.NoCopy)
		require.Equal(t, data, m.Data)
	}
}
