package main

import (
	"context"
	"flag"
	"io"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/examples/internal/cli"
	"github.com/serpy-go/serpy/examples/internal/host"
	"github.com/serpy-go/serpy/examples/internal/wires"
)

const serveUsage = `pingpong serve sends back what comes, as it came, until Ctrl-C.

Flags:
`

func serve(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	set := flag.NewFlagSet("pingpong serve", flag.ContinueOnError)
	address := set.String("addr", meetingPoint, "`address` to listen on, as "+cli.Listens)
	list := set.String("wires", wires.All, "`wires` that clients may speak: of native, serpy, serpy2 and line")
	if err := cli.Parse(set, serveUsage, args, 0, stderr); err != nil {
		return err
	}
	all, err := wires.ParseList(*list, wires.Line)
	if err != nil {
		return cli.Usage("-wires %v", err)
	}
	return host.Serve(ctx, *address, &serpy.Options{Name: "pingpong", Wires: all}, stdout, pong)
}

// pong sends back what comes. A client that does not read stalls itself alone: the queue
// to it is full, and then nothing more is read from it.
func pong(ctx context.Context, c *serpy.Connection) error {
	for m := range c.Messages(ctx) {
		if _, err := c.SendMessage(ctx, m); err != nil {
			return err
		}
	}
	return c.Err()
}
