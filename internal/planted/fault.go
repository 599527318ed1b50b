package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A fault is one line that is wrong, and the tests that should find it.
type fault struct {
	name   string // noun and fault, for -run
	file   string // from the root of the module
	in     string // the line is the first such one behind the line that begins with this; "": there is one in the file
	old    string // the line, without its indent
	bad    string // what stands there instead
	breaks string // what it breaks, for a reader of the table
	tests  []suite
}

// A suite is tests of one package that are run at once.
type suite struct {
	name  string
	pkg   string
	run   string // "": all
	in    string // the tests in these files of the package, rather than run
	skip  string
	env   string // one variable; "": none
	count string // of runs; "": one
	hang  string // how long it may take: beyond, the fault made it hang, and is found as well
}

// The suites, from fast to slow. A fault is found by the first that fails.
var (
	simulator = suite{name: "sim", pkg: "./internal/session/sim", run: "^(TestRandom|TestSchedules)$", env: "SERPY_SIM_STEPS=1e6", hang: "40s"}
	simulated = suite{name: "long sim", pkg: "./internal/session/sim", run: "^TestRandom$", hang: "40s"}
	units     = suite{name: "session", pkg: "./internal/session", hang: "40s"}
	wire      = suite{name: "protocol", pkg: "./protocol", hang: "40s"}
	blobs     = suite{name: "blob", pkg: "./blob", hang: "40s"}
	partials  = suite{name: "blob/file", pkg: "./blob/file", hang: "40s"}
	inside    = suite{name: "inside", pkg: ".", in: "*_internal_test.go", hang: "40s"}
	root      = suite{name: "serpy", pkg: ".", skip: "^(" + slow + ")$", hang: "150s"}
	siege     = suite{name: "siege", pkg: ".", run: "^(TestHostilePeers|TestRude.*|TestFloodOf.*)$", hang: "150s"}
	history   = suite{name: "serpytest", pkg: "./serpytest", run: "^(TestConformance|TestServeHistory)$", hang: "120s"}
	cuts      = suite{name: "cuts", pkg: ".", run: "^TestCutAtEveryByte$", hang: "120s"}
)

// slow tests take seconds, or want real files and certificates, and look at
// nothing that is planted here.
const slow = "TestCutAtEveryByte|TestFloodOf.*|TestHostilePeers|TestRude.*|TestPeersThatNeverRead|TestSlowHandshakes|TestTLS|TestUnix|TestReadmeShowsCodeThatRuns|TestServerMessages|TestServerLists"

var (
	ofSession  = []suite{simulator, units, simulated}
	ofRegistry = []suite{units, simulator, simulated}
	ofWire     = []suite{wire}
	ofBlobs    = []suite{blobs}
	ofPartials = []suite{partials}
	ofRoot     = []suite{inside, root, history, cuts, siege}
)

// all lists every fault, by noun.
func all() (faults []*fault) {
	for _, noun := range [][]fault{sessionFaults, inboundFaults, outboundFaults, controlFaults, registryFaults, protocolFaults, queueFaults, stageFaults, receiveFaults, receiptFaults, linkFaults, blobFaults} {
		for i := range noun {
			faults = append(faults, &noun[i])
		}
	}
	return faults
}

// plant gives the text of a file with the fault in it.
func (f *fault) plant(text string) (string, error) {
	lines := strings.Split(text, "\n")
	first := 0
	if f.in != "" {
		if first = index(lines, 0, func(line string) bool { return strings.HasPrefix(line, f.in) }); first < 0 {
			return "", fmt.Errorf("%s: no line of %s begins with %q", f.name, f.file, f.in)
		}
	}
	same := func(line string) bool { return strings.TrimSpace(line) == f.old || bare(line) == f.old }
	at := index(lines, first, same)
	switch {
	case at < 0:
		return "", fmt.Errorf("%s: the line\n\t%s\nis not in %s any more; it has\n\t%s\nMend the fault in internal/planted/faults_*.go, or take it out if what it breaks is gone", f.name, f.old, f.file, nearest(lines, f.old))
	case f.in == "" && index(lines, at+1, same) >= 0:
		return "", fmt.Errorf("%s: the line %q is in %s more than once", f.name, f.old, f.file)
	case f.bad == f.old:
		return "", fmt.Errorf("%s: it changes nothing", f.name)
	}
	lines[at] = f.bad
	return strings.Join(lines, "\n"), nil
}

// bare is a line without its indent and the comment behind it.
func bare(line string) string {
	line, _, _ = strings.Cut(line, " //")
	return strings.TrimSpace(line)
}

// nearest finds the line that has most words in common with another.
func nearest(lines []string, want string) (best string) {
	words := strings.Fields(bare(want))
	most := 0
	for n, line := range lines {
		have := strings.Fields(bare(line))
		common := -max(0, len(have)-len(words))
		for _, w := range have {
			if slices.Contains(words, w) {
				common += 2
			}
		}
		if common > most {
			most, best = common, fmt.Sprintf("line %d: %s", n+1, strings.TrimSpace(line))
		}
	}
	return best
}

// index finds the first line from a place on; -1: there is none.
func index(lines []string, from int, is func(string) bool) int {
	for i := from; i < len(lines); i++ {
		if is(lines[i]) {
			return i
		}
	}
	return -1
}

// check sees that all faults can be planted in the tree.
func check(tree string, faults []*fault) (errs []error) {
	names := make(map[string]bool)
	for _, f := range faults {
		text, err := os.ReadFile(filepath.Join(tree, f.file))
		if err == nil {
			_, err = f.plant(string(text))
		}
		if err == nil && names[f.name] {
			err = fmt.Errorf("%s: two faults have this name", f.name)
		}
		names[f.name] = true
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}
