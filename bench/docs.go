package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/serpy-go/serpy/bench/internal/peer"
)

// The names of what is written.
const (
	pageName = "performance.md"
	dataName = "performance.json"
	plotName = "performance.svg"
)

// The tables stand between these lines of the page.
const (
	pageBegin = "<!-- bench:begin -->"
	pageEnd   = "<!-- bench:end -->"
)

// writeDocs writes the tables into the page, the plot and the figures.
func (t *table) writeDocs(dir string, all []work) error {
	text, err := json.MarshalIndent(t, "", "\t")
	if err != nil {
		return err
	}
	page := filepath.Join(dir, pageName)
	old, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	written, err := between(old, t.markdown(all))
	if err != nil {
		return fmt.Errorf("%s: %w", page, err)
	}
	for name, data := range map[string][]byte{pageName: written, dataName: append(text, '\n'), plotName: t.plot(all)} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil { //nolint:gosec // G306: for everybody to read
			return err
		}
	}
	return nil
}

// between puts text between the marks of a page.
func between(page []byte, text string) ([]byte, error) {
	before, rest, ok := bytes.Cut(page, []byte(pageBegin))
	_, after, ok2 := bytes.Cut(rest, []byte(pageEnd))
	if !ok || !ok2 {
		return nil, errors.New("the marks between which the tables go are not there")
	}
	return slices.Concat(before, []byte(pageBegin), []byte("\n\n"+text+"\n"), []byte(pageEnd), after), nil
}

// section is one table of the page: a row a peer, a column a work.
type section struct {
	title   string
	works   string // a regular expression
	costs   string // the work whose CPU time and allocations are columns of their own; "" for none
	control bool   // again under the other congestion control
}

var sections = []section{
	{title: "One way, messages a second", works: `^oneway-`, costs: "oneway-128", control: true},
	{title: "Other streams: messages a second, or MB/s", works: `^(unix|tls|senders|blob|fanout)`, control: true},
	{title: "Round trips, median and 99th percentile in µs", works: `^(pingpong|acked)-(same|split)$`},
	{title: "Acknowledged with 1 024 under way, and idle connections", works: `^(acked-1024|idle)$`},
	{title: "Base85, plain bytes a second", works: `^base85-`},
}

// markdown is the tables.
func (t *table) markdown(all []work) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured on %s: %s, %s, %s. Rounds: %d, medians; in brackets the ratio to\nthe bare socket of the same round. Congestion control of TCP: %s, unless said.\n",
		t.When.Format("2 January 2006"), t.Machine, t.System, t.Go, t.Rounds, orUnknown(t.Congestion))
	if t.Rounds < t.Wanted {
		b.WriteString(t.short() + "\n")
	}
	if t.Others > quietEnough {
		fmt.Fprintf(&b, "Other programs used %.0f %% of the CPUs meanwhile.\n", 100*t.Others)
	}
	t.goals(&b)
	for _, control := range t.controls() {
		for _, s := range sections {
			if control != "" && !s.control {
				continue
			}
			t.section(&b, s, all, control)
		}
	}
	t.growth(&b, all)
	t.ahead(&b, all)
	t.failures(&b)
	t.peers(&b)
	return b.String()
}

