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
	cable  *cable         // In front of the server; nil without -cut.
	trust  *x509.CertPool // What a workstation in this process trusts; nil without tls.
	notice string         // For a person, about the certificate.
	remove func() error   // Takes away what lies on disk for the server behind the proxy.
	rate   rate
	claim  atomic.Bool   // The one stream of this run has been asked for.
	done   chan struct{} // Closed when the one stream of this run has ended.

	acquire context.Context    // Ends when live sources have to.
	late    context.Context    // Ends when all has to.
	stop    context.CancelFunc // Ends acquire.
	halt    context.CancelFunc // Ends both.

	sent, sentBytes atomic.Uint64

	mu     sync.Mutex
	report report // Of all streams that have ended.
	err    error  // That the one stream of this run ended with.
}

// newInstrument listens. Its sources go on until ctx ends or -duration is over,
// counted from now; what they have given may take until grace after the end of ctx.
func newInstrument(ctx context.Context, cfg config, screen *screen) (*instrument, error) {
	in := &instrument{cfg: cfg, screen: screen, done: make(chan struct{}), remove: func() error { return nil }}
	in.rate.set(cfg.rate)
	in.setEnds(ctx)
	if err := in.listen(); err != nil {
		in.halt()
		return nil, err
	}
	return in, nil
}

// listen opens the server at -addr; with -cut the proxy is there, and the server
// where only the proxy finds it.
func (in *instrument) listen() error {
	conf, trust, notice, err := serverTLS(in.cfg)
	if err != nil {
		return err
	}
	in.trust, in.notice = trust, notice
	address := in.cfg.address
	if in.cfg.cut > 0 {
		private, remove, privateErr := private(address)
		if privateErr != nil {
			return fmt.Errorf("-cut: %w", privateErr)
		}
		address, in.remove = private, remove
	}
	in.server, err = serpy.Listen(address, &serpy.Options{
		Name: "instrument", TLS: conf, MaxMessage: maxMessage,
		SendQueue: serpy.Queue{Messages: in.cfg.queue, Policy: in.cfg.policy},
		Logger:    logger(in.cfg, in.screen),
	})
	if err != nil {
		return errors.Join(fmt.Errorf("-addr %s: %w", in.cfg.address, err), in.remove())
	}
	if in.cfg.cut > 0 {
		if in.cable, err = newCable(in.acquire, in.cfg.address, in.server.Address(), in.cfg.cut); err != nil {
			return errors.Join(err, in.server.Shutdown(in.acquire), in.remove())
		}
	}
	return nil
}

func (in *instrument) setEnds(ctx context.Context) {
	late, cancelLate := lingering(ctx, grace)
	acquire, cancel := context.WithCancel(ctx)
	if in.cfg.duration > 0 {
		acquire, cancel = context.WithTimeout(ctx, in.cfg.duration)
	}
	in.late, in.acquire = late, acquire
	in.stop = cancel
	in.halt = func() { cancel(); cancelLate() }
}

// address is what a workstation dials.
func (in *instrument) address() string {
	if in.cable != nil {
		return in.cable.url
	}
	return in.server.Address()
}

// size is how many bytes the source has, or -1.
func (in *instrument) size() int64 {
	if in.cfg.source == "file" {
		info, err := os.Stat(in.cfg.file) //nolint:gosec // The user's own flag.
		if err == nil && info.Mode().IsRegular() {
			return info.Size()
		}
	}
	return -1
}

// once says that the run is over with the end of its first stream.
func (in *instrument) once() bool {
	return in.cfg.source == "file" || in.cfg.role == roleBoth
}

// run serves until its one stream has ended, or its sources have to; what is
// under way then comes to its end, as slowly as the workstation takes it.
func (in *instrument) run() error {
	defer in.halt()
	served := make(chan error, 1)
	go func() { served <- in.server.Serve(in.late, in.converse) }()
	var err error
	select {
	case <-in.done:
	case <-in.acquire.Done():
	case err = <-served:
		served <- nil
	}
	err = errors.Join(err, in.server.Shutdown(in.late), <-served)
	if in.cable != nil {
		err = errors.Join(err, in.cable.close())
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	return errors.Join(in.err, err, in.remove())
}

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
	over := make(chan struct{})
	var handleErr error
	go func() {
		defer close(over)
		handleErr = c.Handle(ctx, commands.handle)
	}()
	select {
	case <-over:
		return handleErr
	case <-commands.begin:
	}
	rep, err := in.stream(ctx, c)
	if err == nil {
		// The workstation closes: were it us, and then this process gone, its answer
		// could be left unconfirmed by a cut.
		within(ctx, grace, c.Done())
	}
	in.finish(rep, err)
	cancel() // The commands end with the stream.
	<-over
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
		if err := last.Wait(in.late); err != nil { // Not ctx: the workstation may have closed by now.
			sendErr = fmt.Errorf("the last message was not confirmed: %w", err)
		}
	}
	if !rep.ended { // The workstation has not said; this is what the library knows.
		stats := c.Stats()
		rep.Dropped = stats.Dropped
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
	defer context.AfterFunc(in.acquire, cancel)() //nolint:contextcheck // Either ends it, also while a send waits for room.
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
