package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/examples/internal/proctest"
)

// TestThreeWires: processes on all three wires in the room of a fourth hear one another,
// see who comes and goes, and that the room ends.
func TestThreeWires(t *testing.T) {
	r, address := room(t, "127.0.0.1:0")
	ada := chat(t, "Ada", "-addr", address)
	r.Says(t, "Ada (native, ")
	sue := chat(t, "Sue", "-addr", address, "-wire", "serpy")
	r.Says(t, "somebody (serpy, ")
	ada.Says(t, "Sue joined")
	tom := chat(t, "Tom", "-addr", address, "-wire", "serpy2")
	r.Says(t, "somebody (serpy2, ")
	for _, p := range []*proctest.Process{ada, sue} {
		p.Says(t, "Tom joined")
	}
	all := map[string]*proctest.Process{"Ada": ada, "Sue": sue, "Tom": tom}
	for speaker, p := range all {
		text := speaker + " : hé, 日本語 and \x1f \x01"
		shown := speaker + " : hé, 日本語 and \uFFFD \uFFFD"
		p.Types(t, text[len(speaker+" : "):])
		for listener, other := range all {
			if listener != speaker {
				other.Says(t, shown)
			}
		}
	}
	sue.Types(t, "/name Susan")
	for _, p := range []*proctest.Process{ada, tom} {
		p.Says(t, "Sue is Susan now")
	}
	sue.Types(t, "/nope")
	sue.Says(t, "no such command")
	sue.Types(t, "/stop")
	sue.Ends(t)
	for _, p := range []*proctest.Process{ada, tom} {
		p.Says(t, "Susan left")
	}
	tom.Types(t, "/KTHXBYE")
	for _, p := range []*proctest.Process{ada, tom} {
		p.Says(t, "the room closes")
		p.Ends(t)
	}
	r.Says(t, "ends the room")
	r.Says(t, "closed")
	r.Ends(t)
}

// TestPipe: lines that come through a pipe are all said before the program ends.
func TestPipe(t *testing.T) {
	for _, wire := range []string{"native", "serpy", "serpy2"} {
		t.Run(wire, func(t *testing.T) {
			r, address := room(t, "127.0.0.1:0")
			listener := chat(t, "listener", "-addr", address)
			r.Says(t, "listener (native, ")
			clock := chat(t, "clock", "-addr", address, "-wire", wire)
			clock.Types(t, "one")
			clock.Types(t, "two")
			clock.Types(t, "three")
			require.NoError(t, clock.Stdin.Close())
			clock.Ends(t)
			listener.Says(t, "clock joined")
			listener.Says(t, "clock : one")
			listener.Says(t, "clock : two")
			listener.Says(t, "clock : three")
			listener.Says(t, "clock left")
		})
	}
}

// TestLinkBreaksAndReturns: the room is killed and comes again at the same place. Who is
// in it is told of both, and what is said in between is heard then.
func TestLinkBreaksAndReturns(t *testing.T) {
	for _, wire := range []string{"native", "serpy", "serpy2"} {
		t.Run(wire, func(t *testing.T) {
			r, address := room(t, lasting(t))
			ada := chat(t, "Ada", "-addr", address, "-wire", wire)
			ada.Says(t, "in the room at "+address)
			ada.Types(t, "before")
			r.Says(t, " came")
			r.Kill(t)
			ada.Says(t, "the link is down")
			ada.Types(t, "while it was down")
			again, _ := room(t, address)
			ada.Says(t, "the link is back")
			again.Says(t, " came")
			sue := chat(t, "Sue", "-addr", address)
			ada.Says(t, "Sue joined")
			ada.Types(t, "after")
			sue.Says(t, "Ada : after")
		})
	}
}

// TestWrongRoom: a room that does not speak the wire of a chat hangs up, again and again,
// and the user is told what that may mean.
func TestWrongRoom(t *testing.T) {
	r := proctest.Other(t, "broadcast", "-addr", "127.0.0.1:0", "-wires", "native")
	address := r.Says(t, "listening on ")
	tom := chat(t, "Tom", "-addr", address, "-wire", "serpy2")
	tom.Says(t, "the room hangs up at once: do its -wires")
}

// lasting gives an address that nobody else can take while the room is down, as may happen
// to a port.
func lasting(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "room") //nolint:usetesting // t.TempDir may be too long for a socket
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return "unix://" + filepath.ToSlash(filepath.Join(dir, "s"))
}
