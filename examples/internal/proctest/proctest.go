// Package proctest runs the examples as processes, for their tests.
package proctest

import (
	"bufio"
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

// A Process is a program whose lines, of stdout and stderr, are read as they come. It is
// killed when the test ends.
type Process struct {
	*exec.Cmd
	Stdin io.WriteCloser

	name  string
	lines chan string // all of them, and closed when both outputs are
}

// patience is how long a process may say nothing of what is waited for.
const patience = 2 * time.Minute

// most is how many lines a process may print that nobody has asked for.
const most = 10_000

// Self starts the program under test as a process, which the test calls name.
func Self(t *testing.T, name string, args ...string) *Process {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...) //nolint:gosec // the test itself
	// Under the race detector each process would wait for a second at its end.
	cmd.Env = append(os.Environ(), asProgram+"=1", "GORACE="+os.Getenv("GORACE")+" atexit_sleep_ms=0")
	return start(t, name, cmd)
}

// Other starts another example, which is built once, as a process.
func Other(t *testing.T, example string, args ...string) *Process {
	t.Helper()
	path, err := built.path(example)
	require.NoError(t, err)
	return start(t, example, exec.CommandContext(t.Context(), path, args...))
}

func start(t *testing.T, name string, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{Cmd: cmd, name: name, lines: make(chan string, most)}
	var err error
	p.Stdin, err = cmd.StdinPipe()
	require.NoError(t, err)
	var outputs [2]io.Reader
	outputs[0], err = cmd.StdoutPipe()
	require.NoError(t, err)
	outputs[1], err = cmd.StderrPipe()
	require.NoError(t, err)
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
		select {
		case line, more := <-p.lines:
			if !more {
				require.FailNow(t, p.name+" ended without saying "+part)
			}
			t.Log(p.name, "|", line)
			if _, rest, ok := strings.Cut(line, part); ok {
				return rest
			}
		case <-late:
			require.FailNow(t, p.name+" did not say "+part)
		}
	}
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
	rest := p.rest(t)
	require.NoError(t, p.Wait(), "%s: %q", p.name, rest)
	return rest
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
