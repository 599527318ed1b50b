//go:build unix

package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/examples/internal/proctest"
)

// TestInterrupt: Ctrl-C ends both in good order, and the sums are printed.
func TestInterrupt(t *testing.T) {
	for _, wire := range []string{"native", "serpy", "serpy2"} {
		s, address := server(t, "-wires", wire)
		p := proctest.Self(t, "ping", "ping", "-addr", address, "-wire", wire, "-n", "0", "-every", "1ms", "-wait", "1m")
		p.Says(t, " bytes in ")
		require.NoError(t, p.Process.Signal(os.Interrupt))
		p.Says(t, " answered; least ")
		p.Ends(t)
		s.Says(t, " went")
		require.NoError(t, s.Process.Signal(os.Interrupt))
		s.Says(t, "closed")
		s.Ends(t)
	}
}
