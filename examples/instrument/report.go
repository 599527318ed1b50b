package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
)

// totals is what the end marker tells the workstation of what was sent.
type totals struct {
	Sent   uint64 `json:"sent"`   // Accepted by the library, dropped ones included.
	Bytes  uint64 `json:"bytes"`  // Their payloads.
	SHA256 string `json:"sha256"` // Of their payloads, one behind the other.
}

// report is what became of a stream; its JSON is what -json prints.
type report struct {
	Sent           uint64  `json:"sent"`
	Received       uint64  `json:"received"`
	Bytes          uint64  `json:"bytes"` // Received.
	Seconds        float64 `json:"seconds"`
	Links          int     `json:"links"`
	Resumed        int     `json:"resumed"` // Links that went on where one before had broken.
	Redelivered    uint64  `json:"redelivered"`
	Duplicates     uint64  `json:"duplicates"`
	OutOfOrder     uint64  `json:"out_of_order"`
	Gaps           uint64  `json:"gaps"`
	Dropped        uint64  `json:"dropped"`
	Lost           int64   `json:"lost"` // Sent, and neither received nor in a gap; below 0: more came than was sent.
	P50            int64   `json:"p50_us"`
	P99            int64   `json:"p99_us"`
	SHA256Sent     string  `json:"sha256_sent"`
	SHA256Received string  `json:"sha256_received"`

	started bool // A stream began: there is something to print.
	ended   bool // Its end was reached by both sides: the counts are final.
}

// fillEnd adds what the end marker says, after which nothing is guessed.
func (r *report) fillEnd(t totals) {
	r.Sent, r.SHA256Sent = t.Sent, t.SHA256
	r.Lost = int64(t.Sent) - int64(r.Received) - int64(r.Dropped) //nolint:gosec // Counts of messages.
	r.ended = true
}

// fillSent adds what the sender in this process knows when no end marker came.
func (r *report) fillSent(sender report) {
	if sender.started {
		r.started = true
		r.Sent, r.SHA256Sent = sender.Sent, sender.SHA256Sent
		r.Lost = int64(r.Sent) - int64(r.Received) - int64(r.Dropped) //nolint:gosec // Counts of messages.
	}
}

// add joins the report of another stream of this instrument; of hashes and
// latencies it keeps the newer.
func (r *report) add(o report) {
	o.started, o.ended = true, o.ended && (r.ended || !r.started)
	o.Sent += r.Sent
	o.Received += r.Received
	o.Bytes += r.Bytes
	o.Seconds += r.Seconds
	o.Links += r.Links
	o.Resumed += r.Resumed
	o.Redelivered += r.Redelivered
	o.Duplicates += r.Duplicates
	o.OutOfOrder += r.OutOfOrder
	o.Gaps += r.Gaps
	o.Dropped += r.Dropped
	o.Lost += r.Lost
	*r = o
}

// verdict is nil when each message that was sent is accounted for, once and at
// its place.
func (r *report) verdict() error {
	switch {
	case r.Lost != 0, r.Duplicates != 0, r.OutOfOrder != 0:
		return fmt.Errorf("the stream did not arrive as sent: lost %d, duplicates %d, out of order %d", r.Lost, r.Duplicates, r.OutOfOrder)
	case r.ended && r.Dropped == 0 && r.SHA256Received != r.SHA256Sent:
		return errors.New("the stream did not arrive as sent: the bytes differ")
	}
	return nil
}

// print writes the table, or the JSON object.
func (r *report) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(r)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name string, n any, note string, args ...any) {
		fmt.Fprintf(t, "%s\t%v\t%s\n", name, n, fmt.Sprintf(note, args...))
	}
	elapsed := time.Duration(r.Seconds * float64(time.Second)).Round(time.Millisecond)
	row("sent", r.Sent, "messages")
	row("received", r.Received, "messages, %s in %v, %s/s", humanize.IBytes(r.Bytes), elapsed, humanize.IBytes(uint64(float64(r.Bytes)/max(r.Seconds, 1e-9))))
	row("dropped", r.Dropped, "in %d gaps", r.Gaps)
	row("lost", r.Lost, "")
	row("redelivered", r.Redelivered, "")
	row("duplicates", r.Duplicates, "")
	row("out of order", r.OutOfOrder, "")
	row("links", r.Links, "%d of them resumed a broken one", r.Resumed)
	row("latency", "", "p50 %v, p99 %v", micros(r.P50), micros(r.P99))
	row("sha256", "", "%s", r.compare())
	if !r.ended {
		row("", "", "stopped before the end of the stream: what was on its way is in lost, or not counted")
	}
	return t.Flush()
}

func (r *report) compare() string {
	switch r.SHA256Sent {
	case "":
		return short(r.SHA256Received) + " received; what was sent is not known"
	case r.SHA256Received:
		return short(r.SHA256Received) + " sent and received"
	}
	return short(r.SHA256Received) + " received, " + short(r.SHA256Sent) + " sent"
}

func micros(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

// short is enough of a hash for a person to compare.
func short(hash string) string {
	if hash == "" {
		return "-"
	}
	return hash[:min(len(hash), 16)]
}
