//go:build unix

package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// interrupt is Ctrl-C.
func (p *process) interrupt(t *testing.T) {
	t.Helper()
	require.NoError(t, p.Process.Signal(os.Interrupt))
}

// Ctrl-C ends each role in good order, and the table is printed.
func TestInterrupt(t *testing.T) {
	t.Run("both", func(t *testing.T) {
		p := start(t, "-duration", "1h", "-rate", "100")
		p.says(t, "messages")
		p.interrupt(t)
		p.end(t)
		assert.Contains(t, p.stdout.String(), "sent and received")
	})
	t.Run("instrument", func(t *testing.T) {
		in := start(t, "-role", "instrument", "-addr", "tcp://127.0.0.1:0", "-rate", "100")
		out := start(t, "-role", "workstation", "-addr", in.says(t, "listening on "))
		out.says(t, "messages")
		in.interrupt(t)
		in.end(t)
		out.end(t)
		assert.Contains(t, in.stdout.String(), "sent and received")
		assert.Contains(t, out.stdout.String(), "sent and received")
	})
	t.Run("workstation", func(t *testing.T) {
		in := start(t, "-role", "instrument", "-addr", "tcp://127.0.0.1:0", "-rate", "100")
		out := start(t, "-role", "workstation", "-addr", in.says(t, "listening on "))
		out.says(t, "messages")
		out.interrupt(t)
		out.end(t)
		assert.Contains(t, out.stdout.String(), "stopped before the end")
		in.says(t, "did not take the stream to its end")
		in.interrupt(t)
		for in.stderr.Scan() {
			continue
		}
		// Where a message was on its way when the workstation left, it is lost: that is a 1.
		if err := in.Wait(); err != nil {
			require.EqualError(t, err, "exit status 1")
			assert.NotRegexp(t, `lost +0`, in.stdout.String())
		}
		assert.Contains(t, in.stdout.String(), "stopped before the end")
	})
	t.Run("workstation that waits for its instrument", func(t *testing.T) {
		out := start(t, "-role", "workstation", "-addr", "tcp://127.0.0.1:1")
		out.says(t, "no link to tcp://127.0.0.1:1, still trying")
		out.interrupt(t)
		out.end(t)
	})
}
