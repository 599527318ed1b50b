package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// process is the program as a process of its own.
type process struct {
	*exec.Cmd
	stdout bytes.Buffer
	stderr *bufio.Scanner
}

func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.CommandContext(t.Context(), os.Args[0], args...)}
	p.Env = append(os.Environ(), asProgram+"=1")
	p.Stdout = &p.stdout
	pipe, err := p.StderrPipe()
	require.NoError(t, err)
	p.stderr = bufio.NewScanner(pipe)
	require.NoError(t, p.Start())
	t.Cleanup(func() {
		if p.ProcessState == nil {
			_ = p.Process.Kill()
			_ = p.Wait()
		}
	})
	return p
}

// says reads stderr up to a line that contains part, and gives what follows it.
func (p *process) says(t *testing.T, part string) string {
	t.Helper()
	for p.stderr.Scan() {
		if _, rest, ok := strings.Cut(p.stderr.Text(), part); ok {
			return rest
		}
	}
	require.FailNow(t, "it ended without saying "+part)
	return ""
}

// end waits for an orderly end and gives the rest of stderr.
func (p *process) end(t *testing.T) string {
	t.Helper()
	var rest strings.Builder
	for p.stderr.Scan() {
		rest.WriteString(p.stderr.Text() + "\n")
	}
	require.NoError(t, p.Wait(), "%s%s", rest.String(), p.stdout.String())
	return rest.String()
}

// Both sides know how it ended, whichever side the bad cable is on.
func TestTwoProcesses(t *testing.T) {
	from := recording(t, 8<<20+1)
	for name, cut := range map[string][2][]string{
		"cut before the instrument":  {{"-cut", "5ms"}, nil},
		"cut before the workstation": {nil, {"-cut", "5ms"}},
	} {
		t.Run(name, func(t *testing.T) {
			to := filepath.Join(t.TempDir(), "out")
			in := start(t, append([]string{"-role", "instrument", "-addr", "tcp://127.0.0.1:0", "-source", "file:" + from, "-mode", "acked", "-json"}, cut[0]...)...)
			address := in.says(t, "listening on ")
			out := start(t, append([]string{"-role", "workstation", "-addr", address, "-out", to, "-json"}, cut[1]...)...)
			out.end(t)
			in.end(t)
			rep := parse(t, out.stdout.Bytes())
			whole(t, rep, from, to)
			told := parse(t, in.stdout.Bytes())
			assert.Equal(t, rep.SHA256Received, told.SHA256Received)
			assert.Equal(t, rep.Received, told.Received)
			assert.Zero(t, told.Lost)
		})
	}
}

func TestTwoProcessesOverTLS(t *testing.T) {
	from, to := recording(t, 1<<20), filepath.Join(t.TempDir(), "out")
	in := start(t, "-role", "instrument", "-addr", "tls://127.0.0.1:0", "-source", "file:"+from)
	address := in.says(t, "listening on ")
	in.says(t, "-ca")
	certificate := "-----BEGIN CERTIFICATE-----\n"
	for in.stderr.Scan() && !strings.Contains(certificate, "-----END") {
		if line := in.stderr.Text(); !strings.Contains(line, "BEGIN") {
			certificate += line + "\n"
		}
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(ca, []byte(certificate), 0o600))
	out := start(t, "-role", "workstation", "-addr", address, "-ca", ca, "-cut", "5ms", "-out", to, "-json")
	out.end(t)
	in.end(t)
	whole(t, parse(t, out.stdout.Bytes()), from, to)
}

func TestAskAnInstrument(t *testing.T) {
	in := start(t, "-role", "instrument", "-addr", "tcp://127.0.0.1:0")
	address := in.says(t, "listening on ")
	for _, test := range []struct{ ask, want string }{
		{"*IDN?", identity}, {"RATE 50", "RATE 50"}, {"RATE?", "50"},
	} {
		p := start(t, "-ask", test.ask, "-addr", address)
		p.end(t)
		assert.Equal(t, test.want+"\n", p.stdout.String())
	}
	p := start(t, "-ask", "TRG", "-addr", address)
	assert.Contains(t, p.says(t, "instrument: "), "is no command")
	require.Error(t, p.Wait())

	here := start(t, "-ask", "*IDN?")
	here.end(t)
	assert.Equal(t, identity+"\n", here.stdout.String())
}

// A file goes to the first workstation; the second is told so.
func TestSecondWorkstationIsTurnedAway(t *testing.T) {
	from := recording(t, 1<<20)
	in := start(t, "-role", "instrument", "-addr", "tcp://127.0.0.1:0", "-source", "file:"+from, "-size", "8KiB", "-queue", "4")
	address := in.says(t, "listening on ")
	first := start(t, "-role", "workstation", "-addr", address, "-slow", "15ms", "-queue", "2", "-json")
	in.says(t, "messages") // Progress: the first has the stream.
	second := start(t, "-role", "workstation", "-addr", address)
	assert.Contains(t, second.says(t, "instrument: "), "taken by another workstation")
	require.Error(t, second.Wait())
	first.end(t)
	in.end(t)
}

// The instrument dies: the workstation says so, and what it had.
func TestInstrumentThatIsKilled(t *testing.T) {
	in := start(t, "-role", "instrument", "-addr", "tcp://127.0.0.1:0", "-rate", "100")
	address := in.says(t, "listening on ")
	out := start(t, "-role", "workstation", "-addr", address)
	out.says(t, "messages")
	require.NoError(t, in.Process.Kill())
	_ = in.Wait()
	out.says(t, "no link to")
	again := start(t, "-role", "instrument", "-addr", address, "-rate", "100")
	assert.Contains(t, out.says(t, "instrument: "), "has forgotten this session")
	require.Error(t, out.Wait())
	assert.Contains(t, out.stdout.String(), "stopped before the end")
	require.NoError(t, again.Process.Kill())
}
