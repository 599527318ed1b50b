package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/serpy-go/serpy"
)

// runAsk asks one command and prints the answer.
func runAsk(ctx context.Context, cfg config, stdout io.Writer, screen *screen) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*grace)
	defer cancel()
	if cfg.askHere {
		in, listenErr := newInstrument(ctx, cfg, screen)
		if listenErr != nil {
			return listenErr
		}
		served := make(chan error, 1)
		go func() { served <- in.run() }()
		defer func() {
			in.stop()
			if serveErr := <-served; err == nil {
				err = serveErr
			}
		}()
		cfg.address, cfg.trust = in.address(), in.trust
	}
	c, err := newWorkstation(cfg, screen).dial(ctx)
	if err != nil {
		return fmt.Errorf("%w; is the instrument at -addr %s?", err, cfg.address)
	}
	defer c.Close()
	answer, err := c.Request(ctx, serpy.TextMessage(cfg.ask))
	if ctx.Err() != nil && errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("-ask: no answer within %v; is what runs at -addr %s an instrument?", 2*grace, cfg.address)
	}
	if err != nil {
		return fmt.Errorf("-ask: %w", err)
	}
	if reason, isFailed := strings.CutPrefix(answer.String(), failed); isFailed {
		return fmt.Errorf("-ask: %s", reason)
	}
	_, err = fmt.Fprintln(stdout, answer)
	return err
}
