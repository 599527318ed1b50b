package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/serpy-go/serpy/blob"
)

// outcome is what -json says of one file.
type outcome struct {
	Name    string  `json:"name"`
	Path    string  `json:"path,omitempty"`   // here
	Bytes   int64   `json:"bytes"`            // of the file, or of it what the receiver has
	Resumed int64   `json:"resumed"`          // of those, how many were not sent: they were there
	Seconds float64 `json:"seconds"`          //
	Digest  string  `json:"digest,omitempty"` // the same on both sides; SPEC.md 10.4 says of what
	Error   string  `json:"error,omitempty"`  // none: it is whole
	Again   bool    `json:"again,omitempty"`  // sending it again may help
}

// screen shows a bar for a file, on a terminal, and what became of it. Where several files
// are under way, one of them has the bar. Safe from any goroutine.
type screen struct {
	stdout   io.Writer
	stderr   *os.File
	json     bool
	quiet    bool
	terminal bool

	mu    sync.Mutex
	bar   *progressbar.ProgressBar
	owner *string // of the bar
}

func newScreen(cfg *config, stdout io.Writer, stderr *os.File) *screen {
	return &screen{stdout: stdout, stderr: stderr, json: cfg.json, quiet: cfg.quiet, terminal: term.IsTerminal(int(stderr.Fd()))}
}

// logger is for the library.
func (s *screen) logger(verbose bool) *slog.Logger {
	if !verbose {
		return nil
	}
	return slog.New(slog.NewTextHandler(s.stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// notef says something that a person should know, once.
func (s *screen) notef(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	fmt.Fprintf(s.stderr, "-- "+format+"\n", args...)
}

// progress shows how far a file has come.
func (s *screen) progress(name string) func(blob.Progress) {
	if !s.terminal || s.quiet {
		return nil
	}
	mine := &name
	return func(p blob.Progress) {
		s.mu.Lock()
		defer s.mu.Unlock()
		switch {
		case s.owner == nil:
			s.owner, s.bar = mine, s.newBar(name, p)
		case s.owner != mine:
			return
		}
		_ = s.bar.Set64(p.Bytes) // a terminal that is gone is no matter
		if p.Bytes == p.Total {
			s.clear()
		}
	}
}

func (s *screen) newBar(name string, p blob.Progress) *progressbar.ProgressBar {
	return progressbar.NewOptions64(p.Total,
		progressbar.OptionSetDescription(short(name)), progressbar.OptionSetWriter(s.stderr),
		progressbar.OptionShowBytes(true), progressbar.OptionUseIECUnits(true), progressbar.OptionThrottle(50*time.Millisecond),
		progressbar.OptionSetPredictTime(true), progressbar.OptionFullWidth(), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetElapsedTime(false))
}

// short is a name that leaves room for a bar. A name of a peer may hold anything.
func short(name string) string {
	q := []rune(strconv.Quote(name))
	q = q[1 : len(q)-1]
	if len(q) > 30 {
		return string(q[:14]) + "…" + string(q[len(q)-15:])
	}
	return string(q)
}

// clear takes the bar away. s.mu is held.
func (s *screen) clear() {
	if s.bar != nil {
		_ = s.bar.Clear()
	}
	s.bar, s.owner = nil, nil
}

// done says that a file is whole.
func (s *screen) done(name, path string, r *blob.Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	if s.json {
		s.print(&outcome{Name: name, Path: path, Bytes: r.Bytes, Resumed: r.Resumed, Seconds: r.Elapsed.Seconds(), Digest: hex.EncodeToString(r.Digest[:])})
		return
	}
	if s.quiet {
		return
	}
	text := fmt.Sprintf("%q: %s", name, humanize.IBytes(uint64(r.Bytes))) //nolint:gosec // not negative
	switch sent := r.Bytes - r.Resumed; {
	case r.Resumed > 0 && sent == 0:
		text += ", was there already"
	default:
		if r.Resumed > 0 {
			text += fmt.Sprintf(", %s of it were there", humanize.IBytes(uint64(r.Resumed)))
		}
		text += fmt.Sprintf(", in %v", r.Elapsed.Round(time.Millisecond))
		if s := r.Elapsed.Seconds(); s > 0 {
			text += fmt.Sprintf(" (%s/s)", humanize.IBytes(uint64(max(0, float64(sent)/s))))
		}
	}
	fmt.Fprintln(s.stdout, text)
}

// failed says that a file is not whole. What went wrong is said on stderr too.
func (s *screen) failed(name, path string, r *blob.Result, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	if s.json {
		s.print(&outcome{
			Name: name, Path: path, Bytes: r.Bytes, Resumed: r.Resumed, Seconds: r.Elapsed.Seconds(),
			Error: plain(err), Again: !isRefusal(err),
		})
		return
	}
	fmt.Fprintf(s.stderr, "-- %q is not whole: %s\n", name, plain(err))
}

// print writes a line of JSON.
func (s *screen) print(o *outcome) {
	b, err := json.Marshal(o)
	if err != nil {
		fmt.Fprintf(s.stderr, "sendfile: %v\n", err)
		return
	}
	fmt.Fprintf(s.stdout, "%s\n", b)
}
