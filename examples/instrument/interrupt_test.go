//go:build unix

package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Ctrl-C ends each role in good order, and the table is printed.
func TestInterrupt(t *testing.T) {
	t.Run("both", func(t *testing.T) {
		p := start(t, "-duration", "1h", "-rate", "100")
		p.Says(t, "messages")
		p.Interrupt(t)
		p.Ends(t)
		assert.Contains(t, p.Out.String(), "sent and received")
	})
	t.Run("instrument", func(t *testing.T) {
		in := start(t, "-role", "instrument", "-addr", "tcp://127.0.0.1:0", "-rate", "100")
		out := start(t, "-role", "workstation", "-addr", in.Says(t, "listening on "))
		out.Says(t, "messages")
		in.Interrupt(t)
		in.Ends(t)
		out.Ends(t)
		assert.Contains(t, in.Out.String(), "sent and received")
		assert.Contains(t, out.Out.String(), "sent and received")
	})
	t.Run("workstation", func(t *testing.T) {
		in := start(t, "-role", "instrument", "-addr", "tcp://127.0.0.1:0", "-rate", "100")
		out := start(t, "-role", "workstation", "-addr", in.Says(t, "listening on "))
		out.Says(t, "messages")
		out.Interrupt(t)
		out.Ends(t)
		assert.Contains(t, out.Out.String(), "stopped before the end")
		in.Says(t, "did not take the stream to its end")
		in.Interrupt(t)
		// Where a message was on its way when the workstation left, it is lost: that is a 1.
		if code, _ := in.Code(t); code != 0 {
			require.Equal(t, 1, code)
			assert.NotRegexp(t, `lost +0`, in.Out.String())
		}
		assert.Contains(t, in.Out.String(), "stopped before the end")
	})
	t.Run("workstation that waits for its instrument", func(t *testing.T) {
		out := start(t, "-role", "workstation", "-addr", "tcp://127.0.0.1:1")
		out.Says(t, "no link to tcp://127.0.0.1:1, still trying")
		out.Interrupt(t)
		out.Ends(t)
	})
}
