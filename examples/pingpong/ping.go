package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/examples/internal/cli"
	"github.com/serpy-go/serpy/examples/internal/wires"
	"github.com/serpy-go/serpy/protocol"
)

const pingUsage = `pingpong ping [flags] [value...] sends messages to pingpong serve, each when the answer
to the one before has come, and tells how long it took. Values are sent as what they look
like: 42 is an int, 2.5 a float, and all else a text.

Flags:
`

const (
	// maxSize is the most of a ping. The old programs get slow above 4 MiB a message.
	maxSize = 4 << 20
	// lingering is a bound of what can be waited for.
	lingering = time.Hour
)

// plan is what the flags of ping say, checked.
type plan struct {
	address string
	wire    protocol.Codec
	count   int
	size    int
	every   time.Duration
	wait    time.Duration
	quiet   bool
	values  []string
}

func parsePing(args []string, stderr io.Writer) (p plan, err error) {
	set := flag.NewFlagSet("pingpong ping", flag.ContinueOnError)
	set.StringVar(&p.address, "addr", meetingPoint, "`address` of pingpong serve, as "+cli.Dials)
	wire := set.String("wire", "native", "`wire` to speak: native, serpy, serpy2 or line")
	set.IntVar(&p.count, "n", 5, "`how many`; 0: until Ctrl-C")
	set.IntVar(&p.size, "size", 64, "`bytes` of each, at least")
	set.DurationVar(&p.every, "every", time.Second, "`time` from one to the next; 0: none")
	set.DurationVar(&p.wait, "wait", 5*time.Second, "`time` after which an answer is missing")
	set.BoolVar(&p.quiet, "q", false, "print the sums only")
	if err := cli.Parse(set, pingUsage, args, len(args), stderr); err != nil {
		return p, err
	}
	p.values = set.Args()
	if p.wire, err = wires.Parse(*wire, wires.Line); err != nil {
		return p, cli.Usage("-wire %v", err)
	}
	switch {
	case p.count < 0:
		return p, cli.Usage("-n %d: give 0 or more", p.count)
	case p.size < 0 || p.size > maxSize:
		return p, cli.Usage("-size %d: give 0 to %d", p.size, maxSize)
	case p.every < 0 || p.every > lingering:
		return p, cli.Usage("-every %v: give 0 to %v", p.every, lingering)
	case p.wait <= 0 || p.wait > lingering:
		return p, cli.Usage("-wait %v: give more than 0, to %v", p.wait, lingering)
	}
	return p, nil
}

// A player sends and has back.
type player struct {
	plan

	c      *serpy.Connection
	out    io.Writer
	times  *hdrhistogram.Histogram // in nanoseconds
	sent   int
	missed int
}

func ping(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	p, err := parsePing(args, stderr)
	if err != nil {
		return err
	}
	c, err := serpy.Dial(ctx, p.address, &serpy.Options{Name: "ping", Wires: []protocol.Codec{p.wire}})
	if err != nil {
		return cli.CannotReach(err, p.address, "pingpong serve")
	}
	fmt.Fprintf(stdout, "at %s, by the %s wire\n", p.address, c.Peer().Wire)
	pl := &player{plan: p, c: c, out: stdout, times: hdrhistogram.New(1, lingering.Nanoseconds(), 3)}
	if err := errors.Join(pl.play(ctx), c.Close()); err != nil && ctx.Err() == nil {
		return err
	}
	pl.sums()
	if pl.missed > 0 {
		return fmt.Errorf("answers missing: %d", pl.missed)
	}
	return nil
}

// play sends all that is planned, and waits for the answers.
func (p *player) play(ctx context.Context) error {
	var next <-chan time.Time
	if p.every > 0 {
		ticker := time.NewTicker(p.every)
		defer ticker.Stop()
		next = ticker.C
	}
	for i := 0; ; i++ {
		if len(p.values) > 0 && i == len(p.values) || len(p.values) == 0 && p.count > 0 && i == p.count {
			return nil
		}
		if i > 0 && p.every > 0 {
			select {
			case <-next:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err := p.one(ctx, i); err != nil {
			return err
		}
	}
}

// one sends message i, and waits for its answer, or until that is missing.
func (p *player) one(ctx context.Context, i int) error {
	m, ours := p.message(i)
	p.sent++
	begin := time.Now()
	if _, err := p.c.SendMessage(ctx, m); err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, p.wait)
	defer cancel()
	for {
		answer, err := p.c.Receive(waiting)
		took := time.Since(begin)
		switch {
		case err == nil && !ours(&answer):
			continue // of one that was missing
		case err == nil:
			_ = p.times.RecordValue(took.Nanoseconds())
			p.tell(i, &answer, took)
			return nil
		case ctx.Err() == nil && waiting.Err() != nil:
			p.missed++
			fmt.Fprintf(p.out, "%3d: no answer within %v\n", i+1, p.wait)
			return nil
		default:
			return err
		}
	}
}

// message makes message i, and says how its answer is known.
func (p *player) message(i int) (m serpy.Message, ours func(*serpy.Message) bool) {
	if i < len(p.values) {
		return value(p.values[i]), func(*serpy.Message) bool { return true }
	}
	head := fmt.Appendf(nil, "ping %d ", i+1)
	data := append(head, bytes.Repeat([]byte{'.'}, max(0, p.size-len(head)))...)
	return serpy.Message{Data: data, Type: serpy.Text}, func(m *serpy.Message) bool { return bytes.Equal(m.Data, data) }
}

// value is what a word looks like.
func value(word string) serpy.Message {
	m := serpy.TextMessage(word)
	if n, err := strconv.ParseInt(word, 10, 64); err == nil {
		m, _ = serpy.ValueMessage(n)
	} else if x, err := strconv.ParseFloat(word, 64); err == nil {
		m, _ = serpy.ValueMessage(x)
	}
	return m
}

// tell says what came back.
func (p *player) tell(i int, m *serpy.Message, took time.Duration) {
	switch {
	case p.quiet:
	case len(p.values) > 0:
		fmt.Fprintf(p.out, "%3d: %s comes back as %v %s in %s\n", i+1, p.values[i], m.Type, wires.Show(m), milliseconds(took))
	default:
		fmt.Fprintf(p.out, "%3d: %d bytes in %s\n", i+1, len(m.Data), milliseconds(took))
	}
}

func (p *player) sums() {
	text := fmt.Sprintf("%d sent, %d answered", p.sent, p.times.TotalCount())
	if p.times.TotalCount() > 0 {
		at := func(percent float64) string { return milliseconds(time.Duration(p.times.ValueAtPercentile(percent))) }
		text += fmt.Sprintf("; least %s, half within %s, 99 %% within %s, most %s", at(0), at(50), at(99), at(100))
	}
	fmt.Fprintln(p.out, text)
}

// milliseconds gives a time with three digits or more, and no zeros at the end.
func milliseconds(d time.Duration) string {
	text := strconv.FormatFloat(d.Seconds()*1e3, 'f', 3, 64)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".") + " ms"
}
