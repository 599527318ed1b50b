//go:build unix

package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestInterrupt: Ctrl-C ends a chat and a room in good order.
func TestInterrupt(t *testing.T) {
	r, address := room(t, "127.0.0.1:0")
	ada := chat(t, "Ada", "-addr", address, "-wire", "serpy2")
	r.Says(t, "somebody (serpy2, ")
	sue := chat(t, "Sue", "-addr", address, "-wire", "serpy")
	ada.Says(t, "Sue joined")
	require.NoError(t, sue.Process.Signal(os.Interrupt))
	sue.Ends(t)
	ada.Says(t, "Sue left")
	require.NoError(t, r.Process.Signal(os.Interrupt))
	ada.Says(t, "the room closes")
	ada.Ends(t)
	r.Ends(t)
}
