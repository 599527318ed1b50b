// Package proctest runs the examples as processes, for their tests.
package proctest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// asProgram makes a test binary the program that it tests.
const asProgram = "EXAMPLE_TEST_AS_PROGRAM"

// Main is what TestMain calls: it runs the tests, and looks for goroutines that they
// left; or, in a process that Self started, it runs main.
func Main(m *testing.M, main func()) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		for _, dir := range built.dirs {
			_ = os.RemoveAll(dir)
		}
		os.Exit(code)
	}))
}

// A Process is a program whose lines are read as they come: those of stderr, and of
// stdout unless that is kept apart. It is killed when the test ends.
type Process struct {
	*exec.Cmd
	Stdin io.WriteCloser
	Out   bytes.Buffer // stdout, of one that Apart started, once it has ended

	name  string
	lines chan string // all of them, and closed when the outputs are
}

// patience is how long a process may say nothing of what is waited for.
const patience = 2 * time.Minute

// most is how many lines a process may print that nobody has asked for.
const most = 10_000

// Self starts the program under test as a process, which the test calls name.
func Self(t *testing.T, name string, args ...string) *Process {
	t.Helper()
	return start(t, name, self(t, args), false)
}

// Apart is Self, but for stdout: a program for scripts says one thing there and another
// on stderr.
func Apart(t *testing.T, name string, args ...string) *Process {
	t.Helper()
	return start(t, name, self(t, args), true)
}

func self(t *testing.T, args []string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...) //nolint:gosec // the test itself
	// Under the race detector each process would wait for a second at its end.
	cmd.Env = append(os.Environ(), asProgram+"=1", "GORACE="+os.Getenv("GORACE")+" atexit_sleep_ms=0")
	return cmd
}

// Other starts another example, which is built once, as a process.
func Other(t *testing.T, example string, args ...string) *Process {
	t.Helper()
	path, err := built.path(example)
	require.NoError(t, err)
	return start(t, example, exec.CommandContext(t.Context(), path, args...), false)
}

// Server starts the program under test, one whose command to serve is "serve", and gives
// its address, without tcp://.
func Server(t *testing.T, args ...string) (*Process, string) {
	t.Helper()
	p := Self(t, "server", append([]string{"serve", "-addr", "127.0.0.1:0"}, args...)...)
	return p, p.Listens(t)
}

func start(t *testing.T, name string, cmd *exec.Cmd, apart bool) *Process {
	t.Helper()
	p := &Process{Cmd: cmd, name: name, lines: make(chan string, most)}
	var err error
	p.Stdin, err = cmd.StdinPipe()
	require.NoError(t, err)
	var outputs []io.Reader
	if apart {
		cmd.Stdout = &p.Out
	} else {
		stdout, err := cmd.StdoutPipe()
		require.NoError(t, err)
		outputs = append(outputs, stdout)
	}
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	outputs = append(outputs, stderr)
	require.NoError(t, cmd.Start())
	var reading sync.WaitGroup
	for _, r := range outputs {
		reading.Go(func() {
			for lines := bufio.NewScanner(r); lines.Scan(); {
				p.lines <- lines.Text()
			}
		})
	}
	go func() { reading.Wait(); close(p.lines) }()
	t.Cleanup(func() {
		if p.ProcessState == nil {
			_ = p.Process.Kill()
			p.rest(t)
			_ = p.Wait()
		}
	})
	return p
}

// Says reads lines up to one that contains part, and gives what follows it there.
func (p *Process) Says(t *testing.T, part string) string {
	t.Helper()
	late := time.After(patience)
	for {
		if _, rest, ok := strings.Cut(p.line(t, part, late), part); ok {
			return rest
		}
	}
}

// Listens waits until a server does, and gives its address, without tcp://.
func (p *Process) Listens(t *testing.T) string {
	t.Helper()
	return strings.TrimPrefix(p.Says(t, "listening on "), "tcp://")
}

// Line reads the next line.
func (p *Process) Line(t *testing.T) string {
	t.Helper()
	return p.line(t, "a line", time.After(patience))
}

// line reads a line where one is waited for.
func (p *Process) line(t *testing.T, what string, late <-chan time.Time) string {
	t.Helper()
	select {
	case line, more := <-p.lines:
		if !more {
			require.FailNow(t, p.name+" ended without saying "+what)
		}
		t.Log(p.name, "|", line)
		return line
	case <-late:
		require.FailNow(t, p.name+" did not say "+what)
	}
	return ""
}

// Types says a line at the keyboard.
func (p *Process) Types(t *testing.T, line string) {
	t.Helper()
	_, err := io.WriteString(p.Stdin, line+"\n")
	require.NoError(t, err)
}

// Ends waits for an orderly end, and gives the lines that were left.
func (p *Process) Ends(t *testing.T) []string {
	t.Helper()
	return p.Exits(t, 0)
}

// Exits waits for the end with an exit code, and gives the lines that were left.
func (p *Process) Exits(t *testing.T, want int) []string {
	t.Helper()
	code, rest := p.Code(t)
	require.Equal(t, want, code, "%s: %q %s", p.name, rest, &p.Out)
	return rest
}

// Code waits for the end, and gives the exit code and the lines that were left.
func (p *Process) Code(t *testing.T) (code int, rest []string) {
	t.Helper()
	rest = p.rest(t)
	_ = p.Wait() // the code says it
	return p.ProcessState.ExitCode(), rest
}

// Interrupt is Ctrl-C.
func (p *Process) Interrupt(t *testing.T) {
	t.Helper()
	require.NoError(t, p.Process.Signal(os.Interrupt))
}

// Kill ends the process as a power cut does.
func (p *Process) Kill(t *testing.T) {
	t.Helper()
	require.NoError(t, p.Process.Kill())
	p.rest(t)
	require.Error(t, p.Wait())
}

func (p *Process) rest(t *testing.T) (rest []string) {
	t.Helper()
	for line := range p.lines {
		t.Log(p.name, "|", line)
		rest = append(rest, line)
	}
	return rest
}

// builds are the examples that were built, each once.
type builds struct {
	mu    sync.Mutex
	paths map[string]string
	dirs  []string
}

var built builds

func (b *builds) path(example string) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if path := b.paths[example]; path != "" {
		return path, nil
	}
	dir, err := os.MkdirTemp("", example)
	if err != nil {
		return "", err
	}
	b.dirs = append(b.dirs, dir)
	path := filepath.Join(dir, example)
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	out, err := exec.Command("go", "build", "-o", path, "../"+example).CombinedOutput() //nolint:noctx // once for all tests
	if err != nil {
		return "", fmt.Errorf("building %s: %w: %s", example, err, out)
	}
	if b.paths == nil {
		b.paths = make(map[string]string)
	}
	b.paths[example] = path
	return path, nil
}
