package main

import (
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress is how far a stream is.
type progress struct {
	messages, bytes, dropped uint64
	links                    int
}

// line is progress for a file that is read later, or beside a bar.
func (p progress) line() string {
	text := fmt.Sprintf("%d messages, %s", p.messages, humanize.IBytes(p.bytes))
	if p.links > 1 {
		text += fmt.Sprintf(", %d links", p.links)
	}
	if p.dropped > 0 {
		text += fmt.Sprintf(", %d dropped", p.dropped)
	}
	return text
}

// screen shows progress and notes on stderr: a bar on a terminal, a line a second
// elsewhere, and no progress elsewhere with -json. Safe from any goroutine.
type screen struct {
	out      *os.File
	terminal bool
	quiet    bool

	mu   sync.Mutex
	bar  *progressbar.ProgressBar // Nil without a terminal, and before watch.
	stop chan struct{}            // Closed to end the watching.
	done sync.WaitGroup
}

func newScreen(out *os.File, quiet bool) *screen {
	return &screen{out: out, quiet: quiet, terminal: term.IsTerminal(int(out.Fd()))}
}

// notef says something that a person should know, once.
func (s *screen) notef(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bar != nil {
		_ = s.bar.Clear()
	}
	fmt.Fprintf(s.out, "-- "+format+"\n", args...)
}

// watch shows what now gives, until end. total is in bytes; -1: nobody knows.
func (s *screen) watch(total int64, now func() progress) {
	if s.quiet && !s.terminal {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop != nil {
		return
	}
	every := time.Second
	if s.terminal {
		every = 100 * time.Millisecond
		s.bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(s.out), progressbar.OptionShowBytes(true),
			progressbar.OptionUseIECUnits(true), progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(20),
			progressbar.OptionSpinnerType(14), progressbar.OptionShowDescriptionAtLineEnd())
	}
	stop := make(chan struct{})
	s.stop = stop
	s.done.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				s.show(now())
			}
		}
	})
}

func (s *screen) show(p progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bar == nil {
		fmt.Fprintln(s.out, p.line())
		return
	}
	s.bar.Describe(p.line())
	_ = s.bar.Set64(int64(p.bytes)) //nolint:gosec // A count of bytes; the bar is for the eye.
}

// end takes the progress away, so that the table stands alone.
func (s *screen) end() {
	s.mu.Lock()
	stop, bar := s.stop, s.bar
	s.stop, s.bar = nil, nil
	s.mu.Unlock()
	if stop != nil {
		close(stop)
		s.done.Wait()
	}
	if bar != nil {
		_ = bar.Clear()
	}
}
