package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/blob"
)

// together is how many files of one sender are taken at the same time.
const together = 16

// A receiver takes files until it is told to end.
type receiver struct {
	cfg config
	out *screen

	mu   sync.Mutex
	errs []error
	end  context.CancelFunc
}

// receive is the command.
func receive(ctx context.Context, args []string, stdout io.Writer, stderr *os.File) error {
	r := &receiver{}
	set := receiveFlags(&r.cfg)
	if err := parse(set, args, "sendfile receive [flags] -dir DIR: takes files into a folder.", stderr); err != nil {
		return err
	}
	switch st, err := os.Stat(r.cfg.dir); {
	case set.NArg() > 0:
		return &flagError{fmt.Errorf("%q is no flag; see %s -help", set.Arg(0), set.Name())}
	case r.cfg.dir == "":
		return &flagError{errors.New("say with -dir into which folder")}
	case err != nil:
		return &flagError{fmt.Errorf("-dir: %w", err)}
	case !st.IsDir():
		return &flagError{fmt.Errorf("-dir: %s is no folder", r.cfg.dir)}
	}
	r.out = newScreen(&r.cfg, stdout, stderr)
	conf, err := receiverTLS(&r.cfg)
	if err != nil {
		return err
	}
	s, err := serpy.Listen(r.cfg.address, &serpy.Options{Name: ourName, TLS: conf, Logger: r.out.logger(r.cfg.verbose)})
	if err != nil {
		return err
	}
	r.out.notef("listening on %s", s.Address())
	ctx, r.end = context.WithCancel(ctx)
	defer r.end()
	if err := s.Serve(ctx, r.handle); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(r.errs...)
}

// handle takes the files of one sender.
func (r *receiver) handle(ctx context.Context, c *serpy.Connection) error {
	var under sync.WaitGroup
	room := make(chan struct{}, together)
	for {
		b, err := c.ReceiveBlob(ctx)
		if err != nil {
			break // the sender has ended, or we
		}
		room <- struct{}{}
		under.Go(func() {
			r.save(ctx, b)
			<-room
		})
	}
	under.Wait()
	if r.cfg.once {
		r.end()
	}
	return nil
}

// save takes one file.
func (r *receiver) save(ctx context.Context, b *serpy.Blob) {
	name := b.Info().Name
	res, err := b.SaveTo(ctx, r.cfg.dir, &blob.Options{
		Progress: r.out.progress(name), Overwrite: r.cfg.overwrite, KeepPartial: r.cfg.keep,
	})
	if err == nil {
		r.out.done(name, res.Path, &res)
		return
	}
	r.out.failed(name, "", &res, err)
	if r.cfg.once {
		r.mu.Lock()
		r.errs = append(r.errs, fmt.Errorf("%q: %w", name, err))
		r.mu.Unlock()
	}
}
