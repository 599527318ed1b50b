package main

import (
	"slices"
	"strings"
)

// verdict is how a figure stands to its goal.
type verdict string

const (
	missed     verdict = "MISSED"
	met        verdict = "met"
	reachedAim verdict = "aim"
	below      verdict = "below" // the aim, where nothing must be
	unmeasured verdict = "not measured"
)

// result is a goal and what was measured of it.
type result struct {
	What    string
	Cell    string
	To      string  `json:",omitempty"` // "": the figure is taken as it is
	Must    float64 `json:",omitempty"`
	Aim     float64 `json:",omitempty"`
	Median  float64
	Least   float64 // of the rounds
	Most    float64
	Rounds  int // that have both figures
	Kept    int // rounds that alone keep the bound, or reach the aim where there is no bound
	Verdict verdict
	goal    goal
	less    bool // is better
}

// judge computes the results of those goals whose cells were to be measured.
func (t *table) judge(all []goal) {
	for _, g := range all {
		w := t.find(g.cell)
		if w == nil {
			continue
		}
		r := result{What: g.what, Cell: g.cell, Must: g.must, Aim: g.aim, Verdict: unmeasured, goal: g}
		r.less = g.of != theValue || w.Unit.lower()
		var ref *row
		switch g.to {
		case alone:
		case "":
			ref, r.To = t.index[key(referenceName(w), w.Congestion)], referenceName(w)
		default:
			ref, r.To = t.index[key(g.to, w.Congestion)], g.to
		}
		if r.To != "" && ref == nil {
			continue // not asked for
		}
		r.take(w, ref)
		t.Goals = append(t.Goals, &r)
	}
}

// find gives the row of a cell's name, with a congestion control behind it or not.
func (t *table) find(name string) *row {
	control := ""
	if strings.Count(name, "/") > 1 {
		i := strings.LastIndexByte(name, '/')
		name, control = name[:i], name[i+1:]
	}
	if control == t.Congestion {
		control = ""
	}
	return t.index[key(name, control)]
}

// take computes the figure of each round, and from the median the verdict.
func (r *result) take(w, ref *row) {
	var figures []float64
	for round, of := range w.rounds {
		v := r.goal.of.in(of)
		if r.To != "" {
			by, ok := ref.rounds[round]
			if !ok || r.goal.of.in(by) == 0 {
				continue
			}
			v /= r.goal.of.in(by)
		}
		if r.goal.per > 0 {
			v /= r.goal.per
		}
		figures = append(figures, v)
		if r.keeps(v) {
			r.Kept++
		}
	}
	if len(figures) == 0 {
		return
	}
	r.Rounds, r.Median = len(figures), significant(median(figures))
	r.Least, r.Most = significant(slices.Min(figures)), significant(slices.Max(figures))
	r.Verdict = r.judge(r.Median)
}

// keeps says whether one figure is as it must be.
func (r *result) keeps(v float64) bool { return r.judge(v) != missed && r.judge(v) != below }

func (r *result) judge(v float64) verdict {
	reaches := func(bound float64) bool { return r.less && v <= bound || !r.less && v >= bound }
	noMust := r.Must == 0 && r.Aim > 0
	switch {
	case !noMust && !reaches(r.Must):
		return missed
	case r.Aim > 0 && reaches(r.Aim):
		return reachedAim
	case noMust:
		return below
	}
	return met
}

// of gives the results of a row, the one to its own reference first.
func (t *table) of(w *row) []*result {
	var list []*result
	for _, r := range t.Goals {
		if t.find(r.Cell) == w {
			list = append(list, r)
		}
	}
	return list
}

// worst is the verdict of a row that keeps some goals and not others; "" if it has none.
func worst(list []*result) verdict {
	var v verdict
	for _, r := range list {
		switch {
		case r.Verdict == missed:
			return missed
		case v == "" || v == reachedAim:
			v = r.Verdict
		}
	}
	return v
}
