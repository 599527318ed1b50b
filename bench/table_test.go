package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// someCells are those of two works, with what they are compared with.
func someCells(t *testing.T) []cell {
	t.Helper()
	cells, err := choose(works(true), regexp.MustCompile("^serpy$"), regexp.MustCompile("^(unix-1k|acked-same)$"), nil)
	require.NoError(t, err)
	return cells
}

func TestChosenCellsHaveTheirReferences(t *testing.T) {
	var names []string
	for _, c := range someCells(t) {
		names = append(names, c.name())
	}
	assert.Equal(t, []string{"oneway-1k/rawtcp", "unix-1k/serpy", "acked-same/rawtcp", "acked-same/serpy"}, names)
}

func TestEveryWorkIsComparedWithAPeerThatCan(t *testing.T) {
	byName := make(map[string]work)
	for _, w := range works(false) {
		assert.NotContains(t, byName, w.name)
		byName[w.name] = w
	}
	for _, w := range byName {
		ref, err := reference(w, byName)
		require.NoError(t, err)
		assert.Empty(t, ref.peer.Lack(ref.work.spec), w.name)
	}
}

// Every goal stands for a cell that is measured.
func TestGoalsNameCells(t *testing.T) {
	cells, err := choose(works(false), regexp.MustCompile(""), regexp.MustCompile(""), []string{"cubic"})
	require.NoError(t, err)
	names := make(map[string]bool)
	for _, c := range cells {
		names[c.name()] = true
		names[c.name()+"/"+c.congestion] = true
	}
	for _, g := range goals(works(false)) {
		assert.True(t, names[g.cell], g.cell)
		if g.to != "" && g.to != alone {
			assert.True(t, names[g.to], g.to)
		}
	}
}

func TestRatiosAreWithinARound(t *testing.T) {
	cells := someCells(t)
	tab := newTable()
	for round, of := range []float64{100, 1000, 10} { // the machine's speed
		tab.add(cells[0], round, reading{Value: of}, nil)
		tab.add(cells[1], round, reading{Value: of * 2}, nil)
		tab.add(cells[2], round, reading{Value: of, P99: of}, nil)
		if round == 1 {
			tab.add(cells[3], round, reading{}, errors.New("out of order"))
			continue
		}
		tab.add(cells[3], round, reading{Value: of / 2, P99: of * 3}, nil)
	}
	tab.finish(goals(works(true)))
	unix, acked := tab.index["unix-1k/serpy/"], tab.index["acked-same/serpy/"]
	assert.InDelta(t, 2, unix.Ratio, 1e-9)
	assert.InDelta(t, 200, unix.Median.Value, 1e-9)
	assert.InDelta(t, 9.9, unix.Spread, 1e-9)
	assert.InDelta(t, 0.5, acked.Ratio, 1e-9)
	assert.InDelta(t, 3, acked.RatioP99, 1e-9)
	assert.Equal(t, "out of order", acked.Error)
	assert.Equal(t, reachedAim, worst(tab.of(unix)))
	goals := tab.of(acked)
	require.Len(t, goals, 2, "the median and the tail")
	assert.Equal(t, reachedAim, goals[0].Verdict)
	assert.Equal(t, missed, goals[1].Verdict)
	assert.Equal(t, missed, worst(goals))
}

