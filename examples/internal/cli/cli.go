// Package cli is what the command lines of the examples have in common.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// Exit codes.
const (
	failed   = 1 // something went wrong
	badFlags = 2 // what was typed makes no sense; nothing was tried
)

// Main is the whole of main: it runs a program, whose context Ctrl-C ends, and exits with
// its code.
func Main(run func(ctx context.Context, args []string, stdout, stderr io.Writer) int) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // A second Ctrl-C ends the process at once.
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// A UsageError is of what was typed.
type UsageError struct{ text string }

func (e *UsageError) Error() string { return e.text }

// Usage makes a UsageError.
func Usage(format string, args ...any) error {
	return &UsageError{fmt.Sprintf(format, args...)}
}

// A Command is one of several that a program has; its errors are for Code.
type Command func(ctx context.Context, args []string, stdout, stderr io.Writer) error

// Choose runs the command that args begin with. Without one it says which there are, and
// -help prints usage.
func Choose(ctx context.Context, name, usage string, commands map[string]Command, args []string, stdout, stderr io.Writer) error {
	names := slices.Sorted(maps.Keys(commands))
	if len(args) == 0 {
		return Usage("%s? See %s -help", strings.Join(names, " or "), name)
	}
	if run := commands[args[0]]; run != nil {
		return run(ctx, args[1:], stdout, stderr)
	}
	if err := Parse(flag.NewFlagSet(name, flag.ContinueOnError), usage, args, len(args), stderr); err != nil {
		return err
	}
	return Usage("%q is no command: %s; see %s -help", args[0], strings.Join(names, " or "), name)
}

// Parse reads args into a set of flags, which may be followed by up to rest other words.
// -help prints usage and the flags to stderr and gives flag.ErrHelp.
func Parse(set *flag.FlagSet, usage string, args []string, rest int, stderr io.Writer) error {
	set.SetOutput(io.Discard)
	err := set.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stderr, usage)
		set.SetOutput(stderr)
		set.PrintDefaults()
		return err
	case err != nil:
		return Usage("%v; see %s -help", err, set.Name())
	case set.NArg() > rest:
		return Usage("%q is too much: flags stand first; see %s -help", set.Arg(rest), set.Name())
	}
	return nil
}

// Code says on stderr what went wrong in the program of that name, and gives its exit
// code: 0 after a wanted end, 1 when something went wrong, 2 for flags that make no sense.
func Code(err error, name string, stderr io.Writer) int {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return 0
	}
	fmt.Fprintf(stderr, "%s: %v\n", name, err)
	if _, ok := errors.AsType[*UsageError](err); ok {
		return badFlags
	}
	return failed
}
