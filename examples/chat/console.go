package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/term"
)

// A console is where the user types and reads.
type console interface {
	// readLine waits for a line; io.EOF is the wish to leave.
	readLine() (string, error)
	// show prints what somebody said, and note what is said about the room.
	show(line string)
	note(line string)
	// prompt names who is typing.
	prompt(name string)
	// close gives the terminal back.
	close()
}

// newConsole takes the terminal, or, where there is none, plain lines.
func newConsole(stdin *os.File, stdout, stderr io.Writer) (console, error) {
	fd := int(stdin.Fd())
	if out, ok := stdout.(*os.File); !ok || !term.IsTerminal(fd) || !term.IsTerminal(int(out.Fd())) {
		return newPlain(stdin, stdout, stderr), nil
	}
	before, err := term.MakeRaw(fd)
	if err != nil {
		return nil, fmt.Errorf("taking the terminal: %w", err)
	}
	screen := &screen{out: stdout}
	t := &terminal{fd: fd, before: before, screen: screen, line: term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{stdin, screen}, "")}
	t.resize()
	return t, nil
}

// maxLine bounds a typed line, in bytes.
const maxLine = 1 << 20

// A plain console reads and writes lines.
type plain struct {
	in          *bufio.Scanner
	mu          sync.Mutex
	out, errOut io.Writer
}

func newPlain(in io.Reader, out, errOut io.Writer) *plain {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	return &plain{in: lines, out: out, errOut: errOut}
}

func (p *plain) readLine() (string, error) {
	if p.in.Scan() {
		return p.in.Text(), nil
	}
	if err := p.in.Err(); err != nil {
		return "", err
	}
	return "", io.EOF
}

func (p *plain) show(line string) { p.print(p.out, line) }

func (p *plain) note(line string) { p.print(p.errOut, "-- "+line) }

func (p *plain) print(to io.Writer, line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintln(to, line)
}

func (p *plain) prompt(string) {}

func (p *plain) close() {}

// A terminal keeps the prompt and what is being typed below what comes.
type terminal struct {
	fd     int
	before *term.State
	screen *screen
	line   *term.Terminal

	mu            sync.Mutex
	width, height int
}

func (t *terminal) readLine() (string, error) {
	t.resize()
	line, err := t.line.ReadLine()
	if errors.Is(err, term.ErrPasteIndicator) {
		err = nil
	}
	return line, err
}

// resize tells the line editor how wide the terminal is now. It is asked before each
// line rather than by a signal, which not every system has.
func (t *terminal) resize() {
	w, h, err := term.GetSize(t.fd)
	if err != nil || w <= 0 || h <= 0 {
		return
	}
	t.mu.Lock()
	changed := w != t.width || h != t.height
	t.width, t.height = w, h
	t.mu.Unlock()
	if changed {
		_ = t.line.SetSize(w, h)
	}
}

func (t *terminal) show(line string) {
	t.resize()
	_, _ = fmt.Fprintln(t.line, line)
}

func (t *terminal) note(line string) { t.show("-- " + line) }

func (t *terminal) prompt(name string) { t.line.SetPrompt(name + "> ") }

func (t *terminal) close() {
	if t.screen.close() {
		_ = term.Restore(t.fd, t.before)
	}
}

// A screen is what the line editor writes to, until it is closed: the editor may still be
// about to print its prompt, which then would stand before the shell's.
type screen struct {
	mu     sync.Mutex
	out    io.Writer
	midway bool // what was written last did not end its line
	closed bool
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(b) == 0 {
		return len(b), nil
	}
	s.midway = b[len(b)-1] != '\n'
	return s.out.Write(b)
}

// close ends the line that was begun, and says whether it is the first call.
func (s *screen) close() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.closed = true
	if s.midway {
		_, _ = io.WriteString(s.out, "\r\n") // what was being typed stays above
	}
	return true
}
