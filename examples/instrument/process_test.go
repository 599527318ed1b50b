package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/examples/internal/proctest"
)

func TestMain(m *testing.M) { proctest.Main(m, main) }

// start starts the program as a process of its own.
func start(t *testing.T, args ...string) *proctest.Process {
	t.Helper()
	name := "it"
	if args[0] == "-role" {
		name = args[1]
	}
	return proctest.Apart(t, name, args...)
}

// Both sides know how it ended, whichever side the bad cable is on.
func TestTwoProcesses(t *testing.T) {
	from := recording(t, 8<<20+1)
	for name, cut := range map[string][2][]string{
		"cut before the instrument":  {{"-cut", "20ms"}, nil},
		"cut before the workstation": {nil, {"-cut", "20ms"}},
	} {
		t.Run(name, func(t *testing.T) {
			to := filepath.Join(t.TempDir(), "out")
			in := start(t, append([]string{"-role", "instrument", "-addr", "tcp://127.0.0.1:0", "-source", "file:" + from, "-mode", "acked", "-json"}, cut[0]...)...)
			address := in.Says(t, "listening on ")
			out := start(t, append([]string{"-role", "workstation", "-addr", address, "-out", to, "-json"}, cut[1]...)...)
			out.Ends(t)
			in.Ends(t)
			rep := parse(t, out.Out.Bytes())
			whole(t, rep, from, to)
			told := parse(t, in.Out.Bytes())
			assert.Equal(t, rep.SHA256Received, told.SHA256Received)
			assert.Equal(t, rep.Received, told.Received)
			assert.Zero(t, told.Lost)
		})
	}
}

// The cuts leave a slow machine the time for a handshake of TLS, and the stream lasts for
// some of them.
func TestTwoProcessesOverTLS(t *testing.T) {
	from, to := recording(t, 1<<20), filepath.Join(t.TempDir(), "out")
	in := start(t, "-role", "instrument", "-addr", "tls://127.0.0.1:0", "-source", "file:"+from, "-size", "8KiB")
	address := in.Says(t, "listening on ")
	in.Says(t, "-ca")
	certificate := "-----BEGIN CERTIFICATE-----\n"
	for !strings.Contains(certificate, "-----END") {
		if line := in.Line(t); !strings.Contains(line, "BEGIN") {
			certificate += line + "\n"
		}
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(ca, []byte(certificate), 0o600))
	out := start(t, "-role", "workstation", "-addr", address, "-ca", ca, "-cut", "100ms", "-slow", "5ms", "-out", to, "-json")
	out.Ends(t)
	in.Ends(t)
	whole(t, parse(t, out.Out.Bytes()), from, to)
}

func TestAskAnInstrument(t *testing.T) {
	in := start(t, "-role", "instrument", "-addr", "tcp://127.0.0.1:0")
	address := in.Says(t, "listening on ")
	for _, test := range []struct{ ask, want string }{
		{"*IDN?", identity}, {"RATE 50", "RATE 50"}, {"RATE?", "50"},
	} {
		p := start(t, "-ask", test.ask, "-addr", address)
		p.Ends(t)
		assert.Equal(t, test.want+"\n", p.Out.String())
	}
	p := start(t, "-ask", "TRG", "-addr", address)
	assert.Contains(t, p.Says(t, "instrument: "), "is no command")
	p.Exits(t, 1)

	here := start(t, "-ask", "*IDN?")
	here.Ends(t)
	assert.Equal(t, identity+"\n", here.Out.String())
}

// A file goes to the first workstation; the second is told so.
func TestSecondWorkstationIsTurnedAway(t *testing.T) {
	from := recording(t, 1<<20)
	in := start(t, "-role", "instrument", "-addr", "tcp://127.0.0.1:0", "-source", "file:"+from, "-size", "8KiB", "-queue", "4")
	address := in.Says(t, "listening on ")
	first := start(t, "-role", "workstation", "-addr", address, "-slow", "60ms", "-queue", "2", "-json")
	in.Says(t, "messages") // Progress: the first has the stream, for seconds more.
	second := start(t, "-role", "workstation", "-addr", address)
	assert.Contains(t, second.Says(t, "instrument: "), "taken by another workstation")
	second.Exits(t, 1)
	first.Ends(t)
	in.Ends(t)
}

// The instrument dies: the workstation says so, and what it had.
func TestInstrumentThatIsKilled(t *testing.T) {
	in := start(t, "-role", "instrument", "-addr", "tcp://127.0.0.1:0", "-rate", "100")
	address := in.Says(t, "listening on ")
	out := start(t, "-role", "workstation", "-addr", address)
	out.Says(t, "messages")
	in.Kill(t)
	out.Says(t, "no link to")
	again := start(t, "-role", "instrument", "-addr", address, "-rate", "100")
	assert.Contains(t, out.Says(t, "instrument: "), "has forgotten this session")
	out.Exits(t, 1)
	assert.Contains(t, out.Out.String(), "stopped before the end")
	again.Kill(t)
}
