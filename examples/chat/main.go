// Command chat talks in a room that broadcast keeps, on the wire of your choice. See
// -help, and README.md in the folder above.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"

	"github.com/serpy-go/serpy/examples/internal/cli"
	"github.com/serpy-go/serpy/examples/internal/wires"
	"github.com/serpy-go/serpy/protocol"
)

func main() {
	cli.Main(func(ctx context.Context, args []string, stdout, stderr io.Writer) int {
		return run(ctx, args, os.Stdin, stdout, stderr)
	})
}

// config is what the flags say, checked.
type config struct {
	address string
	name    string
	wire    protocol.Codec
}

const usage = `chat talks in a room that broadcast keeps.

  chat -name Ada                                   the room of this machine
  chat -addr lab1:8000 -name Ada -wire serpy2      as a program that speaks serpy2
  date | chat -name clock                          says its lines, and leaves

What you type is said to all others, but for
  /name NAME   another name
  /stop        leave, as Ctrl-C and Ctrl-D do
  /KTHXBYE     leave, and end the room for all

Flags:
`

// parseFlags reads args.
func parseFlags(args []string, stderr io.Writer) (cfg config, err error) {
	set := flag.NewFlagSet("chat", flag.ContinueOnError)
	set.StringVar(&cfg.address, "addr", "127.0.0.1:8000", "`address` of the room, as "+cli.Dials)
	set.StringVar(&cfg.name, "name", login(), "`name` that stands before what you say")
	wire := set.String("wire", "native", "`wire` to speak: native, serpy or serpy2")
	if err := cli.Parse(set, usage, args, 0, stderr); err != nil {
		return cfg, err
	}
	if cfg.wire, err = wires.Parse(*wire); err != nil {
		return cfg, cli.Usage("-wire %v", err)
	}
	if cfg.name, err = checkName(cfg.name); err != nil {
		return cfg, cli.Usage("-name: %v", err)
	}
	return cfg, nil
}

// maxName bounds a name, in bytes.
const maxName = 64

// checkName gives a name as it is used.
func checkName(name string) (string, error) {
	name = wires.Clean(name)
	switch {
	case name == "":
		return "", errors.New("a name is missing, as in Ada")
	case len(name) > maxName:
		return "", fmt.Errorf("a name has at most %d bytes", maxName)
	}
	return name, nil
}

// login is the name that this machine knows its user by.
func login() string {
	if u, err := user.Current(); err == nil {
		_, name, ok := strings.Cut(u.Username, `\`) // DOMAIN\name on Windows
		if !ok {
			name = u.Username
		}
		return name
	}
	return "somebody"
}

// run is the whole program but for the signals; its result is the exit code.
func run(ctx context.Context, args []string, stdin *os.File, stdout, stderr io.Writer) int {
	cfg, err := parseFlags(args, stderr)
	if err == nil {
		err = talk(ctx, &cfg, stdin, stdout, stderr)
	}
	return cli.Code(err, "chat", stderr)
}