// goals writes how the library stands to its goals.
func (t *table) goals(b *strings.Builder) {
	if len(t.Goals) == 0 {
		return
	}
	fmt.Fprintf(b, "\n### Goals\n\nOf %d goals, %s.\n\n", len(t.Goals), t.summary())
	b.WriteString("| goal | must | aim | measured | of the rounds | rounds that keep it | |\n|---|---:|---:|---:|---:|---:|---|\n")
	for _, r := range t.Goals {
		v := string(r.Verdict)
		if r.Verdict == missed || r.Verdict == unmeasured {
			v = "**" + v + "**"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s |\n", r.What, r.bound(r.Must), r.bound(r.Aim), r.figure(r.Median), r.scatter(), r.share(), v)
	}
}

func orUnknown(s string) string {
	if s == "" {
		return "not known"
	}
	return s
}

// section writes one table, if anything of it was measured.
func (t *table) section(b *strings.Builder, s section, all []work, control string) {
	match := regexp.MustCompile(s.works)
	var cols []work
	var peers []string
	for _, w := range all {
		rows := t.sorted(w.name, control)
		if !match.MatchString(w.name) || len(rows) == 0 {
			continue
		}
		cols = append(cols, w)
		for _, r := range rows {
			if !slices.Contains(peers, r.Peer) {
				peers = append(peers, r.Peer)
			}
		}
	}
	if len(cols) == 0 {
		return
	}
	title := s.title
	if control != "" {
		title += ", under " + control
	}
	fmt.Fprintf(b, "\n### %s\n\n| peer |", title)
	for _, w := range cols {
		fmt.Fprintf(b, " %s |", w.title)
	}
	if s.costs != "" {
		b.WriteString(" CPU s a million, 128 B | allocations a message |")
	}
	b.WriteString("\n|---|" + strings.Repeat("---:|", len(cols)))
	if s.costs != "" {
		b.WriteString("---:|---:|")
	}
	b.WriteString("\n")
	for _, p := range peers {
		t.peerRow(b, s, cols, p, control)
	}
}

func (t *table) peerRow(b *strings.Builder, s section, cols []work, p, control string) {
	name := p
	if ours(p) {
		name = "**" + p + "**"
	}
	fmt.Fprintf(b, "| %s |", name)
	for _, w := range cols {
		r := t.index[key(w.name+"/"+p, control)]
		mark := ""
		if r != nil && worst(t.of(r)) == missed {
			mark = " ✗"
		}
		fmt.Fprintf(b, " %s%s |", r.short(), mark)
	}
	if s.costs != "" {
		cpu, allocs := "", ""
		if r := t.index[key(s.costs+"/"+p, control)]; r != nil && len(r.Rounds) > 0 {
			cpu, allocs = figure(r.Median.CPU), fmt.Sprintf("%.2g", r.Median.Alloc)
			if r.Median.Alloc < 0.01 {
				allocs = "0"
			}
		}
		fmt.Fprintf(b, " %s | %s |", cpu, allocs)
	}
	b.WriteString("\n")
}

// ours says whether a peer is the library itself.
func ours(name string) bool { return strings.HasPrefix(name, "serpy") }

// short is the row in one field of a table.
func (w *row) short() string {
	switch {
	case w == nil:
		return ""
	case len(w.Rounds) == 0:
		return "failed"
	}
	m := w.Median
	switch w.Unit {
	case bytesEach:
		listens, dials := m.Value, m.Client
		if w.Peer == "libzmq" {
			listens, dials = m.Resident, m.ClientResident // its memory is not Go's
		}
		return fmt.Sprintf("%s B, %.1f goroutines; dialling %s B, %.1f", figure(listens), m.ServerGoroutines, figure(dials), m.ClientGoroutines)
	case micros:
		text := fmt.Sprintf("%s, %s", figure(m.Value), figure(m.P99))
		if w.Ratio > 0 {
			text += fmt.Sprintf(" (%s, %s)", ratio(w.Ratio), ratio(w.RatioP99))
		}
		return text
	default:
		text := figure(m.Value)
		if w.Unit == megabytes {
			text = fmt.Sprintf("%.0f MB/s", m.Value)
		}
		if w.Ratio > 0 {
			text += " (" + ratio(w.Ratio) + ")"
		}
		if m.Lost > 0.001 {
			text += fmt.Sprintf(", %.0f %% lost", 100*m.Lost)
		}
		return text
	}
}

// growth writes how the library's cost grows.
func (t *table) growth(b *strings.Builder, all []work) {
	rows := 0
	for _, w := range all {
		r := t.index[key(w.name+"/serpy", "")]
		if !w.grows() || r == nil || len(r.Rounds) == 0 {
			continue
		}
		if rows++; rows == 1 {
			b.WriteString("\n### How the cost grows\n\n| serpy alone | |\n|---|---:|\n")
		}
		value := figure(r.Median.Value) + " ns a message"
		if w.ref == "rawtcp" {
			value += fmt.Sprintf("; a bare socket has %s of that", percent(r.Ratio))
		}
		if w.unit == bytesAll {
			value = fmt.Sprintf("%s B in both processes; after %s messages %s B, after %s %s B",
				figure(r.Median.Value), grouped(w.few), figure(r.Median.Few), grouped(w.many/10), figure(r.Median.Most))
		}
		fmt.Fprintf(b, "| %s | %s |\n", w.title, value)
	}
}

// percent is the inverse of a ratio, in percent.
func percent(ratio float64) string { return fmt.Sprintf("%.0f %%", 100/max(ratio, 0.01)) }

// failures says which rows are missing, and why.
func (t *table) failures(b *strings.Builder) {
	first := true
	for _, r := range t.Rows {
		if r.Error == "" {
			continue
		}
		if first {
			b.WriteString("\n### What failed\n\n")
			first = false
		}
		fmt.Fprintf(b, "- %s, %s: %s (%d of %d rounds are there)\n", r.Peer, r.Work, r.Error, len(r.Rounds), t.Rounds)
	}
}

// peers writes how each was used.
func (t *table) peers(b *strings.Builder) {
	b.WriteString("\n### The peers\n\n| peer | version | used so |\n|---|---|---|\n")
	for _, p := range peer.All() {
		if slices.ContainsFunc(t.Rows, func(r *row) bool { return r.Peer == p.Name }) {
			fmt.Fprintf(b, "| %s | %s | %s |\n", p.Name, p.Version(), p.About)
		}
	}
}
