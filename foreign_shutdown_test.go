package serpy_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
)

// The end of a server leaves its clients what they need to take its last messages: what
// was queued, and the link for a while behind it.
func TestShutdownLingers(t *testing.T) {
	w := counts()
	w.linger = 100 * time.Millisecond
	s, err := serpy.Listen("tcp://127.0.0.1:0", on(w))
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- s.Serve(ctx, func(ctx context.Context, c *serpy.Connection) error {
			for range c.Messages(ctx) {
				t.Error("nothing is sent")
			}
			return nil
		})
	}()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.Address(), "tcp://"))
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	eventually(t, func() bool { return len(s.Connections()) == 1 })
	begin := time.Now()
	for missed := 1; missed > 0; {
		missed, err = s.Broadcast(serpy.TextMessage("goodbye"))
		require.NoError(t, err)
	}
	first := make([]byte, 1)
	_, err = io.ReadFull(conn, first)
	require.NoError(t, err)
	stop()
	rest, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Contains(t, string(first)+string(rest), "goodbye")
	require.GreaterOrEqual(t, time.Since(begin), w.linger, "since before it was written")
	require.NoError(t, <-served)
}
