// Package host keeps a server of an example: it says who comes and goes, and ends in good
// order.
package host

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/examples/internal/cli"
	"github.com/serpy-go/serpy/examples/internal/wires"
)

// Serve listens at an address, and calls visit for each client, until ctx ends. What
// happens is a line on out.
func Serve(ctx context.Context, address string, o *serpy.Options, out io.Writer, visit serpy.Handler) error {
	s, err := serpy.Listen(address, o)
	if err != nil {
		return cli.CannotListen(err, address)
	}
	var mu sync.Mutex
	sayf := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(out, format+"\n", args...)
	}
	sayf("listening on %s", s.Address())
	err = s.Serve(ctx, func(ctx context.Context, c *serpy.Connection) error {
		who := wires.Who(c)
		sayf("%s came", who)
		err := visit(ctx, c)
		switch {
		case err == nil || ctx.Err() != nil:
			sayf("%s went", who)
		default:
			sayf("%s went: %s", who, wires.Clean(err.Error()))
		}
		return err
	})
	sayf("closed")
	return err
}
