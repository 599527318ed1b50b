package main

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/serpy-go/serpy"
)

// Tags of what the instrument sends; commands and their answers have none.
const (
	tagData = 1 // A payload of the source.
	tagEnd  = 2 // The end marker: totals as JSON. Its answer is the workstation's report.
)

// instrument serves its source to each workstation that asks for it, a stream
// each; a file is streamed once, to the first one that asks.
type instrument struct {
	cfg    config
	screen *screen
	server *serpy.Server
	proxy  *proxy         // The bad cable in front of the server; nil without -cut.
	trust  *x509.CertPool // What a workstation in this process trusts; nil without tls.
	notice string         // For a person, about the certificate.
	remove func() error   // Takes away what lies on disk for the server behind the proxy.
	rate   rate
	claim  atomic.Bool   // The one stream of this run has been asked for.
	done   chan struct{} // Closed when the one stream of this run has ended.
	halt   context.CancelFunc
	halted context.Context

	acquire context.Context // Ends when live sources have to; set by run.

	sent, sentBytes atomic.Uint64

	mu     sync.Mutex
	report report // Of all streams that have ended.
	err    error  // That the one stream of this run ended with.
}

// newInstrument listens.
func newInstrument(cfg config, screen *screen) (*instrument, error) {
	in := &instrument{cfg: cfg, screen: screen, done: make(chan struct{}), remove: func() error { return nil }}
	in.halted, in.halt = context.WithCancel(context.Background())
	in.rate.set(cfg.rate)
	conf, trust, notice, err := serverTLS(cfg)
	if err != nil {
		return nil, err
	}
	in.trust, in.notice = trust, notice
	address := cfg.address
	if cfg.cut > 0 {
		if address, in.remove, err = private(cfg.address); err != nil {
			return nil, fmt.Errorf("-cut: %w", err)
		}
	}
	in.server, err = serpy.Listen(address, &serpy.Options{
		Name: "instrument", TLS: conf, MaxMessage: maxMessage,
		SendQueue: serpy.Queue{Messages: cfg.queue, Policy: cfg.policy},
		Logger:    logger(cfg, screen),
	})
	if err != nil {
		return nil, errors.Join(err, in.remove())
	}
	if cfg.cut > 0 {
		if in.proxy, err = newProxy(cfg.address, in.server.Address(), cfg.cut); err != nil {
			return nil, errors.Join(err, in.server.Close(), in.remove())
		}
	}
	return in, nil
}

// address is what a workstation dials.
func (in *instrument) address() string {
	if in.proxy != nil {
		return in.proxy.address()
	}
	return in.server.Address()
}

// size is how many bytes the source has, or -1.
func (in *instrument) size() int64 {
	if in.cfg.source == "file" {
		if info, err := os.Stat(in.cfg.file); err == nil && info.Mode().IsRegular() {
			return info.Size()
		}
	}
	return -1
}

// once says that the run is over with the end of its first stream.
func (in *instrument) once() bool {
	return in.cfg.source == "file" || in.cfg.role == roleBoth
}

// run serves until its one stream has ended, -duration is over or ctx ends; what
// is under way then comes to its end, which takes as long as the workstation
// takes, but not longer than grace after the end of ctx.
func (in *instrument) run(ctx context.Context) error {
	defer in.halt()
	var cancel context.CancelFunc
	in.acquire, cancel = context.WithCancel(ctx)
	defer cancel()
	if in.cfg.duration > 0 {
		in.acquire, cancel = context.WithTimeout(in.acquire, in.cfg.duration)
		defer cancel()
	}
	late, cancelLate := lingering(ctx, grace)
	defer cancelLate()
	defer context.AfterFunc(in.halted, cancelLate)()

	served := make(chan error, 1)
	go func() { served <- in.server.Serve(late, in.converse) }()
	var err error
	select {
	case <-in.done:
	case <-in.acquire.Done():
	case <-in.halted.Done():
	case err = <-served:
		served <- nil
	}
	err = errors.Join(err, in.server.Shutdown(late), <-served)
	if in.proxy != nil {
		err = errors.Join(err, in.proxy.close())
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	return errors.Join(in.err, err, in.remove())
}

// stop ends a run now.
func (in *instrument) stop() { in.halt() }

// progress is how far the sending is.
func (in *instrument) progress() progress {
	return progress{messages: in.sent.Load(), bytes: in.sentBytes.Load()}
}

// result is what became of the streams.
func (in *instrument) result() report {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.report
}

// converse is one workstation's connection, from its first message to its last.
func (in *instrument) converse(ctx context.Context, c *serpy.Connection) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	commands := &commands{rate: &in.rate, live: in.cfg.source != "file", claim: in.claimStream, begin: make(chan struct{}, 1)}
	handled := make(chan error, 1)
	go func() { handled <- c.Handle(ctx, commands.handle) }()
	select {
	case err := <-handled:
		return err
	case <-commands.begin:
	}
	rep, err := in.stream(ctx, c)
	in.finish(rep, err)
	cancel() // The commands end with the stream.
	<-handled
	return nil
}

