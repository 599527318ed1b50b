package serpy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/serpy-go/serpy/protocol"
)

// Errors that are the caller's: nothing was sent, and the connection lives.
var (
	// ErrTooLarge is a message larger than MaxMessage, of either side, than the
	// bytes of the send queue, or with too large a Header.
	ErrTooLarge = protocol.ErrTooLarge
	// ErrQueueFull is a send queue without room, where the call does not wait.
	ErrQueueFull = errors.New("send queue full")
	// ErrUnsupported is what this wire or this side cannot do.
	ErrUnsupported = errors.ErrUnsupported
)

// Errors of receipts.
var (
	// ErrNotAcked is a receipt of a mode or wire without acknowledgements:
	// nobody will say.
	ErrNotAcked = errors.New("message has no acknowledgement")
	// ErrUnconfirmed is a message that may or may not have arrived.
	ErrUnconfirmed = errors.New("message not confirmed: it may or may not have arrived")
)

// Errors of what we ended ourselves; both are net.ErrClosed.
var (
	// ErrClosed is a connection that this side closed.
	ErrClosed error = closedError("connection closed")
	// ErrServerClosed is a server that this side closed.
	ErrServerClosed error = closedError("server closed")
)

type closedError string

func (e closedError) Error() string        { return string(e) }
func (e closedError) Is(target error) bool { return target == net.ErrClosed }

// A NackError is a message that the peer's application refused.
type NackError struct{ Reason string }

func (e *NackError) Error() string { return "refused by the peer's application: " + e.Reason }

// A LinkError is trouble with the network. The messages are kept; a dialled
// connection dials again.
type LinkError struct {
	Op      string // "dial", "read", "write", "handshake"
	Addr    string
	Attempt int // of dialling, from 1; 0 where it does not apply
	Err     error
}

func (e *LinkError) Error() string {
	s := e.Op
	if e.Addr != "" {
		s += " " + e.Addr
	}
	if e.Attempt > 1 {
		s += fmt.Sprintf(" (attempt %d)", e.Attempt)
	}
	return s + ": " + cause(e.Op, e.Err)
}

// cause is the text of err without what was said before it: package net repeats what
// was tried, and where, once for each of its layers.
func cause(op string, err error) string {
	for {
		switch e := err.(type) { //nolint:errorlint // the outermost layers alone
		case *net.OpError:
			if e.Op != op || e.Err == nil {
				return err.Error()
			}
			err = e.Err
		case *os.SyscallError:
			if e.Syscall != op || e.Err == nil {
				return err.Error()
			}
			err = e.Err
		default:
			return err.Error()
		}
	}
}

func (e *LinkError) Unwrap() error { return e.Err }

// Timeout reports whether time ran out; with it a LinkError is a net.Error.
func (e *LinkError) Timeout() bool {
	var t interface{ Timeout() bool }
	return errors.As(e.Err, &t) && t.Timeout() || errors.Is(e.Err, os.ErrDeadlineExceeded) || errors.Is(e.Err, context.DeadlineExceeded)
}

// Temporary is true: a dialled connection tries again.
func (e *LinkError) Temporary() bool { return true }

// A ProtocolError is bytes of the peer's that break a rule of the wire. The
// messages are kept; a dialled connection makes a new link.
type ProtocolError struct {
	Codec  string
	Offset int64 // in the bytes that the peer sent on the link
	Err    error
}

func (e *ProtocolError) Error() string {
	return fmt.Sprintf("%s protocol, byte %d: %v", e.Codec, e.Offset, e.Err)
}

func (e *ProtocolError) Unwrap() error { return e.Err }

// A RefusedError is a server that turned us away, or, in a Refused event of a
// server, why it did.
type RefusedError struct {
	Reason string
	Final  bool // trying again is no use
}

func (e *RefusedError) Error() string { return "refused by the server: " + e.Reason }

// A SessionLostError is a session whose other half is gone. It ends a server's
// connection, and is the Err of the event SessionLost.
type SessionLostError struct {
	Unconfirmed int // our messages that may or may not have arrived
	Err         error
}

func (e *SessionLostError) Error() string {
	return fmt.Sprintf("session lost, %d messages unconfirmed: %v", e.Unconfirmed, e.Err)
}

func (e *SessionLostError) Unwrap() error { return e.Err }

// Is makes it a net.ErrClosed.
func (e *SessionLostError) Is(target error) bool { return target == net.ErrClosed }

// An UnconfirmedError is from Flush, Shutdown and Close: messages were accepted
// and not confirmed. It is ErrUnconfirmed.
type UnconfirmedError struct {
	Count int
	Err   error // why the wait ended
}

func (e *UnconfirmedError) Error() string {
	return fmt.Sprintf("%d messages not confirmed: %v", e.Count, e.Err)
}

func (e *UnconfirmedError) Unwrap() error { return e.Err }

// Is makes it an ErrUnconfirmed.
func (e *UnconfirmedError) Is(target error) bool { return target == ErrUnconfirmed }

// A CloseError is the end of a connection by a Close, with its code and reason.
type CloseError struct {
	Code   uint32 // SPEC.md 6
	Reason string
	Remote bool // the peer closed
}

func (e *CloseError) Error() string {
	who := "closed"
	if e.Remote {
		who = "closed by the peer"
	}
	s := who + ": " + protocol.Code(e.Code).String()
	if e.Reason != "" {
		s += ": " + e.Reason
	}
	return s
}

// Is makes it a net.ErrClosed, and io.EOF when the peer closed normally.
func (e *CloseError) Is(target error) bool {
	return target == net.ErrClosed || target == io.EOF && e.Remote && e.Code == uint32(protocol.CodeNormal)
}

// An OptionError is an option that cannot be.
type OptionError struct {
	Field  string
	Value  any
	Reason string
}

func (e *OptionError) Error() string {
	return fmt.Sprintf("serpy: option %s = %v: %s", e.Field, e.Value, e.Reason)
}

// unconfirmed makes an error that is ErrUnconfirmed and also err.
func unconfirmed(err error) error { return &unconfirmedBecause{err} }

type unconfirmedBecause struct{ err error }

func (e *unconfirmedBecause) Error() string   { return ErrUnconfirmed.Error() + ": " + e.err.Error() }
func (e *unconfirmedBecause) Unwrap() []error { return []error{ErrUnconfirmed, e.err} }

// A timeoutError is time that ran out.
type timeoutError string

func (e timeoutError) Error() string { return string(e) }
func (e timeoutError) Timeout() bool { return true }

// ending makes an error that ends a connection a net.ErrClosed, if it is none.
func ending(err error) error {
	if err == nil || errors.Is(err, net.ErrClosed) {
		return err
	}
	return &endingError{err}
}

type endingError struct{ err error }

func (e *endingError) Error() string        { return e.err.Error() }
func (e *endingError) Unwrap() error        { return e.err }
func (e *endingError) Is(target error) bool { return target == net.ErrClosed }

// opError names the package and the call once, at the public edge. An OptionError
// names the package itself, and what begins with the call has named that.
func opError(op string, err error) error {
	if err == nil {
		return nil
	}
	named := ""
	switch e := err.(type) { //nolint:errorlint // as it was made
	case *OptionError:
		return e
	case *LinkError:
		named = e.Op
	case *net.OpError:
		named = e.Op
	}
	if named == op {
		return fmt.Errorf("serpy: %w", err)
	}
	return fmt.Errorf("serpy: %s: %w", op, err)
}
