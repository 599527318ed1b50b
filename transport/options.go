package transport

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strings"
	"time"
)

// Options are the socket options of a connection. The zero value is the
// default: the system's buffers, TCP_NODELAY on, TCP keepalive after 15 s.
//
// What concerns TCP alone (Nagle, KeepAlive, NotSentLowat, Congestion) is left
// alone on other connections, and what concerns listening alone (UnixMode,
// Backlog) is left alone by Dial and Tune.
type Options struct {
	// ReadBuffer and WriteBuffer are the sizes in bytes of the kernel's
	// buffers of the socket (SO_RCVBUF, SO_SNDBUF), at most 1 GiB; 0 leaves
	// them to the system, which on Linux lets them grow with the traffic of a
	// TCP connection. The system may round, double (Linux) or cap
	// (net.core.rmem_max, wmem_max) what is asked for.
	ReadBuffer, WriteBuffer int

	// Nagle lets the kernel hold back a small segment while an earlier one is
	// unacknowledged. It is off by default: messages are gathered before they
	// are written.
	Nagle bool

	// KeepAlive is how long a TCP connection is silent before the kernel
	// probes it, and the time between two probes. 0 is 15 s, a negative one
	// is off. The kernel counts in seconds and rounds up; at most 32,767 s.
	KeepAlive time.Duration

	// NotSentLowat bounds in bytes what the kernel takes of a TCP connection
	// before it has sent what it holds (TCP_NOTSENT_LOWAT), at most 1 GiB:
	// small values keep what is queued behind in the program, where an urgent
	// message can still overtake it. 0 leaves it to the system. Linux and
	// macOS; an error elsewhere.
	NotSentLowat int

	// Congestion is the name of the TCP congestion control ("cubic", "bbr"),
	// "" for the system's. Linux only; an error elsewhere, and where the
	// kernel does not have or allow it.
	Congestion string

	// UnixMode is the permissions of the socket file that Listen makes: who
	// may write it may connect. They hold from the moment that the file
	// appears, whatever the umask. Only permission bits; 0 leaves them to the
	// umask. Not on Windows.
	UnixMode fs.FileMode

	// Backlog is how many connections wait in the kernel to be accepted; 0
	// leaves it to the system (net.core.somaxconn on Linux, which also caps
	// it). An error on Windows, where a pipe has none.
	Backlog int

	// The rest concerns named pipes. Their buffers have 64 KiB unless ReadBuffer
	// and WriteBuffer say otherwise; Windows takes that for advice.

	// PipeMessages lets Listen and Meet make a pipe of messages, as npipes has
	// them: each write is one, for a peer that reads messages. This package
	// reads bytes, whatever the pipe.
	PipeMessages bool

	// PipeInstances is how many connections a pipe that Listen makes has at a
	// time, at most 254; 0 is as many as the system allows. With 1, for npipes,
	// the pipe is not there while a connection of it ends and the next is not
	// yet awaited.
	PipeInstances int

	// PipeSecurity is the security descriptor of a pipe that Listen or Meet
	// makes, in the security descriptor definition language ("D:P(A;;GA;;;AU)":
	// who has logged in may do all, and also serve the pipe; with 0x12008b for GA
	// they read and write). "" is the system's default: all for the user,
	// administrators and the system, reading for everybody. Windows only; an error
	// elsewhere.
	PipeSecurity string

	// PipeRemote lets clients of other machines open a pipe that Listen or Meet
	// makes.
	PipeRemote bool

	// PipeAwait lets Dial wait, until its context ends, also for a pipe that is
	// not there, as it does for one that is busy: between two messages of npipes
	// the pipe does not exist.
	PipeAwait bool

	// PipeMeet lets Dial, and each Accept of a listener, open the pipe as npipes
	// does: whoever comes first makes it, with one instance, and the other opens
	// it. See Meet. PipeInstances and PipeAwait then mean nothing.
	PipeMeet bool

	// PipeFolder is a folder in which unix sockets stand for the pipes of this
	// machine, on systems that have none: of packets with PipeMessages, of a
	// stream without. A file name.lock beside a socket says, by a lock, that it
	// is served. "" is none, and npipe:// an error there. Not looked at on Windows.
	PipeFolder string
}

const (
	maxBytes      = 1 << 30             // of a socket buffer; the kernel doubles it in an int
	maxKeepAlive  = 32767 * time.Second // Linux's MAX_TCP_KEEPIDLE
	maxCongestion = 15                  // Linux's TCP_CA_NAME_MAX less the NUL
	keepAlive     = 15 * time.Second
)

// OptionError is an option that is out of range, that this system does not
// have, or that the kernel refused.
type OptionError struct {
	Field string // the name of the field of Options
	Value any    // what it held
	Err   error  // what is wrong with it; errors.ErrUnsupported where this system cannot
}

// Error names the field, its value and the reason.
func (e *OptionError) Error() string {
	return fmt.Sprintf("option %s = %v: %v", e.Field, e.Value, e.Err)
}

// Unwrap gives the reason.
func (e *OptionError) Unwrap() error { return e.Err }

// Validate checks that each field is within its bounds; the error is an
// *OptionError. Dial, Listen and Tune call it. Whether this system has the
// option, and whether the kernel takes the value, shows only when it is set.
func (o Options) Validate() error {
	for _, f := range []struct {
		name  string
		value int
		most  int
	}{
		{"ReadBuffer", o.ReadBuffer, maxBytes},
		{"WriteBuffer", o.WriteBuffer, maxBytes},
		{"NotSentLowat", o.NotSentLowat, maxBytes},
		{"Backlog", o.Backlog, math.MaxInt32},
		{"PipeInstances", o.PipeInstances, 254},
	} {
		if f.value < 0 || f.value > f.most {
			return &OptionError{f.name, f.value, fmt.Errorf("want 0 to %d", f.most)}
		}
	}
	switch {
	case o.KeepAlive > maxKeepAlive:
		return &OptionError{"KeepAlive", o.KeepAlive, fmt.Errorf("want at most %v, or a negative one for none", maxKeepAlive)}
	case len(o.Congestion) > maxCongestion || strings.ContainsFunc(o.Congestion, func(r rune) bool { return r <= ' ' || r > '~' }):
		return &OptionError{"Congestion", o.Congestion, fmt.Errorf("want a name of at most %d printable characters", maxCongestion)}
	case o.UnixMode&^fs.ModePerm != 0:
		return &OptionError{"UnixMode", o.UnixMode, errors.New("want permission bits only, at most 0777")}
	}
	return nil
}
