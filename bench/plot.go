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
)

// plotted are the works that the plot shows.
var plotted = []string{
	"oneway-16", "oneway-128", "oneway-1k",
	"oneway-64k", "tls-1k", "blob",
	"acked-1024", "fanout-100", "acked-same",
}

// plot is the table as an SVG: a panel a work, a line a peer, the best on top.
func (t *table) plot(all []work) []byte {
	var panels [][]*row
	var titles []string
	for _, name := range plotted {
		i := slices.IndexFunc(all, func(w work) bool { return w.name == name })
		rows := slices.DeleteFunc(t.sorted(name, ""), func(r *row) bool { return len(r.Rounds) == 0 })
		if i < 0 || len(rows) == 0 {
			continue
		}
		panels = append(panels, rows)
		titles = append(titles, panelTitle(all[i]))
	}
	most := 0
	for _, rows := range panels {
		most = max(most, len(rows))
	}
	height := panelHead + most*rowHeight + panelGap
	lines := (len(panels) + panelsWide - 1) / panelsWide
	wide := 2*plotMargin + panelsWide*panelWidth + (panelsWide-1)*panelGap
	high := plotHeading + lines*height + plotMargin
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">
<title>serpy beside its peers</title>
<rect width="100%%" height="100%%" fill="#ffffff"/>
<text x="%d" y="24" font-size="17" font-weight="bold">serpy beside its peers</text>
<text x="%d" y="42" fill="#555555">%s</text>
`, wide, high, plotMargin, plotMargin, escape(fmt.Sprintf("logarithmic, so that a grid line is a factor of ten; the dashed line is the bare socket; rounds: %d, medians; %s; %s", t.Rounds, t.Machine, orUnknown(t.Congestion))))
	for i, rows := range panels {
		x := plotMargin + i%panelsWide*(panelWidth+panelGap)
		y := plotHeading + i/panelsWide*height
		panel(&b, x, y, titles[i], rows)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
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

// panel draws one work at x, y.
func panel(b *bytes.Buffer, x, y int, title string, rows []*row) {
	lowest, highest := math.Inf(1), 0.0
	for _, r := range rows {
		lowest, highest = min(lowest, r.Median.Value), max(highest, r.Median.Value)
	}
	from, to := math.Floor(math.Log10(lowest)), math.Log10(highest)
	if to-from < 1 {
		from = to - 1
	}
	left, room := float64(x+labelWidth), float64(panelWidth-labelWidth-valueWidth)
	at := func(v float64) float64 { return left + room*(math.Log10(v)-from)/(to-from) }
	top, bottom := y+panelHead-6, y+panelHead+len(rows)*rowHeight
	fmt.Fprintf(b, "<text x=\"%d\" y=\"%d\" font-weight=\"bold\">%s</text>\n", x, y+20, escape(title))
	for d := math.Ceil(from); d <= to; d++ {
		fmt.Fprintf(b, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" stroke=\"#dddddd\"/>\n", at(math.Pow(10, d)), at(math.Pow(10, d)), top, bottom)
		fmt.Fprintf(b, "<text x=\"%.1f\" y=\"%d\" font-size=\"9\" fill=\"#888888\" text-anchor=\"middle\">%s</text>\n", at(math.Pow(10, d)), top-2, figure(math.Pow(10, d)))
	}
	for _, r := range rows {
		if r.Peer == "rawtcp" {
			fmt.Fprintf(b, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" stroke=\"#999999\" stroke-dasharray=\"3 3\"/>\n", at(r.Median.Value), at(r.Median.Value), top, bottom)
		}
	}
	for i, r := range rows {
		colour, weight := "#7a8699", "normal"
		switch {
		case ours(r.Peer):
			colour, weight = "#c2410c", "bold"
		case strings.HasPrefix(r.Peer, "raw"):
			colour = "#222222"
		}
		middle := y + panelHead + i*rowHeight + rowHeight/2
		end := at(r.Median.Value)
		fmt.Fprintf(b, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"end\" font-weight=\"%s\">%s</text>\n", left-8, middle+4, weight, escape(r.Peer))
		fmt.Fprintf(b, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" stroke=\"%s\" stroke-width=\"3\"/>\n", left, max(end, left), middle, middle, colour)
		fmt.Fprintf(b, "<circle cx=\"%.1f\" cy=\"%d\" r=\"4\" fill=\"%s\"/>\n", max(end, left), middle, colour)
		value := figure(r.Median.Value)
		if r.Median.Lost > 0.001 {
			value += fmt.Sprintf(", %.0f %% lost", 100*r.Median.Lost)
		}
		fmt.Fprintf(b, "<text x=\"%.1f\" y=\"%d\" font-size=\"11\" fill=\"#444444\">%s</text>\n", max(end, left)+8, middle+4, escape(value))
	}
}

func escape(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s))
	return b.String()
}
