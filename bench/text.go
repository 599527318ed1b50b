package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// writeText prints the table for a person at a terminal, one work after another.
func (t *table) writeText(out io.Writer, all []work) {
	for _, control := range t.controls() {
		for _, w := range all {
			if rows := t.sorted(w.name, control); len(rows) > 0 {
				t.writeWork(out, w, control, rows)
			}
		}
	}
	t.writeGoals(out)
	if t.Rounds < t.Wanted {
		fmt.Fprintf(out, "\n%s\n", t.short())
	}
	if t.Others > quietEnough {
		fmt.Fprintf(out, "\nOther programs used %.0f %% of the CPUs meanwhile: the figures are worth little.\n", 100*t.Others)
	}
}

// short says that rounds are missing.
func (t *table) short() string {
	return fmt.Sprintf("There was time for %d rounds of the %d that were asked for.", t.Rounds, t.Wanted)
}

// quietEnough is the share of the CPUs that others may use without a word of it.
const quietEnough = 0.05

// writeGoals prints how the library stands to its goals.
func (t *table) writeGoals(out io.Writer) {
	if len(t.Goals) == 0 {
		return
	}
	fmt.Fprintf(out, "\ngoals: %s\n", t.summary())
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "goal\tmust\taim\tmeasured\tof the rounds\trounds that keep it\t")
	for _, r := range t.Goals {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.What, r.bound(r.Must), r.bound(r.Aim), r.figure(r.Median), r.scatter(), r.share(), r.Verdict)
	}
	_ = tw.Flush()
}

// summary counts the verdicts.
func (t *table) summary() string {
	count := make(map[verdict]int)
	for _, r := range t.Goals {
		count[r.Verdict]++
	}
	text := fmt.Sprintf("%d keep their bound, %d of them reach the aim, %d miss it", count[met]+count[reachedAim], count[reachedAim], count[missed])
	if n := count[below]; n > 0 {
		text += fmt.Sprintf(", %d are below an aim without a bound", n)
	}
	if n := count[unmeasured]; n > 0 {
		text += fmt.Sprintf(", %d could not be measured", n)
	}
	return text
}

// figure writes a figure of the goal's kind.
func (r *result) figure(v float64) string {
	switch {
	case r.Verdict == unmeasured:
		return ""
	case r.goal.of == theLost || r.goal.of == theAllocations:
		return fmt.Sprintf("%.3g", v)
	case r.To != "" || v < 100:
		return fmt.Sprintf("%.2f", v)
	}
	return figure(v)
}

// bound writes a bound; one that is 0 is none, but where nothing may be lost.
func (r *result) bound(v float64) string {
	switch {
	case v == 0 && r.goal.of == theLost && r.Must == v:
		return "0"
	case v == 0:
		return ""
	case r.To != "" || v < 100:
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	return figure(v)
}

// scatter is how far the rounds lie apart.
func (r *result) scatter() string {
	if r.Rounds < 2 {
		return ""
	}
	return r.figure(r.Least) + "–" + r.figure(r.Most)
}

func (r *result) share() string {
	if r.Rounds == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d", r.Kept, r.Rounds)
}

// controls are the congestion controls of the rows, in order; "" is the system's.
func (t *table) controls() []string {
	var list []string
	seen := make(map[string]bool)
	for _, w := range t.Rows {
		if !seen[w.Congestion] {
			seen[w.Congestion] = true
			list = append(list, w.Congestion)
		}
	}
	return list
}

func (t *table) writeWork(out io.Writer, w work, control string, rows []*row) {
	if control == "" {
		control = t.Congestion
	}
	fmt.Fprintf(out, "\n%s (%s, %s; ratio to %s)\n", w.name, w.unit, control, w.ref)
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "peer\tmedian\tspread\tothers\tratio\tp99\tp99 ratio\tCPU s/M\tallocs\tlost\tmust\taim\t\t")
	for _, r := range rows {
		fmt.Fprintln(tw, r.text(t.of(r)))
	}
	_ = tw.Flush()
}

// text is the row with a tab behind each column.
func (w *row) text(list []*result) string {
	if len(w.Rounds) == 0 {
		return w.Peer + "\t-\t\t\t\t\t\t\t\t\t\t\t" + w.Error + "\t"
	}
	m := w.Median
	cols := []string{
		w.Peer, figure(m.Value), fmt.Sprintf("%.0f%%", 100*w.Spread), fmt.Sprintf("%.0f%%", 100*m.Others), ratio(w.Ratio), blank(m.P99), ratio(w.RatioP99),
		blank(m.CPU), fmt.Sprintf("%.2f", m.Alloc), "", "", "", "",
	}
	if m.Lost > 0 {
		cols[9] = fmt.Sprintf("%.0f%%", 100*m.Lost)
	}
	if w.Unit == bytesEach {
		cols[5], cols[8] = "", ""
		cols[12] = fmt.Sprintf("%.1f goroutines; dialling side %s B, %.1f; resident %s B", m.ServerGoroutines, figure(m.Client), m.ClientGoroutines, figure(m.Resident))
	}
	if w.Unit == bytesAll {
		cols[12] = fmt.Sprintf("%s B after the first messages, %s B after a tenth", figure(m.Few), figure(m.Most))
	}
	if len(list) > 0 {
		cols[10], cols[11] = list[0].bound(list[0].Must), list[0].bound(list[0].Aim)
		cols[12] = strings.TrimPrefix(cols[12]+"; ", "; ") + string(worst(list))
	}
	if w.Error != "" {
		cols[12] += " (" + w.Error + ")"
	}
	return strings.Join(cols, "\t") + "\t"
}

func blank(v float64) string {
	if v == 0 {
		return ""
	}
	return figure(v)
}

func ratio(v float64) string {
	switch {
	case v == 0:
		return ""
	case v < 0.1:
		return fmt.Sprintf("%.3f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// grouped writes a count with a space between thousands.
func grouped(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + " " + text[i:]
	}
	return text
}

// figure writes a value with three digits that count.
func figure(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.3gM", v/1e6)
	case v >= 1e5:
		return fmt.Sprintf("%.0fk", v/1e3)
	case v >= 1e4:
		return fmt.Sprintf("%.1fk", v/1e3)
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}
