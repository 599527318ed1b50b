package cli

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/transport"
)

// What an -addr may be: of a program that dials, and of one that listens and has no
// certificate to show.
const (
	Dials   = "host:port, tcp://host:port, tls://host:port, unix:///path or npipe://./pipe/name"
	Listens = "host:port, tcp://host:port, unix:///path or npipe://./pipe/name"
)

// CannotReach makes of an error of Dial what a person needs: what went wrong, and what to
// do next. server is the command that should run at the address.
func CannotReach(err error, address, server string) error {
	var (
		where *transport.AddressError
		link  *serpy.LinkError
	)
	switch {
	case errors.As(err, &where):
		return badAddress(where, Dials)
	case errors.As(err, &link) && link.Op == "dial":
		return fmt.Errorf("nobody answers at %s (%s)\nStart %s there first, or say by -addr where it is", address, plain(link.Err), server)
	case errors.As(err, &link):
		return fmt.Errorf("what answers at %s does not speak this wire (%s)\nStart %s there, or choose another wire by -wire", address, plain(link.Err), server)
	}
	return errors.New(plain(err))
}

// CannotListen does the same for an error of Listen.
func CannotListen(err error, address string) error {
	if where, ok := errors.AsType[*transport.AddressError](err); ok {
		return badAddress(where, Listens)
	}
	return fmt.Errorf("cannot listen at %s (%s)\nChoose another place by -addr, as in -addr 127.0.0.1:8001", address, plain(err))
}

// badAddress says what is wrong with an address, and which would do.
func badAddress(err *transport.AddressError, want string) error {
	return fmt.Errorf("-addr %q: %s; want %s", err.Address, err.Reason, want)
}

// plain is an error's text without the names of the layers that passed it on, and without
// the address, which stands beside it.
func plain(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	text := err.Error()
	for _, prefix := range []string{"serpy: ", "dial: ", "listen: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return text
}
