package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/serpy-go/serpy"
)

// workstation asks an instrument for its stream and takes it to the end.
type workstation struct {
	cfg    config
	screen *screen
	total  int64 // Bytes to come; -1: nobody knows.

	tally   *tally
	links   atomic.Int64
	resumed atomic.Int64
	trouble atomic.Pointer[error] // Why the last attempt to make a link failed.
	out     *bufio.Writer         // Nil without -out.
	began   time.Time
}

func newWorkstation(cfg config, screen *screen) *workstation {
	return &workstation{cfg: cfg, screen: screen, total: -1, tally: newTally()}
}

// run takes the stream until its end marker, or until ctx ends; late bounds what
// is then left to say.
func (w *workstation) run(ctx, late context.Context) (rep report, err error) {
	if w.cfg.out != "" {
		file, err := os.Create(w.cfg.out) //nolint:gosec // The user's own flag.
		if err != nil {
			return rep, fmt.Errorf("-out: %w", err)
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		w.out = bufio.NewWriterSize(file, 1<<20)
	}
	c, err := w.dial(ctx)
	if err != nil {
		return rep, err
	}
	return w.converse(ctx, late, c)
}

// converse is run on a connection, which it closes.
func (w *workstation) converse(ctx, late context.Context, c *serpy.Connection) (rep report, err error) {
	var watching sync.WaitGroup
	ctx, lose := context.WithCancelCause(ctx)
	defer lose(nil)
	watching.Go(func() { w.follow(late, c, lose) })
	defer func() {
		err = errors.Join(err, w.leave(late, c, rep.ended))
		watching.Wait()
		rep.Links, rep.Resumed = int(w.links.Load()), int(w.resumed.Load())
	}()
	w.began = time.Now()
	if err := w.begin(ctx, c); err != nil {
		return rep, err
	}
	w.screen.watch(w.total, w.progress)
	return w.take(ctx, late, c)
}

// dial connects. The first link may be cut as any other, and a workstation may be
// started before its instrument: it goes on trying, and says so. Who only asks
// learns at once that nobody is there.
func (w *workstation) dial(ctx context.Context) (*serpy.Connection, error) {
	conf, err := clientTLS(w.cfg)
	if err != nil {
		return nil, err
	}
	if w.cfg.insecure {
		w.screen.notef("-insecure: any certificate will do; whoever sits in between can read and change everything")
	}
	first := serpy.InBackground
	if w.cfg.ask != "" {
		first = serpy.FailFast
	}
	return serpy.Dial(ctx, w.cfg.address, &serpy.Options{
		Name: "workstation", TLS: conf, MaxMessage: maxMessage,
		ReceiveQueue: serpy.Queue{Messages: w.cfg.queue},
		// Close by, an instrument is back soon; by default the waits start at 100 ms.
		Reconnect: serpy.Reconnect{FirstDial: first, Min: 5 * time.Millisecond, Max: 2 * time.Second},
		Logger:    logger(w.cfg, w.screen),
	})
}

// follow counts links, says what keeps one from coming up, and calls lose when
// the session is gone: a new one would have to begin the stream anew.
func (w *workstation) follow(ctx context.Context, c *serpy.Connection, lose context.CancelCauseFunc) {
	trouble, since := "", time.Now()
	for e := range c.Events(ctx) {
		switch e := e.(type) {
		case serpy.Connected:
			w.links.Add(1)
			if e.Resumed {
				w.resumed.Add(1)
			}
			trouble = ""
		case serpy.Disconnected:
			since = time.Now()
		case serpy.Reconnecting:
			w.trouble.Store(&e.Err)
			// A link that breaks is the exercise; one that does not come back is news.
			if text := reason(e.Err); time.Since(since) > time.Second && text != trouble {
				trouble = text
				w.screen.notef("no link to %s, still trying: %s", w.cfg.address, text)
			}
		case serpy.SessionLost:
			lose(fmt.Errorf("the instrument has forgotten this session, as after a restart; start the workstation anew: %w", e.Err))
		}
	}
}

// reason is why a link did not come up, without the number of the attempt and the
// port of this side, which change each time.
func reason(err error) string {
	if link, ok := errors.AsType[*serpy.LinkError](err); ok && link.Err != nil {
		err = link.Err
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	return plain(err)
}

// take receives until the end marker, answers it, and reports.
func (w *workstation) take(ctx, late context.Context, c *serpy.Connection) (report, error) {
	for m := range c.Messages(ctx) {
		now := time.Now()
		if m.Tag == tagEnd {
			return w.finish(late, m)
		}
		if m.Tag != tagData {
			return w.soFar(), w.stranger(c, fmt.Errorf("it sends what is no data of a stream, as %.40q", m.String()))
		}
		w.tally.add(m, now)
		if w.out != nil {
			if _, err := w.out.Write(m.Data); err != nil {
				return w.soFar(), fmt.Errorf("-out: %w", err)
			}
		}
		m.Release()
		if w.cfg.slow > 0 {
			within(ctx, w.cfg.slow, nil)
		}
	}
	rep := w.soFar()
	if err := w.flush(); err != nil {
		return rep, err
	}
	if cause := context.Cause(ctx); cause != nil {
		return rep, unlessWanted(cause)
	}
	err := c.Err()
	if err == nil {
		err = errors.New("it said good-bye")
	}
	return rep, fmt.Errorf("the instrument left before the end of the stream: %w", err)
}

// unlessWanted is nil for an end by Ctrl-C or -duration.
func unlessWanted(cause error) error {
	if errors.Is(cause, context.Canceled) || errors.Is(cause, context.DeadlineExceeded) {
		return nil
	}
	return cause
}

// finish compares what came with what the end marker says was sent, and tells
// the instrument.
func (w *workstation) finish(late context.Context, m serpy.Message) (report, error) {
	w.tally.end(m)
	var sum totals
	if err := json.Unmarshal(m.Data, &sum); err != nil {
		return w.soFar(), fmt.Errorf("the end marker makes no sense: %w", err)
	}
	rep := w.soFar()
	rep.fillEnd(sum)
	if err := w.flush(); err != nil {
		return rep, err
	}
	text, err := json.Marshal(rep)
	if err != nil {
		return rep, err
	}
	if err := m.Reply(late, serpy.Message{Data: text, Type: serpy.Text, Mode: serpy.Acked}); err != nil {
		return rep, fmt.Errorf("answering the end marker: %w", err)
	}
	return rep, nil
}

// leave closes c. After the end of the stream it first makes sure that the
// instrument has the answer, over as many links as that takes.
func (w *workstation) leave(ctx context.Context, c *serpy.Connection, ended bool) error {
	if !ended {
		// There is nothing that the instrument still needs: why the run ended is said elsewhere.
		_ = c.Close()
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*grace)
	defer cancel()
	return c.Shutdown(ctx)
}

func (w *workstation) flush() error {
	if w.out == nil {
		return nil
	}
	if err := w.out.Flush(); err != nil {
		return fmt.Errorf("-out: %w", err)
	}
	return nil
}

// soFar is the report without the sender's totals.
func (w *workstation) soFar() report {
	rep := w.tally.report()
	rep.Seconds = time.Since(w.began).Seconds()
	rep.Links, rep.Resumed = int(w.links.Load()), int(w.resumed.Load())
	return rep
}

func (w *workstation) progress() progress {
	p := w.tally.progress()
	p.links = int(w.links.Load())
	return p
}
