package main

// goal is what a row is to reach against its reference: must is the bound, aim is
// where it would be well.
type goal struct{ must, aim, p99 float64 }

// goals are those of the library's rows, by the cell's name; under another congestion
// control than the system's with that behind it.
var goals = map[string]goal{
	"oneway-16/serpy":         {must: 0.55, aim: 0.75},
	"oneway-16/serpy-batch":   {must: 1.0, aim: 1.3},
	"oneway-16/serpy-keep":    {must: 0.50, aim: 0.65},
	"oneway-128/serpy":        {must: 0.80, aim: 1.0},
	"oneway-128/serpy-batch":  {must: 1.0, aim: 1.3},
	"oneway-128/serpy-keep":   {must: 0.60, aim: 0.85},
	"oneway-1k/serpy":         {must: 1.2, aim: 1.4},
	"oneway-1k/serpy/cubic":   {must: 0.60, aim: 0.80},
	"oneway-1k/serpy-keep":    {must: 0.70, aim: 1.0},
	"oneway-64k/serpy":        {must: 1.0, aim: 1.3},
	"oneway-64k/serpy-nocopy": {must: 1.2, aim: 1.7},
	"oneway-64k/serpy-keep":   {must: 0.55, aim: 0.8},
	"unix-1k/serpy":           {must: 1.5, aim: 2.0},
	"unix-64k/serpy-nocopy":   {must: 1.8, aim: 2.4},
	"senders-4/serpy":         {must: 0.8, aim: 1.0},
	"pingpong-same/serpy":     {must: 1.12, aim: 1.05, p99: 1.15},
	"acked-same/serpy":        {must: 1.10, aim: 1.05, p99: 1.2},
	"acked-1024/serpy":        {must: 0.9, aim: 1.2},
	"fanout-100/serpy":        {must: 0.75, aim: 1.0},
	"tls-1k/serpy":            {must: 0.7, aim: 1.0},
}

// goalOf is the goal of a row; false if it has none.
func goalOf(w *row) (goal, bool) {
	name := w.Work + "/" + w.Peer
	if w.Congestion != "" {
		name += "/" + w.Congestion
	}
	g, ok := goals[name]
	return g, ok
}

// verdict says in a word how a row stands to its goal.
func (g goal) verdict(w *row) string {
	reaches := func(ratio, bound float64) bool {
		if w.Unit.lower() {
			return ratio <= bound
		}
		return ratio >= bound
	}
	switch {
	case w.Ratio == 0:
		return ""
	case !reaches(w.Ratio, g.must) || g.p99 > 0 && w.RatioP99 > g.p99:
		return "MISSED"
	case reaches(w.Ratio, g.aim):
		return "aim"
	}
	return "met"
}
