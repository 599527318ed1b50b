package sim

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func sprint(p *peer, units, bytes uint64) string {
	r, d := p.s.Confirmed()
	return fmt.Sprintf("side %d, session %d: up %v, credit %d units %d bytes, %d of %d messages resolved, next is %d, received %d, processed %d by the peer, got %d, %d units wait, closing %v said %v",
		p.side, p.name, p.up, units, bytes, p.doneMsg, p.out.next(), p.next, r, d, p.got, p.roomUnits, p.closing, p.said)
}

// run plays a schedule, most steps of it, and settles. It gives what was broken.
func run(src *source, most int64) (w *world, broken string) {
	defer func() {
		if r := recover(); r != nil {
			f, ok := r.(failure)
			if !ok {
				buf := make([]byte, 4096)
				f.text = fmt.Sprintf("panic: %v\n%s", r, buf[:runtime.Stack(buf, false)])
			}
			broken = f.text
		}
	}()
	w = newWorld(src)
	for w.steps < most && src.more() {
		w.step()
	}
	w.settle()
	return w, ""
}

// explain plays a failing random run again, and gives its schedule, cut down.
func explain(state uint64, most int64) string {
	src := &source{state: state, record: true}
	_, broken := run(src, most)
	bytes, broken := shrink(src.given, broken)
	return fmt.Sprintf("%s\nschedule of %d bytes: %s", broken, len(bytes), hex.EncodeToString(bytes))
}

// shrink leaves parts of a schedule out while it still breaks something of the kind.
func shrink(b []byte, broken string) ([]byte, string) {
	runs, frames := 0, int64(0) // of a world that chatters, less
	for size := len(b) / 2; size > 0; size /= 2 {
		for at := 0; at+size <= len(b) && runs < 3000 && frames < 2e6; runs++ {
			less := append(append([]byte(nil), b[:at]...), b[at+size:]...)
			w, other := run(&source{given: less}, 1<<40)
			if w != nil {
				frames += w.frames
			}
			if kind(other) == kind(broken) {
				b, broken = less, other
				continue
			}
			at += size
		}
	}
	return b, broken
}

// kind is a failure without its numbers.
func kind(broken string) string {
	s := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, broken)
	return s[:min(len(s), 60)]
}

func number(name string, otherwise float64) (float64, error) {
	if s := os.Getenv(name); s != "" {
		return strconv.ParseFloat(s, 64)
	}
	return otherwise, nil
}

func TestRandom(t *testing.T) {
	steps, err := number("SERPY_SIM_STEPS", 10e6)
	require.NoError(t, err)
	base, err := number("SERPY_SIM_SEED", 1)
	require.NoError(t, err)
	if raceEnabled {
		steps = min(steps, 1e6)
	}
	var mu sync.Mutex
	var done, frames, sessions int64
	var runs uint64
	failed := ""
	work := func() {
		for {
			mu.Lock()
			n := runs
			runs++
			stop := done >= int64(steps) || failed != ""
			mu.Unlock()
			if stop {
				return
			}
			state := seed(uint64(base), n)
			most := int64(200 + state>>40%4000)
			w, broken := run(&source{state: state}, most)
			mu.Lock()
			if broken != "" && failed == "" {
				failed = fmt.Sprintf("seed %v, run %d: %s", base, n, explain(state, most))
			}
			if w != nil {
				done, frames, sessions = done+w.steps, frames+w.frames, sessions+int64(w.sessions)
			}
			mu.Unlock()
		}
	}
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(work)
	}
	group.Wait()
	t.Logf("%d steps in %d worlds: %d frames, %d halves of sessions", done, runs, frames, sessions)
	require.Empty(t, failed)
	require.Greater(t, frames, done/10, "the worlds are dead")
}

// TestSchedules plays the schedules that once failed.
func TestSchedules(t *testing.T) {
	files, err := filepath.Glob("testdata/schedules/*.hex")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			b, err := hex.DecodeString(strings.TrimSpace(string(text)))
			require.NoError(t, err)
			_, broken := run(&source{given: b}, 1<<40)
			if broken != "" { // again, and tell
				run(&source{given: b, look: t.Logf}, 1<<40)
			}
			require.Empty(t, broken)
		})
	}
}

func FuzzSchedule(f *testing.F) {
	for n := range uint64(8) {
		src := &source{state: seed(2, n), record: true}
		run(src, 200)
		f.Add(src.given)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_, broken := run(&source{given: b[:min(len(b), 1<<14)]}, 1<<40)
		require.Empty(t, broken)
	})
}
