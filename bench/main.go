// Bench measures serpy side by side with its peers: bare sockets and other messaging
// libraries, each with a process that listens and one that dials, in turn, in several
// rounds. What counts is the ratio to a bare socket within a round, and of the rounds
// the median.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/serpy-go/serpy/bench/internal/peer"
)

const usage = `Bench measures serpy side by side with its peers, and writes what it found into
docs/performance.md, docs/performance.svg and docs/performance.json.

  go run ./bench                            all of it, 5 rounds, about 11 minutes
  go run ./bench -quick                     serpy and bare sockets only, under 90 seconds
  go run ./bench -work 'oneway-16$' -peers 'serpy|nats'
  go run ./bench -list                      the works and the peers

Leave the machine alone while it runs. A ratio is to the peer that the heading names,
within the same round; differences under 20 % are seldom real.

Flags:
`

// settings are the flags.
type settings struct {
	quick       bool
	list        bool
	rounds      int
	budget      time.Duration
	peers, work string
	congestion  string
	docs        string
}

func main() {
	if text, ok := os.LookupEnv(childVariable); ok {
		os.Exit(runChild(text))
	}
	os.Exit(runMain(os.Args[1:], os.Stdout, os.Stderr))
}

func runMain(args []string, out, errs io.Writer) int {
	var s settings
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.BoolVar(&s.quick, "quick", false, "3 rounds of serpy and bare sockets, in 80 s")
	flags.BoolVar(&s.list, "list", false, "print the works and the peers, and measure nothing")
	flags.IntVar(&s.rounds, "rounds", 5, "how often each is measured, in turn")
	flags.DurationVar(&s.budget, "budget", 10*time.Minute+30*time.Second, "about how long all takes; each measurement gets its share, at least 30 ms, at most 1 s; rounds for which no time is left are left out")
	flags.StringVar(&s.peers, "peers", "", "only peers that match this regular `expression`")
	flags.StringVar(&s.work, "work", "", "only works that match this regular `expression`")
	flags.StringVar(&s.congestion, "congestion", "cubic,bbr", "measure streams again under those of these TCP congestion `controls` that the system has and does not use by itself; Linux")
	flags.StringVar(&s.docs, "docs", "", "the `directory` to write to; none unless all is measured, then docs")
	flags.Usage = func() {
		fmt.Fprint(errs, usage)
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		if err == flag.ErrHelp { //nolint:errorlint // as Parse documents
			return 0
		}
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := s.run(ctx, flags, out, errs); err != nil {
		fmt.Fprintln(errs, "bench:", err)
		return 1
	}
	return 0
}

// run does what the flags ask for.
func (s *settings) run(ctx context.Context, flags *flag.FlagSet, out, errs io.Writer) error {
	given := make(map[string]bool)
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if s.quick {
		s.hurry(given)
	}
	peers, err := regexp.Compile(s.peers)
	if err != nil {
		return fmt.Errorf("-peers: %w", err)
	}
	names, err := regexp.Compile(s.work)
	if err != nil {
		return fmt.Errorf("-work: %w", err)
	}
	all := works(s.quick)
	if s.list {
		return list(out, all)
	}
	cells, err := choose(all, peers, names, otherControls(s.congestion, systemCongestion(), availableCongestion()))
	if err != nil {
		return err
	}
	if len(cells) == 0 {
		return fmt.Errorf("nothing matches: see -list")
	}
	b := &bench{cells: cells, rounds: max(s.rounds, 1), budget: s.budget, idle: idleConns(s.quick), table: newTable()}
	b.table.describe(b.rounds)
	b.step = progress(errs)
	if err := b.run(ctx); err != nil {
		return err
	}
	b.table.finish(goals(all))
	b.table.writeText(out, all)
	if s.docs == "" && s.peers == "" && s.work == "" && !s.quick {
		s.docs = "docs"
	}
	if s.docs == "" {
		return nil
	}
	return b.table.writeDocs(s.docs, all)
}

// hurry sets what -quick means, where nothing else was asked for.
func (s *settings) hurry(given map[string]bool) {
	if !given["rounds"] {
		s.rounds = 3
	}
	if !given["budget"] {
		s.budget = 75 * time.Second
	}
	if !given["peers"] {
		s.peers = "^(raw|serpy)"
	}
}

// otherControls are those of a list that are available and not the system's.
func otherControls(list, system string, available []string) []string {
	var others []string
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != system && slices.Contains(available, name) {
			others = append(others, name)
		}
	}
	return others
}

// describe notes what the table was measured on.
func (t *table) describe(rounds int) {
	t.When = time.Now().UTC().Truncate(time.Second)
	t.Go = runtime.Version()
	t.System = kernel()
	t.Machine = fmt.Sprintf("%s, %d CPUs", runtime.GOARCH, runtime.NumCPU())
	t.Congestion = systemCongestion()
	t.Rounds, t.Wanted = rounds, rounds
}

// list prints what there is to measure.
func list(out io.Writer, all []work) error {
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "WORK\tUNIT\tCOMPARED WITH\tPEERS")
	for _, w := range all {
		var names []string
		for _, p := range w.matching(regexp.MustCompile("")) {
			names = append(names, p.Name)
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", w.name, w.unit, w.ref, strings.Join(names, " "))
	}
	fmt.Fprintln(tw, "\nPEER\tVERSION\tHOW IT IS USED")
	for _, p := range peer.All() {
		fmt.Fprintf(tw, "%s\t%s\t%s\n", p.Name, p.Version(), p.About)
	}
	return tw.Flush()
}
