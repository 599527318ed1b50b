package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"slices"
	"strings"
)

// The measures of the plot, in pixels.
const (
	panelWidth  = 400
	panelHead   = 44
	rowHeight   = 17
	labelWidth  = 118
	valueWidth  = 62
	panelGap    = 16
	panelsWide  = 3
	plotMargin  = 16
	plotHeading = 52
	lineHeight  = 180 // of a panel with a line
	axisWidth   = 44
)

// plotted are the works that the plot shows.
var plotted = []string{
	"oneway-16", "oneway-128", "oneway-1k",
	"oneway-64k", "tls-1k", "blob",
	"acked-1024", "fanout-100", "acked-same",
}

// A panel is one work, or one series of works, of the plot.
type panel struct {
	title string
	rows  []*row // bars, the best first
	line  []*row // or points of a line
	sizes []int  // how much of the work there is, of each point
}

func (p *panel) height() int {
	if p.line != nil {
		return panelHead + lineHeight
	}
	return panelHead + len(p.rows)*rowHeight
}

// plot is the table as an SVG: a panel a work, a bar a peer, the best on top; and how
// the library's cost grows, as lines.
func (t *table) plot(all []work) []byte {
	panels := append(t.bars(all), t.lines(all)...)
	wide := 2*plotMargin + panelsWide*panelWidth + (panelsWide-1)*panelGap
	var body bytes.Buffer
	y := plotHeading
	for line := range slices.Chunk(panels, panelsWide) {
		high := 0
		for i, p := range line {
			x := plotMargin + i*(panelWidth+panelGap)
			fmt.Fprintf(&body, "<text x=\"%d\" y=\"%d\" font-weight=\"bold\">%s</text>\n", x, y+20, escape(p.title))
			if p.line != nil {
				drawLine(&body, x, y, p)
			} else {
				drawBars(&body, x, y, p.rows)
			}
			high = max(high, p.height())
		}
		y += high + panelGap
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">
<title>serpy beside its peers</title>
<style>text { paint-order: stroke; stroke: #ffffff; stroke-width: 3px; stroke-linejoin: round }</style>
<rect width="100%%" height="100%%" fill="#ffffff"/>
<text x="%d" y="24" font-size="17" font-weight="bold">serpy beside its peers</text>
<text x="%d" y="42" fill="#555555">%s</text>
`, wide, y+plotMargin, plotMargin, plotMargin, escape(fmt.Sprintf("logarithmic: a grid line is a factor of ten; the dashed line is the bare socket; medians, rounds: %d; %s; congestion control %s", t.Rounds, t.Machine, orUnknown(t.Congestion))))
	b.Write(body.Bytes())
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// bars are the panels that compare peers.
func (t *table) bars(all []work) []panel {
	var list []panel
	for _, name := range plotted {
		i := slices.IndexFunc(all, func(w work) bool { return w.name == name })
		rows := slices.DeleteFunc(t.sorted(name, ""), func(r *row) bool { return len(r.Rounds) == 0 })
		if i >= 0 && len(rows) > 0 {
			list = append(list, panel{title: panelTitle(all[i]), rows: rows})
		}
	}
	return list
}

// lines are the panels of how the cost grows.
func (t *table) lines(all []work) []panel {
	var list []panel
	for _, of := range []struct {
		series, title string
		size          func(w work) int
	}{
		{"conns", "cost as connections grow: ns a message", func(w work) int { return w.spec.Conns }},
		{"depth", "cost as the queue grows: ns a message", func(w work) int { return w.spec.Depth }},
		{"size", "cost as messages grow: ns a message, by bytes", func(w work) int { return w.spec.Size }},
	} {
		p := panel{title: of.title}
		for _, w := range all {
			r := t.index[key(w.name+"/serpy", "")]
			if w.series() == of.series && r != nil && len(r.Rounds) > 0 {
				p.line, p.sizes = append(p.line, r), append(p.sizes, of.size(w))
			}
		}
		if len(p.line) > 1 {
			list = append(list, p)
		}
	}
	return list
}

func panelTitle(w work) string {
	title := w.title
	if strings.HasPrefix(w.name, "oneway-") {
		title = "one way, " + title
	}
	if w.unit.lower() {
		return title + ": " + string(w.unit) + ", less is better"
	}
	return title + ": " + string(w.unit)
}

// An axis maps values to a coordinate, by their logarithms.
type axis struct{ from, to, at, room float64 }

// newAxis gives the values from least to most the room from at on: from the power of ten
// below least, and at least one factor of ten.
func newAxis(least, most, at, room float64) axis {
	a := axis{from: math.Floor(math.Log10(least)), to: math.Log10(most), at: at, room: room}
	if a.to-a.from < 1 {
		a.to = a.from + 1
	}
	return a
}

func (a axis) of(v float64) float64 { return a.at + a.room*(math.Log10(v)-a.from)/(a.to-a.from) }

// ticks are the powers of ten on it.
func (a axis) ticks() []float64 {
	var list []float64
	for d := math.Ceil(a.from); d <= a.to; d++ {
		list = append(list, math.Pow(10, d))
	}
	return list
}

// drawBars draws one work at x, y.
func drawBars(b *bytes.Buffer, x, y int, rows []*row) {
	least, most := math.Inf(1), 0.0
	for _, r := range rows {
		least, most = min(least, r.Median.Value), max(most, r.Median.Value)
	}
	left := float64(x + labelWidth)
	scale := newAxis(least, most, left, panelWidth-labelWidth-valueWidth)
	top, bottom := y+panelHead-6, y+panelHead+len(rows)*rowHeight
	for _, v := range scale.ticks() {
		fmt.Fprintf(b, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" stroke=\"#dddddd\"/>\n", scale.of(v), scale.of(v), top, bottom)
		fmt.Fprintf(b, "<text x=\"%.1f\" y=\"%d\" font-size=\"9\" fill=\"#888888\" text-anchor=\"middle\">%s</text>\n", scale.of(v), top-2, tick(v))
	}
	for _, r := range rows {
		if r.Peer == "rawtcp" {
			fmt.Fprintf(b, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" stroke=\"#999999\" stroke-dasharray=\"3 3\"/>\n", scale.of(r.Median.Value), scale.of(r.Median.Value), top, bottom)
		}
	}
	for i, r := range rows {
		drawBar(b, scale, y+panelHead+i*rowHeight+rowHeight/2, r)
	}
}

// The colours of the plot.
const (
	oursColour  = "#c2410c"
	rawColour   = "#222222"
	otherColour = "#7a8699"
)

func drawBar(b *bytes.Buffer, scale axis, middle int, r *row) {
	colour, weight := otherColour, "normal"
	switch {
	case ours(r.Peer):
		colour, weight = oursColour, "bold"
	case strings.HasPrefix(r.Peer, "raw"):
		colour = rawColour
	}
	end := scale.of(r.Median.Value)
	fmt.Fprintf(b, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"end\" font-weight=\"%s\">%s</text>\n", scale.at-8, middle+4, weight, escape(r.Peer))
	fmt.Fprintf(b, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" stroke=\"%s\" stroke-width=\"3\"/>\n", scale.at, end, middle, middle, colour)
	fmt.Fprintf(b, "<circle cx=\"%.1f\" cy=\"%d\" r=\"4\" fill=\"%s\"/>\n", end, middle, colour)
	value := figure(r.Median.Value)
	if r.Median.Lost > 0.001 {
		value += fmt.Sprintf(", %.0f %% lost", 100*r.Median.Lost)
	}
	fmt.Fprintf(b, "<text x=\"%.1f\" y=\"%d\" font-size=\"11\" fill=\"#444444\">%s</text>\n", end+8, middle+4, escape(value))
}

// drawLine draws a series at x, y: how much there is to the right, the cost upwards.
func drawLine(b *bytes.Buffer, x, y int, p panel) {
	least, most := math.Inf(1), 0.0
	for _, r := range p.line {
		least, most = min(least, r.Median.Value), max(most, r.Median.Value)
	}
	top, bottom := float64(y+panelHead+10), float64(y+panelHead+lineHeight-20)
	left, right := float64(x+axisWidth), float64(x+panelWidth-valueWidth/2)
	up := newAxis(least, most, bottom, top-bottom)
	across := newAxis(float64(p.sizes[0]), float64(p.sizes[len(p.sizes)-1]), left, right-left)
	for _, v := range up.ticks() {
		fmt.Fprintf(b, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#dddddd\"/>\n", left, right, up.of(v), up.of(v))
		fmt.Fprintf(b, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"9\" fill=\"#888888\" text-anchor=\"end\">%s</text>\n", left-6, up.of(v)+3, tick(v))
	}
	for _, v := range across.ticks() {
		fmt.Fprintf(b, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"9\" fill=\"#888888\" text-anchor=\"middle\">%s</text>\n", across.of(v), bottom+14, tick(v))
	}
	var path strings.Builder
	for i, r := range p.line {
		fmt.Fprintf(&path, "%.1f,%.1f ", across.of(float64(p.sizes[i])), up.of(r.Median.Value))
	}
	fmt.Fprintf(b, "<polyline points=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"3\"/>\n", strings.TrimSpace(path.String()), oursColour)
	for i, r := range p.line {
		at := across.of(float64(p.sizes[i]))
		fmt.Fprintf(b, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"%s\"/>\n", at, up.of(r.Median.Value), oursColour)
		fmt.Fprintf(b, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"11\" fill=\"#444444\" text-anchor=\"middle\">%s</text>\n", at, up.of(r.Median.Value)-9, figure(r.Median.Value))
	}
}

// tick writes a power of ten.
func tick(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.0fM", v/1e6)
	case v >= 1e3:
		return fmt.Sprintf("%.0fk", v/1e3)
	}
	return fmt.Sprintf("%.3g", v)
}

func escape(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s))
	return b.String()
}
