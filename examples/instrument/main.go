// Command instrument streams data from an instrument to a workstation over a
// link that may keep breaking, and says afterwards what became of each message.
//
// With no flags both ends run in this process, over a real TCP socket, for five
// seconds. See -help, and README.md beside this file.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/serpy-go/serpy"
)

// grace is how long an end by Ctrl-C may take: the end marker, its answer, the close.
const grace = 5 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // A second Ctrl-C ends the process at once.
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole program but for the signals; its result is the exit code:
// 0 when everything that was sent is accounted for, 1 when something went
// wrong, 2 for flags that make no sense.
func run(ctx context.Context, args []string, stdout io.Writer, stderr *os.File) int {
	cfg, err := parseFlags(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "instrument: %v\n", err)
		return 2
	}
	screen := newScreen(stderr, cfg.json)
	if cfg.ask != "" {
		err = runAsk(ctx, cfg, stdout, screen)
	} else {
		err = runStream(ctx, cfg, stdout, screen)
	}
	if err != nil {
		fmt.Fprintf(stderr, "instrument: %s\n", plain(err))
		return 1
	}
	return 0
}

// runStream plays the roles of cfg and prints what became of the messages, also
// when the run ended with an error.
func runStream(ctx context.Context, cfg config, stdout io.Writer, screen *screen) error {
	var rep report
	var err error
	switch cfg.role {
	case roleInstrument:
		rep, err = runInstrument(ctx, cfg, screen)
	case roleWorkstation:
		rep, err = runWorkstation(ctx, cfg, screen)
	case roleBoth:
		rep, err = runBoth(ctx, cfg, screen)
	}
	screen.end()
	if rep.started {
		if printErr := rep.print(stdout, cfg.json); printErr != nil {
			return errors.Join(err, printErr)
		}
		if err == nil {
			err = rep.verdict()
		}
	}
	return err
}

// runBoth runs an instrument and a workstation over a socket of this machine.
func runBoth(ctx context.Context, cfg config, screen *screen) (report, error) {
	late, cancel := lingering(ctx, grace)
	defer cancel()
	in, err := newInstrument(ctx, cfg, screen)
	if err != nil {
		return report{}, err
	}
	served := make(chan error, 1)
	go func() { served <- in.run() }()

	near := cfg
	near.address, near.cut, near.duration = in.address(), 0, 0 // The instrument has the proxy and the clock.
	near.trust = in.trust
	w := newWorkstation(near, screen)
	w.total = in.size()
	rep, err := w.run(late, late)
	if err != nil { // The instrument would wait for a workstation that does not come back.
		in.stop()
		defer time.AfterFunc(grace, in.halt).Stop()
	}
	if serveErr := <-served; err == nil {
		err = serveErr
	}
	if !rep.ended { // The instrument knows at least what it sent.
		rep.fillSent(in.result())
	}
	return rep, err
}

func runInstrument(ctx context.Context, cfg config, screen *screen) (report, error) {
	in, err := newInstrument(ctx, cfg, screen)
	if err != nil {
		return report{}, err
	}
	screen.notef("listening on %s", in.address())
	if in.notice != "" {
		screen.notef("%s", in.notice)
	}
	screen.watch(in.size(), in.progress)
	err = in.run()
	return in.result(), err
}

func runWorkstation(ctx context.Context, cfg config, screen *screen) (rep report, err error) {
	late, cancel := lingering(ctx, grace)
	defer cancel()
	if cfg.duration > 0 {
		var done context.CancelFunc
		ctx, done = context.WithTimeout(ctx, cfg.duration)
		defer done()
	}
	if cfg.cut > 0 {
		near, remove, privateErr := private(cfg.address)
		if privateErr != nil {
			return rep, fmt.Errorf("-cut: %w", privateErr)
		}
		bad, proxyErr := newCable(ctx, near, cfg.address, cfg.cut)
		if proxyErr != nil {
			return rep, errors.Join(proxyErr, remove())
		}
		defer func() { err = errors.Join(err, bad.close(), remove()) }()
		cfg.serverName = hostOf(cfg.address)
		cfg.address = bad.url
	}
	return newWorkstation(cfg, screen).run(ctx, late)
}

// lingering gives a context that ends d after ctx does, so that what ctx has
// ended can still be finished in good order.
func lingering(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(d, cancel) })
	return late, func() { stop(); cancel() }
}

// within waits until done is closed, but no longer than d, nor after ctx; a nil
// done is never closed.
func within(ctx context.Context, d time.Duration, done <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-done:
	}
}

// plain is an error as a person reads it: the library's prefix adds nothing here,
// and what is refused for its certificate needs the flag that helps.
func plain(err error) string {
	text := strings.TrimPrefix(err.Error(), "serpy: ")
	if strings.Contains(text, "x509:") {
		text += "; give the instrument's certificate with -ca FILE, or, on a network that you trust, use -insecure"
	}
	if _, ok := errors.AsType[*serpy.OptionError](err); ok {
		text += " (see -help)"
	}
	return text
}
