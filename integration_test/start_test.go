//go:build linux

package integration

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is how long a test waits for what has no promise of its own.
const patience = 60 * time.Second

// A peer is a peer program in a process of its own.
type peer struct {
	t     *testing.T
	plan  plan
	cmd   *exec.Cmd
	stdin interface {
		Write(b []byte) (int, error)
		Close() error
	}
	stderr bytes.Buffer
	exited chan struct{}
	err    error // of Wait; read it after exited

	mu      sync.Mutex
	lines   []string
	changed chan struct{} // closed when there is another line
}

// start starts a peer, which ends with the test at the latest. wrap is put before its
// command: a program that runs it elsewhere.
func start(t *testing.T, p plan, wrap ...string) *peer {
	t.Helper()
	text, err := json.Marshal(p)
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	args := append(append([]string(nil), wrap...), self)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(append(os.Environ(), p.Env...), roleVariable+"="+string(text))
	q := &peer{t: t, plan: p, cmd: cmd, exited: make(chan struct{}), changed: make(chan struct{})}
	cmd.Stderr = &q.stderr
	// The child goes where this process goes, also if that is killed.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	q.stdin = stdin
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	go func() {
		scanner := bufio.NewScanner(stdout)
		for scanner.Scan() {
			q.add(scanner.Text())
		}
		q.err = cmd.Wait()
		close(q.exited)
	}()
	t.Cleanup(q.end)
	return q
}

func (q *peer) add(line string) {
	q.mu.Lock()
	q.lines = append(q.lines, line)
	close(q.changed)
	q.changed = make(chan struct{})
	q.mu.Unlock()
}

// find gives the n-th line, from 0, with a first word.
func (q *peer) find(word string, n int) (line string, changed chan struct{}, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, l := range q.lines {
		if first, rest, _ := strings.Cut(l, " "); first == word {
			if n == 0 {
				return rest, nil, true
			}
			n--
		}
	}
	return "", q.changed, false
}

// count is how many lines there are with a first word.
func (q *peer) count(word string) (n int) {
	for {
		if _, _, ok := q.find(word, n); !ok {
			return n
		}
		n++
	}
}

// wait waits for the n-th line, from 0, with a first word, and gives its rest.
func (q *peer) wait(word string, n int) string {
	q.t.Helper()
	return q.waitFor(word, n, patience)
}

func (q *peer) waitFor(word string, n int, d time.Duration) string {
	q.t.Helper()
	ctx, cancel := context.WithTimeout(q.t.Context(), d)
	defer cancel()
	for {
		line, changed, ok := q.find(word, n)
		if ok {
			return line
		}
		select {
		case <-changed:
		case <-q.exited:
			if line, _, ok := q.find(word, n); ok {
				return line
			}
			require.FailNow(q.t, "the peer ended", "before it said %q (%d): %v\n%s", word, n, q.err, q.tail())
		case <-ctx.Done():
			require.FailNow(q.t, "the peer is late", "it did not say %q (%d) within %v\n%s", word, n, d, q.tail())
		}
	}
}

func (q *peer) tail() string {
	q.mu.Lock()
	defer q.mu.Unlock()
	from := max(0, len(q.lines)-20)
	return strings.Join(q.lines[from:], "\n")
}

// tell gives the peer a command.
func (q *peer) tell(command string) {
	q.t.Helper()
	if _, err := fmt.Fprintln(q.stdin, command); err != nil {
		q.exit() // it may be done already
	}
}

func (q *peer) signal(s syscall.Signal) {
	q.t.Helper()
	require.NoError(q.t, q.cmd.Process.Signal(s))
}

// kill is kill -9, and waits until the process is no more.
func (q *peer) kill() {
	q.t.Helper()
	q.signal(syscall.SIGKILL)
	<-q.exited
}

// end ends the peer whatever it does.
func (q *peer) end() {
	_ = q.stdin.Close()
	_ = q.cmd.Process.Signal(syscall.SIGCONT)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-q.exited:
	case <-timer.C:
		_ = q.cmd.Process.Signal(syscall.SIGQUIT) // its goroutines are what the failure is about
		<-q.exited
		q.t.Errorf("a peer did not end by itself")
	}
	if q.t.Failed() {
		q.t.Logf("peer %d, listen %v: %v\n%s\n%.20000s", q.cmd.Process.Pid, q.plan.Listen, q.err, q.tail(), q.stderr.String())
	}
}

// exit waits until the peer has ended well.
func (q *peer) exit() {
	q.t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-q.exited:
		require.NoError(q.t, q.err, "%s\n%.20000s", q.tail(), q.stderr.String())
	case <-timer.C:
		require.FailNow(q.t, "the peer does not end", q.tail())
	}
}

// A pair is a listener and a dialler that talk to each other.
type pair struct {
	t        *testing.T
	dir      string
	listener *peer
	dialler  *peer
	own      *journal // of the test
}

func newPair(t *testing.T) *pair {
	t.Helper()
	w := &pair{t: t, dir: t.TempDir()}
	var err error
	w.own, err = openJournal(filepath.Join(w.dir, "test"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.own.file.Close() })
	return w
}

// listen starts the listener, and gives the host and port where it is.
func (w *pair) listen(p plan, wrap ...string) string {
	w.t.Helper()
	return strings.TrimPrefix(w.listenAt(p, wrap...), "tcp://")
}

// listenAt starts the listener, and gives its address.
func (w *pair) listenAt(p plan, wrap ...string) string {
	w.t.Helper()
	p.Listen = true
	p.Journal = filepath.Join(w.dir, fmt.Sprintf("listener-%d", p.Life))
	if p.Address == "" {
		p.Address = "tcp://127.0.0.1:0"
	}
	w.listener = start(w.t, p, wrap...)
	return w.listener.wait("listening", 0)
}

func (w *pair) dial(p plan, address string, wrap ...string) {
	w.t.Helper()
	p.Address = address
	p.Journal = filepath.Join(w.dir, fmt.Sprintf("dialler-%d", p.Life))
	w.dialler = start(w.t, p, wrap...)
}

// finish lets both say what they have to say, and waits for the end of both.
func (w *pair) finish() {
	w.t.Helper()
	w.listener.tell("finish")
	w.dialler.tell("finish")
	w.finished()
}

func (w *pair) finished() {
	w.t.Helper()
	w.dialler.wait("done", 0)
	w.dialler.exit()
	w.listener.wait("conversed", w.listener.count("conversing")-1)
	w.listener.tell("quit")
	w.listener.exit()
}
