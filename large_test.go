package serpy_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/serpytest"
)

// Large messages arrive as they were when they were sent, over cut links, while memory
// serves for one after another at both ends; what is not released stays.
func TestLargeMessagesKeepTheirBytes(t *testing.T) {
	const messages = 80
	fill := func(b []byte, i int) []byte {
		for k := range b {
			b[k] = byte(i + k/1000)
		}
		return b
	}
	size := func(i int) int { return 70_000 + i%7*180_000 }
	s, err := serpy.Listen("tcp://127.0.0.1:0", nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	p, err := serpytest.NewProxy("tcp", s.Address()[len("tcp://"):], nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Close() })
	o := &serpy.Options{}
	o.Reconnect.Min, o.Reconnect.Max = time.Millisecond, 20*time.Millisecond
	c, err := serpy.Dial(t.Context(), "tcp://"+p.Addr(), o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	sent := make(chan error, 1)
	go func() {
		data := make([]byte, size(6))
		for i := range messages {
			b := fill(data[:size(i)], i)
			var err error
			if i%2 == 0 {
				err = c.Send(t.Context(), b)
			} else {
				_, err = c.SendMessage(t.Context(), serpy.Message{Data: b})
			}
			if err != nil {
				sent <- err
				return
			}
			clear(b) // sent data may be used again at once
		}
		sent <- c.Flush(t.Context())
	}()
	from := accepted(t, s)
	want := make([]byte, size(6))
	kept := make(map[int]serpy.Message)
	for i := range messages {
		m, err := from.Receive(t.Context())
		require.NoError(t, err)
		require.Equal(t, len(m.Data), cap(m.Data))
		require.Equal(t, fill(want[:size(i)], i), m.Data, "message %d", i)
		if i%3 == 0 {
			kept[i] = m
		} else {
			m.Release()
		}
		if i%10 == 5 {
			p.Cut()
		}
	}
	require.NoError(t, <-sent)
	for i, m := range kept {
		require.Equal(t, fill(want[:size(i)], i), m.Data, "kept message %d", i)
	}
	require.Greater(t, p.Opened(), 1, "links")
}
