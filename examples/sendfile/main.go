// Command sendfile sends files to another machine, and goes on where it stopped when
// the link broke or one of the two was killed: run it again. See -help, and README.md
// beside this file.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/blob"
	"github.com/serpy-go/serpy/transport"
)

// Exit codes.
const (
	allWhole    = 0   // every file arrived, whole and checked
	incomplete  = 1   // a file did not; run it again, and it goes on there
	badFlags    = 2   // nothing was tried
	refused     = 3   // the receiver does not want a file as it is: another try ends the same way
	unreachable = 4   // nobody answered at the address, or nobody who takes files
	interrupted = 130 // Ctrl-C or SIGTERM; run it again, and it goes on there
)

const usage = `sendfile sends files over a link that may break, and goes on where it stopped.

  sendfile receive -dir DIR                     take files at tcp://127.0.0.1:7071, until Ctrl-C
  sendfile receive -addr tcp://:7071 -dir DIR   from other machines too
  sendfile send FILE... | DIR                   send files, or those of a folder
  sendfile send -addr tcp://lab1:7071 FILE...   to another machine

After a broken link it goes on by itself. If either side was killed, run the same command
again: what has arrived is not sent again.

Exit codes: 0 all files are there, whole and checked; 1 not all: run it again; 2 flags or
files that make no sense; 3 the receiver refused one, as it has another file of that name;
4 nobody answered, or nobody who takes files; 130 interrupted: run it again.

sendfile send -help and sendfile receive -help list their flags.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // A second Ctrl-C ends the process at once.
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole program but for the signals; its result is the exit code.
func run(ctx context.Context, args []string, stdout io.Writer, stderr *os.File) int {
	command := ""
	if len(args) > 0 {
		command = args[0]
	}
	var err error
	switch command {
	case "send":
		err = send(ctx, args[1:], stdout, stderr)
	case "receive":
		err = receive(ctx, args[1:], stdout, stderr)
	case "help", "-h", "-help", "--help":
		fmt.Fprint(stdout, usage)
		return allWhole
	case "":
		fmt.Fprint(stderr, usage)
		return badFlags
	default:
		err = &flagError{fmt.Errorf("%q is no command: send or receive; see sendfile -help", command)}
	}
	if errors.Is(err, flag.ErrHelp) {
		return allWhole
	}
	if err != nil {
		fmt.Fprintf(stderr, "sendfile: %s\n", plain(err))
	}
	return exitCode(ctx, err)
}

// A flagError is of what was typed; an unreachableError of the way to the receiver.
type (
	flagError        struct{ error }
	unreachableError struct{ error }
)

func (e *flagError) Unwrap() error        { return e.error }
func (e *unreachableError) Unwrap() error { return e.error }

func exitCode(ctx context.Context, err error) int {
	var (
		flags *flagError
		away  *unreachableError
		bad   *serpy.OptionError
		where *transport.AddressError
	)
	switch {
	case err == nil:
		return allWhole
	case errors.As(err, &flags), errors.As(err, &bad), errors.As(err, &where):
		return badFlags
	case ctx.Err() != nil:
		return interrupted
	case errors.As(err, &away):
		return unreachable
	case isRefusal(err):
		return refused
	}
	return incomplete
}

// isRefusal says whether sending the same again would end in the same way.
func isRefusal(err error) bool {
	if errors.Is(err, net.ErrClosed) { // the connection ended, and the file with it
		return false
	}
	for _, cause := range []error{blob.ErrExists, blob.ErrName, blob.ErrRejected} {
		if errors.Is(err, cause) {
			return true
		}
	}
	return false
}

// plain is an error as a person reads it: the library's prefix adds nothing here.
func plain(err error) string {
	return strings.ReplaceAll(err.Error(), "serpy: ", "")
}
