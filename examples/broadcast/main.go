// Command broadcast is a room: it repeats each message to all other clients, whatever
// wire each of them speaks. See -help, and README.md in the folder above.
package main

import (
	"context"
	"flag"
	"io"
	"log/slog"

	"github.com/serpy-go/serpy/examples/internal/cli"
	"github.com/serpy-go/serpy/examples/internal/wires"
	"github.com/serpy-go/serpy/protocol"
)

func main() { cli.Main(run) }

// config is what the flags say, checked.
type config struct {
	address string
	wires   []protocol.Codec
	log     *slog.Logger
}

const usage = `broadcast is a room: it repeats each message to all other clients, whatever wire
each of them speaks. Ctrl-C, or a client that says /KTHXBYE, ends it; it says
/KTHXBYE to all of them first.

  broadcast                                  on this machine, for all wires
  broadcast -addr :8000 -wires serpy         for programs that speak serpy alone
  broadcast -wires native,serpy2             without serpy, in which any bytes are a message

Flags:
`

// parseFlags reads args.
func parseFlags(args []string, stderr io.Writer) (cfg config, err error) {
	set := flag.NewFlagSet("broadcast", flag.ContinueOnError)
	set.StringVar(&cfg.address, "addr", "127.0.0.1:8000", "`address` to listen on, as "+cli.Listens)
	list := set.String("wires", wires.All, "`wires` that clients may speak, told apart by their first bytes; a client that\nsays nothing for a second is taken for the first of them that is not native")
	verbose := set.Bool("v", false, "log what the library does to stderr")
	if err := cli.Parse(set, usage, args, 0, stderr); err != nil {
		return cfg, err
	}
	if cfg.wires, err = wires.ParseList(*list); err != nil {
		return cfg, cli.Usage("-wires %v", err)
	}
	if *verbose {
		cfg.log = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return cfg, nil
}

// run is the whole program but for the signals; its result is the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cfg, err := parseFlags(args, stderr)
	if err == nil {
		err = serve(ctx, &cfg, stdout)
	}
	return cli.Code(err, "broadcast", stderr)
}
