//go:build unix

package main

import (
	"testing"
)

// TestInterrupt: Ctrl-C ends a chat and a room in good order.
func TestInterrupt(t *testing.T) {
	r, address := room(t, "127.0.0.1:0")
	ada := chat(t, "Ada", "-addr", address, "-wire", "serpy2")
	r.Says(t, "somebody (serpy2, ")
	sue := chat(t, "Sue", "-addr", address, "-wire", "serpy")
	ada.Says(t, "Sue joined")
	sue.Interrupt(t)
	sue.Ends(t)
	ada.Says(t, "Sue left")
	r.Interrupt(t)
	ada.Says(t, "the room closes")
	ada.Ends(t)
	r.Ends(t)
}
