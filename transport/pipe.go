package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// pipePoll is the time between two tries to open a pipe that is busy, or is not there:
// Windows tells nobody when that changes.
const pipePoll = 10 * time.Millisecond

// maxPipeMessage is the largest message of a pipe that is written as one on every
// system, in bytes, and the size of a pipe's buffers unless Options say otherwise.
const maxPipeMessage = 64 << 10

var (
	// errPipeBusy is that somebody has the pipe: its server, as far as a server is
	// concerned, or all its instances, for a client.
	errPipeBusy = fmt.Errorf("the pipe is in use: %w", syscall.EADDRINUSE)
	// errNoPipe is that nobody serves the pipe.
	errNoPipe = fmt.Errorf("nobody serves the pipe: %w", syscall.ENOENT)
)

// pipeError names the operation and the pipe.
func pipeError(op string, a Address, err error) error {
	var named *net.OpError
	if err == nil || errors.As(err, &named) {
		return err
	}
	if option, ok := errors.AsType[*OptionError](err); ok {
		return option
	}
	return failed(op, a, err)
}

// Meet opens a named pipe as npipes does, for peers of which nobody knows who comes
// first: it makes the pipe, with one instance, and waits for somebody to open it; if
// somebody else has made it, it opens that one. Where the pipe is busy, or gone by
// then, it begins anew, until ctx ends. made says that it was made here. The connection
// is for one conversation: when it is closed, the pipe is gone, if it was made here.
//
// Of o what concerns pipes counts, but for PipeInstances and PipeAwait. The error is a
// *net.OpError or an *OptionError, and ctx's where ctx ended.
func Meet(ctx context.Context, a Address, o Options) (c net.Conn, made bool, err error) {
	if err := ready(ctx, o); err != nil {
		return nil, false, err
	}
	if a.scheme != NPipe {
		return nil, false, fmt.Errorf("meet at %v: %w", a, errors.ErrUnsupported)
	}
	o.PipeMeet = true
	p, err := meet(ctx, a, o)
	if err != nil {
		return nil, false, pipeError("meet", a, err)
	}
	return p, p.made, nil
}

func meet(ctx context.Context, a Address, o Options) (*pipeConn, error) {
	l, err := listenPipe(ctx, a, o)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	c, err := l.accept(ctx)
	stop()
	_ = l.Close()
	switch {
	case err == nil: // also at the last moment: who came may have written already
		return c, nil
	case ctx.Err() != nil && !errors.Is(err, ctx.Err()):
		err = fmt.Errorf("%w: nobody came", ctx.Err())
	}
	return nil, err
}

// instances is how many connections a pipe has at a time; 0: no bound of ours.
func (o *Options) instances() int {
	if o.PipeMeet {
		return 1
	}
	return o.PipeInstances
}

// A poll ticks for who tries again, every pipePoll, as soon as that is wanted.
type poll struct{ ticker *time.Ticker }

func (p *poll) next() <-chan time.Time {
	if p.ticker == nil {
		p.ticker = time.NewTicker(pipePoll)
	}
	return p.ticker.C
}

func (p *poll) stop() {
	if p.ticker != nil {
		p.ticker.Stop()
	}
}

// dialPipe opens a pipe. While it is busy it waits, and where PipeAwait says so also
// while it is not there.
func dialPipe(ctx context.Context, a Address, o Options) (net.Conn, error) {
	if o.PipeMeet {
		c, _, err := Meet(ctx, a, o)
		return c, err
	}
	var again poll
	defer again.stop()
	var before error
	for {
		c, err := openPipe(ctx, a, o)
		switch {
		case err == nil:
			return c, nil
		case errors.Is(err, errPipeBusy), o.PipeAwait && errors.Is(err, errNoPipe):
			before = err
		case before != nil && (ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded)):
			return nil, pipeError("dial", a, fmt.Errorf("%w: %w", err, before))
		default:
			return nil, pipeError("dial", a, err)
		}
		select {
		case <-again.next():
		case <-ctx.Done():
			return nil, pipeError("dial", a, fmt.Errorf("%w: %w", ctx.Err(), err))
		}
	}
}

// Accept waits for a client. At the bound of instances it waits first for a connection
// to be closed.
func (l *pipeListener) Accept() (net.Conn, error) {
	c, err := l.accept(context.Background())
	if err != nil {
		return nil, l.failed(err)
	}
	return c, nil
}

func (l *pipeListener) failed(err error) error {
	return failed("accept", l.addr, err)
}

// Addr is the address of the pipe.
func (l *pipeListener) Addr() net.Addr { return at{l.addr} }
