package main

import (
	"fmt"
	"slices"
	"strings"
)

// ahead writes where another library is faster, or needs less, than this one in the
// best of its ways. Bare sockets are in the tables.
func (t *table) ahead(b *strings.Builder, all []work) {
	var lines []string
	for _, w := range all {
		for _, control := range t.controls() {
			if line := t.aheadAt(w, control); line != "" {
				lines = append(lines, line)
			}
		}
	}
	if len(lines) == 0 {
		return
	}
	b.WriteString("\n### Where another library is ahead\n\nOf serpy in the best of its ways, in the median of the rounds; how much less it takes, or\nhow much more it does, as a factor. Below 1.2 it may be chance.\n\n")
	for _, line := range lines {
		fmt.Fprintf(b, "- %s\n", line)
	}
}

// aheadAt is the line of one work; "" if nobody is ahead.
func (t *table) aheadAt(w work, control string) string {
	rows := slices.DeleteFunc(t.sorted(w.name, control), func(r *row) bool { return len(r.Rounds) == 0 })
	first := slices.IndexFunc(rows, func(r *row) bool { return ours(r.Peer) })
	if first < 0 {
		return ""
	}
	best := rows[first]
	for _, r := range rows {
		if ours(r.Peer) && factor(r, best) > 1 {
			best = r
		}
	}
	var names []string
	for _, r := range rows {
		if ours(r.Peer) || strings.HasPrefix(r.Peer, "raw") {
			continue
		}
		if f := factor(r, best); f > 1 {
			lost := ""
			if r.Median.Lost > 0.001 {
				lost = fmt.Sprintf(", with %.0f %% lost", 100*r.Median.Lost)
			}
			names = append(names, fmt.Sprintf("%s %.2f%s", r.Peer, f, lost))
		}
	}
	if names == nil {
		return ""
	}
	title := panelTitle(w)
	if control != "" {
		title += ", under " + control
	}
	return title + ": " + strings.Join(names, "; ")
}

// factor is by how much r is better than than, in the median of the rounds that have
// both; 0 if none has.
func factor(r, than *row) float64 {
	var list []float64
	for round, of := range r.rounds {
		by, ok := than.rounds[round]
		if !ok {
			continue
		}
		f := r.held(of) / than.held(by)
		if r.Unit.lower() {
			f = 1 / f
		}
		list = append(list, f)
	}
	return median(list)
}

// held is the figure of a reading. Of a library whose memory is not Go's it is what is
// resident.
func (w *row) held(r reading) float64 {
	if w.Unit == bytesEach && w.Peer == "libzmq" {
		return r.Resident
	}
	return r.Value
}
