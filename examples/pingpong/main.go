// Command pingpong answers each message by itself, and measures how long that takes, on
// the wire of your choice. See -help, and README.md in the folder above.
package main

import (
	"context"
	"io"

	"github.com/serpy-go/serpy/examples/internal/cli"
)

func main() { cli.Main(run) }

const usage = `pingpong sends messages, and has them back.

  pingpong serve                                   send back what comes, until Ctrl-C
  pingpong serve -addr :8002 -wires native,line    from other machines too; lines for netcat
  pingpong ping                                    five messages, and how long each took
  pingpong ping -every 0 -n 100000 -q              as fast as one after the other can go
  pingpong ping -wire serpy 42 2.5 hello           values, and what comes back on that wire

pingpong serve -help and pingpong ping -help list their flags.
`

// meetingPoint is where the two meet when -addr says nothing.
const meetingPoint = "127.0.0.1:8002"

var commands = map[string]cli.Command{"serve": serve, "ping": ping}

// run is the whole program but for the signals; its result is the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return cli.Code(cli.Choose(ctx, "pingpong", usage, commands, args, stdout, stderr), "pingpong", stderr)
}
