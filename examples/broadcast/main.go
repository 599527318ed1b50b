// Command broadcast is a room: it repeats each message to all other clients, whatever
// wire each of them speaks. See -help, and README.md beside this file.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/serpy-go/serpy/examples/internal/wires"
	"github.com/serpy-go/serpy/protocol"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // A second Ctrl-C ends the process at once.
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

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

Flags:
`

// parseFlags reads args. -help is printed to stderr and gives flag.ErrHelp.
func parseFlags(args []string, stderr io.Writer) (cfg config, err error) {
	set := flag.NewFlagSet("broadcast", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.StringVar(&cfg.address, "addr", "127.0.0.1:8000", "`address` to listen on, as host:port, tcp://host:port or unix:///path")
	list := set.String("wires", wires.All, "`wires` that clients may speak, told apart by their first bytes; a client that\nsays nothing for a second is taken for the first of them that is not native")
	verbose := set.Bool("v", false, "log what the library does to stderr")
	if err := set.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(stderr, usage)
			set.SetOutput(stderr)
			set.PrintDefaults()
			return cfg, err
		}
		return cfg, fmt.Errorf("%w; see -help", err)
	}
	if set.NArg() > 0 {
		return cfg, fmt.Errorf("%q is no flag: everything is said by flags; see -help", set.Arg(0))
	}
	if cfg.wires, err = wires.ParseList(*list); err != nil {
		return cfg, fmt.Errorf("-wires %w", err)
	}
	if *verbose {
		cfg.log = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return cfg, nil
}

// run is the whole program but for the signals; its result is the exit code: 0 after a
// wanted end, 1 when something went wrong, 2 for flags that make no sense.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cfg, err := parseFlags(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "broadcast: %v\n", err)
		return 2
	}
	if err := serve(ctx, &cfg, stdout); err != nil {
		fmt.Fprintf(stderr, "broadcast: %v\n", err)
		return 1
	}
	return 0
}