func TestDocsAreWrittenBetweenTheMarks(t *testing.T) {
	cells := someCells(t)
	tab := newTable()
	tab.describe(1)
	for i, c := range cells {
		if i == 1 {
			tab.add(c, 0, reading{}, errors.New("it fell over"))
			continue
		}
		tab.add(c, 0, reading{Value: float64(i + 1), P99: 9, CPU: 0.5}, nil)
	}
	tab.finish(goals(works(true)))
	dir := t.TempDir()
	page := filepath.Join(dir, pageName)
	require.Error(t, tab.writeDocs(dir, works(true)), "there is no page")
	require.NoError(t, os.WriteFile(page, []byte("no marks"), 0o600))
	require.Error(t, tab.writeDocs(dir, works(true)))
	require.NoError(t, os.WriteFile(page, []byte("before "+pageBegin+" old "+pageEnd+" after"), 0o600))
	for range 2 { // and again in the place of itself
		require.NoError(t, tab.writeDocs(dir, works(true)))
	}
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	assert.Regexp(t, `(?s)^before <!-- bench:begin -->\n\nMeasured on .*\| \*\*serpy\*\* \|.*<!-- bench:end --> after$`, string(text))
	assert.NotContains(t, string(text), " old ")
	assert.Contains(t, string(text), "unix-1k: it fell over (0 of 1 rounds are there)")
	plot, err := os.ReadFile(filepath.Join(dir, plotName))
	require.NoError(t, err)
	assert.Contains(t, string(plot), "acked, same")
	assert.FileExists(t, filepath.Join(dir, dataName))
}

func TestShareOfTheTime(t *testing.T) {
	b := &bench{budget: time.Minute, extra: 200 * time.Millisecond}
	assert.Equal(t, 400*time.Millisecond, b.share(0, 100))
	assert.Equal(t, leastShare, b.share(time.Hour, 100), "too late")
	assert.Equal(t, mostShare, b.share(0, 1))
}

func TestPeersThatAreAheadAreNamed(t *testing.T) {
	all := works(true)
	cells, err := choose(all, regexp.MustCompile("^(serpy|serpy-batch|nats|grpc|gorilla)$"), regexp.MustCompile("^(oneway-16|pingpong-same)$"), nil)
	require.NoError(t, err)
	values := map[string]float64{
		"oneway-16/rawtcp": 100, "oneway-16/serpy": 10, "oneway-16/serpy-batch": 20, "oneway-16/nats": 15, "oneway-16/grpc": 30,
		"pingpong-same/rawtcp": 1, "pingpong-same/serpy": 4, "pingpong-same/nats": 5, "pingpong-same/gorilla": 2,
	}
	tab := newTable()
	for _, c := range cells {
		v, ok := values[c.name()]
		err := errors.New("not there")
		if ok {
			err = nil
		}
		tab.add(c, 0, reading{Value: v}, err)
	}
	tab.finish(nil)
	var b strings.Builder
	tab.ahead(&b, all)
	_, list, _ := strings.Cut(b.String(), "chance.\n\n")
	assert.Equal(t, "- one way, 16 B: messages/s: grpc 1.50\n- ping-pong, same: µs, less is better: gorilla 2.00\n", list)
}

func TestRoundsThatDoNotFitAreLeftOut(t *testing.T) {
	b := &bench{budget: 16 * time.Minute, round: 3 * time.Minute}
	assert.True(t, b.fits(14*time.Minute), "a little late")
	assert.False(t, b.fits(15*time.Minute))
	tab := newTable()
	tab.describe(5)
	assert.NotContains(t, tab.markdown(nil), "asked for")
	tab.Rounds = 3
	assert.Contains(t, tab.markdown(nil), "There was time for 3 rounds of the 5 that were asked for.")
}

func TestOtherCongestionControls(t *testing.T) {
	here := []string{"reno", "bbr", "cubic"}
	assert.Equal(t, []string{"cubic"}, otherControls("cubic,bbr", "bbr", here))
	assert.Equal(t, []string{"bbr"}, otherControls("cubic, bbr", "cubic", here))
	assert.Empty(t, otherControls("cubic,bbr", "cubic", []string{"reno", "cubic"}))
	assert.Empty(t, otherControls("", "cubic", here))
}

func TestFigures(t *testing.T) {
	for v, want := range map[float64]string{
		47_123_456: "47.1M", 612_345: "612k", 12_345: "12.3k", 1234: "1234", 99.44: "99.4", 0.1234: "0.123",
	} {
		assert.Equal(t, want, figure(v))
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1024: "1 024", 100_000_000: "100 000 000"} {
		assert.Equal(t, want, grouped(n))
	}
}
