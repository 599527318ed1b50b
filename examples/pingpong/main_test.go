package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/serpy-go/serpy/examples/internal/proctest"
	"github.com/serpy-go/serpy/examples/internal/recorded"
)

func TestMain(m *testing.M) { proctest.Main(m, main) }

func TestAllWires(t *testing.T) {
	s, address := proctest.Server(t)
	_, lines := proctest.Server(t, "-wires", "native,serpy2,line")
	for wire, types := range map[string][2]string{
		"native": {"int 42", "text hé"}, "serpy": {"bytes 42", "bytes hé"},
		"serpy2": {"int 42", "text hé"}, "line": {"bytes 42", "bytes hé"},
	} {
		t.Run(wire, func(t *testing.T) {
			to := address
			if wire == "line" {
				to = lines
			}
			p := proctest.Self(t, "ping", "ping", "-addr", to, "-wire", wire, "-n", "200", "-size", "1000", "-every", "0", "-wait", "1m")
			p.Says(t, "by the "+wire+" wire")
			p.Says(t, "200: 1000 bytes in ")
			p.Says(t, "200 sent, 200 answered; least ")
			p.Ends(t)

			p = proctest.Self(t, "ping", "ping", "-addr", to, "-wire", wire, "-every", "0", "-wait", "1m", "42", "hé")
			p.Says(t, "42 comes back as "+types[0]+" in ")
			p.Says(t, "hé comes back as "+types[1]+" in ")
			p.Ends(t)
		})
	}
	s.Says(t, "ping (native, ")
}

// The original's session, byte by byte.
func TestRecorded(t *testing.T) {
	_, address := proctest.Server(t, "-wires", "native,serpy2")
	recorded.Read(t, "v2_pingpong").Replay(t, address)
}

// An answer that does not come is told, and the next is waited for.
func TestMissing(t *testing.T) {
	mute := proctest.Other(t, "imageserver", "serve", "-addr", "127.0.0.1:0")
	address := mute.Listens(t)
	var out, errOut bytes.Buffer
	assert.Equal(t, 1, run(t.Context(), []string{"ping", "-addr", address, "-n", "2", "-every", "0", "-wait", "10ms"}, &out, &errOut))
	assert.Contains(t, out.String(), "  1: no answer within 10ms\n  2: no answer within 10ms\n2 sent, 0 answered\n")
	assert.Contains(t, errOut.String(), "answers missing: 2")
}

func TestFlags(t *testing.T) {
	use := proctest.Uses(t, run)
	use(2, "ping or serve?")
	use(2, `"pong" is no command: ping or serve`, "pong")
	use(2, `-wires "npipes": choose native, serpy, serpy2 or line`, "serve", "-wires", "npipes")
	use(2, "-wires serpy and line cannot be told apart", "serve", "-wires", "serpy,line")
	use(2, `"x" is too much`, "serve", "x")
	use(2, `-wire "x": choose`, "ping", "-wire", "x")
	use(2, "-n -1: give", "ping", "-n", "-1")
	use(2, "-size 4194305: give", "ping", "-size", "4194305")
	use(2, "-every -1s: give", "ping", "-every", "-1s")
	use(2, "-wait 0s: give", "ping", "-wait", "0")
	use(2, "flag provided but not", "ping", "-nope")
	use(1, "Start pingpong serve there first", "ping", "-addr", "127.0.0.1:1")
	use(1, "no such scheme", "ping", "-addr", "http://x")
	use(1, "no such scheme", "serve", "-addr", "http://x")
	use(1, "Choose another place", "serve", "-addr", "unix:///no/such/folder/socket")
	use(0, "pingpong serve ", "-help")
	use(0, "-every", "ping", "-help")
	use(0, "-wires", "serve", "--help")
}

func TestMilliseconds(t *testing.T) {
	for want, d := range map[string]time.Duration{"0 ms": 0, "0.001 ms": 1000, "1 ms": 1_000_000, "10 ms": 10_000_000, "1.5 ms": 1_500_000, "100000 ms": 100_000_000_000} {
		assert.Equal(t, want, milliseconds(d))
	}
}