// claimStream says whether the workstation that asks may have the stream.
func (in *instrument) claimStream() bool {
	return !in.once() || in.claim.CompareAndSwap(false, true)
}

func (in *instrument) finish(rep report, err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.report.add(rep)
	switch {
	case in.once():
		in.err = err
		close(in.done)
	case err != nil: // Workstations come and go; the instrument serves the next.
		in.screen.notef("%s", plain(err))
	}
}

// stream sends the source to c, and the end marker, and gives what became of it.
func (in *instrument) stream(ctx context.Context, c *serpy.Connection) (report, error) {
	began := time.Now()
	sum, last, sendErr := in.send(ctx, c)
	rep := report{started: true, Sent: sum.Sent, SHA256Sent: sum.SHA256}
	if sendErr == nil {
		var told *report
		if told, sendErr = endMarker(ctx, c, sum); told != nil {
			rep = *told
			rep.started, rep.ended = true, true
		}
	}
	if sendErr == nil && (in.cfg.mode == serpy.Acked || in.cfg.mode == serpy.Base85Acked) && sum.Sent > 0 {
		// Receipts resolve in order: the last stands for all.
		if err := last.Wait(ctx); err != nil {
			sendErr = fmt.Errorf("the last message was not confirmed: %w", err)
		}
	}
	if !rep.ended { // The workstation has not said; this is what the library knows.
		stats := c.Stats()
		rep.Dropped = stats.Dropped[serpy.DroppedBySender]
		rep.Received = min(stats.Confirmed, rep.Sent-min(rep.Dropped, rep.Sent))
		rep.Lost = int64(rep.Sent) - int64(rep.Received) - int64(rep.Dropped) //nolint:gosec // Counts of messages.
		rep.Links, rep.Seconds = stats.Links, time.Since(began).Seconds()
		sendErr = fmt.Errorf("the workstation did not take the stream to its end: %w", sendErr)
	}
	return rep, sendErr
}

// send sends the source's payloads until they end or acquire does.
func (in *instrument) send(ctx context.Context, c *serpy.Connection) (sum totals, last serpy.Receipt, err error) {
	src, err := open(in.cfg)
	if err != nil {
		return sum, last, err
	}
	defer src.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(in.acquire, cancel)() // Also while a send waits for room.
	pace := pacer{rate: &in.rate}
	if in.cfg.source == "file" {
		pace.rate = nil
	}
	digest := sha256.New()
	for pace.wait(ctx) == nil {
		var data []byte
		if data, err = src.next(); err != nil {
			break
		}
		var receipt serpy.Receipt
		receipt, err = c.SendMessage(ctx, serpy.Message{Data: data, Mode: in.cfg.mode, Tag: tagData, Time: time.Now()})
		if err != nil {
			break
		}
		last = receipt
		digest.Write(data)
		sum.Sent++
		sum.Bytes += uint64(len(data))
		in.sent.Add(1)
		in.sentBytes.Add(uint64(len(data)))
	}
	sum.SHA256 = hex.EncodeToString(digest.Sum(nil))
	if errors.Is(err, io.EOF) && !errors.Is(err, serpy.ErrClosed) || in.acquire.Err() != nil {
		err = nil // The recording or the time is over.
	}
	return sum, last, err
}

// endMarker tells the workstation the totals and gives its report.
func endMarker(ctx context.Context, c *serpy.Connection, sum totals) (*report, error) {
	text, err := json.Marshal(sum)
	if err != nil {
		return nil, err
	}
	answer, err := c.Request(ctx, serpy.Message{Data: text, Type: serpy.Text, Mode: serpy.Acked, Tag: tagEnd})
	if err != nil {
		return nil, err
	}
	told := new(report)
	if err := json.Unmarshal(answer.Data, told); err != nil {
		return nil, fmt.Errorf("the workstation's answer to the end marker makes no sense: %w", err)
	}
	return told, nil
}

// logger is where the library logs to: nowhere, unless -v.
func logger(cfg config, screen *screen) *slog.Logger {
	if !cfg.verbose {
		return nil
	}
	return slog.New(slog.NewTextHandler(screen.out, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
