package main

import (
	"cmp"
	"slices"
	"time"
)

// table is all that was measured, and what it was measured on. It is the JSON file.
type table struct {
	When       time.Time
	Go         string
	System     string
	Machine    string  // architecture and number of CPUs
	Congestion string  // the system's, of rows that name none
	Rounds     int     // that were measured
	Wanted     int     // that were asked for
	Others     float64 // share of all CPUs that other programs used meanwhile, on the average
	Goals      []*result
	Rows       []*row
	index      map[string]*row
}

// row is one cell over all rounds.
type row struct {
	Work       string
	Peer       string
	Version    string `json:",omitempty"`
	Unit       unit
	Congestion string `json:",omitempty"` // "": the system's, or it has none
	Reference  string
	Median     reading
	Ratio      float64 `json:",omitempty"` // median of the rounds' ratios to the reference
	RatioP99   float64 `json:",omitempty"`
	Spread     float64 `json:",omitempty"` // (most - least) / median of the values
	Rounds     []reading
	Error      string `json:",omitempty"` // why a round, or all, are missing
	cell       cell
	rounds     map[int]reading
}

func newTable() *table { return &table{index: make(map[string]*row)} }

func key(name, congestion string) string { return name + "/" + congestion }

// add notes a measurement, or that there is none.
func (t *table) add(c cell, round int, r reading, err error) {
	k := key(c.name(), c.congestion)
	w := t.index[k]
	if w == nil {
		w = &row{
			Work: c.work.name, Peer: c.peer.Name, Version: c.peer.Version(), Unit: c.work.unit, Congestion: c.congestion,
			Reference: c.work.ref, cell: c, rounds: make(map[int]reading),
		}
		t.index[k] = w
		t.Rows = append(t.Rows, w)
	}
	if err != nil {
		w.Error = err.Error()
		return
	}
	r = r.rounded()
	w.Rounds = append(w.Rounds, r)
	w.rounds[round] = r
}

// finish computes the medians, the ratios within the rounds, and how they stand to the
// goals.
func (t *table) finish(list []goal) {
	var others []float64
	for _, w := range t.Rows {
		others = append(others, pick(w.Rounds, func(r reading) float64 { return r.Others })...)
	}
	t.Others = mean(others)
	for _, w := range t.Rows {
		if len(w.Rounds) == 0 {
			continue
		}
		w.Median = medianReading(w.Rounds)
		values := pick(w.Rounds, func(r reading) float64 { return r.Value })
		w.Spread = significant((slices.Max(values) - slices.Min(values)) / w.Median.Value)
		ref := t.index[key(referenceName(w), w.Congestion)]
		if ref == nil || ref == w {
			continue
		}
		var ratios, tails []float64
		for round, r := range w.rounds {
			if of, ok := ref.rounds[round]; ok && of.Value > 0 {
				ratios = append(ratios, r.Value/of.Value)
				if of.P99 > 0 {
					tails = append(tails, r.P99/of.P99)
				}
			}
		}
		w.Ratio, w.RatioP99 = significant(median(ratios)), significant(median(tails))
	}
	t.judge(list)
}

// referenceName is the name of the cell that a row is compared with.
func referenceName(w *row) string {
	if slices.Contains([]byte(w.Reference), '/') {
		return w.Reference
	}
	return w.Work + "/" + w.Reference
}

func pick(list []reading, of func(reading) float64) []float64 {
	out := make([]float64, 0, len(list))
	for _, r := range list {
		out = append(out, of(r))
	}
	return out
}

func mean(list []float64) float64 {
	var sum float64
	for _, v := range list {
		sum += v
	}
	return sum / float64(max(len(list), 1))
}

func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	list = slices.Sorted(slices.Values(list))
	if n := len(list); n%2 == 0 {
		return (list[n/2-1] + list[n/2]) / 2
	}
	return list[len(list)/2]
}

// medianReading has the median of each figure.
func medianReading(list []reading) reading {
	m := func(of func(reading) float64) float64 { return median(pick(list, of)) }
	return reading{
		Value:            m(func(r reading) float64 { return r.Value }),
		P99:              m(func(r reading) float64 { return r.P99 }),
		CPU:              m(func(r reading) float64 { return r.CPU }),
		Alloc:            m(func(r reading) float64 { return r.Alloc }),
		Lost:             m(func(r reading) float64 { return r.Lost }),
		Client:           m(func(r reading) float64 { return r.Client }),
		ServerGoroutines: m(func(r reading) float64 { return r.ServerGoroutines }),
		ClientGoroutines: m(func(r reading) float64 { return r.ClientGoroutines }),
		Others:           m(func(r reading) float64 { return r.Others }),
		Few:              m(func(r reading) float64 { return r.Few }),
		Most:             m(func(r reading) float64 { return r.Most }),
		Resident:         m(func(r reading) float64 { return r.Resident }),
		ClientResident:   m(func(r reading) float64 { return r.ClientResident }),
		Control:          list[0].Control,
	}
}

// sorted are the rows of a work under a congestion control, the best first, those
// without a figure last.
func (t *table) sorted(name, congestion string) []*row {
	var rows []*row
	for _, w := range t.Rows {
		if w.Work == name && w.Congestion == congestion {
			rows = append(rows, w)
		}
	}
	slices.SortStableFunc(rows, func(a, b *row) int {
		if empty := len(a.Rounds) == 0; empty != (len(b.Rounds) == 0) {
			if empty {
				return 1
			}
			return -1
		}
		if a.Unit.lower() {
			return cmp.Compare(a.Median.Value, b.Median.Value)
		}
		return cmp.Compare(b.Median.Value, a.Median.Value)
	})
	return rows
}
