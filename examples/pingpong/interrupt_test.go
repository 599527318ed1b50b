//go:build unix

package main

import (
	"testing"

	"github.com/serpy-go/serpy/examples/internal/proctest"
)

// TestInterrupt: Ctrl-C ends both in good order, and the sums are printed.
func TestInterrupt(t *testing.T) {
	for _, wire := range []string{"native", "serpy", "serpy2"} {
		s, address := proctest.Server(t, "-wires", wire)
		p := proctest.Self(t, "ping", "ping", "-addr", address, "-wire", wire, "-n", "0", "-every", "1ms", "-wait", "1m")
		p.Says(t, " bytes in ")
		p.Interrupt(t)
		p.Says(t, " answered; least ")
		p.Ends(t)
		s.Says(t, " went")
		s.Interrupt(t)
		s.Says(t, "closed")
		s.Ends(t)
	}
}
