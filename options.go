package serpy

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"math"
	"net"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/transport"
)

// Options are for Dial, Listen and NewServer. Nil or zero is the default
// everywhere; a negative number or duration means "off" or "no bound". They are
// copied and checked once: an [OptionError] names the field. "(c)" is for the
// dialling side only, "(s)" for the listening side.
type Options struct {
	// Name is told to the peer, who may show it and must not trust it. At most
	// 1 KiB.
	Name string
	// Wires are the wires spoken; nil is [Native] alone. A dialler speaks exactly
	// one. A server tells them apart by the first bytes: the first in this order
	// that takes them for its own has the client, so one that takes anything
	// (serpy1, line) stands last. With one wire alone nothing is told apart.
	// docs/wires.md says what each of them promises.
	Wires []protocol.Codec
	// SilentWire (s): a client of several Wires that is silent for this long is
	// taken for a speaker of the first of them on which a server may speak first,
	// which is not Native. 1 s, and less than HandshakeTimeout.
	SilentWire time.Duration
	// TLS is for tls:// addresses; nil is the system's roots (c), an error (s).
	TLS *tls.Config
	// Dial (c) is used instead of ours; it gets the address as it was given. A link
	// over its conn keeps a goroutine while it is idle, so that it notices if the conn
	// is closed by who made it.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// Authorize (s) is asked in the handshake, once a session, and again when
	// the TLS identity changed. The error's text goes to the peer, which gets
	// a RefusedError.
	Authorize func(ctx context.Context, p Peer) error
	// Transport holds socket options. Where all Wires carry one message a link
	// (npipes), named pipes are opened as those programs do: with PipeMessages
	// and PipeMeet.
	Transport transport.Options
	// SendQueue bounds what was accepted and not confirmed: 4096 messages and
	// 16 MiB, Block.
	SendQueue Queue
	// ReceiveQueue bounds what was received and not yet taken by Receive: 4096
	// messages and 16 MiB. Its Policy is Block alone: the peer is told how much
	// it may send, so the link goes on. To the bytes comes what a message of
	// MaxMessage needs in the making.
	ReceiveQueue Queue
	// MaxMessage bounds the payload of a message, both ways, in bytes; 16 MiB,
	// at most 1 GiB. It must fit both queues. Messages of up to 64 KiB are
	// always taken from the peer.
	MaxMessage int
	// MaxMemory (s) is one budget for the receive queues of all connections,
	// in bytes; new connections get a share of what is left. 256 MiB; a
	// connection never gets less than a message of MaxMessage needs. What ended
	// sessions left unread counts; while that alone is as much, new ones are busy.
	MaxMemory int64
	// AckWhen says when we confirm the peer's messages; OnReceipt.
	AckWhen AckWhen
	// Spin has who waits in Receive, SendAcked or Receipt.Wait ask the socket again
	// and again, for up to 20 µs, before it sleeps. Between two processors an answer
	// comes sooner by a multiple so: nobody has to be woken. It takes the processor
	// meanwhile, from the application's other goroutines too, and so it pauses for
	// longer and longer while it is in vain. Off by default. It does nothing over TLS
	// and pipes, on Windows, and while another goroutine waits for the link already.
	Spin bool
	// OnSessionLost (c) says what becomes of messages that were written and not
	// confirmed when a session is lost; Report.
	OnSessionLost SessionLostPolicy

	// Heartbeat is the longest silence of ours on an idle link; 5 s.
	Heartbeat time.Duration
	// IdleTimeout ends a link on which nothing was heard for so long; 3
	// heartbeats.
	IdleTimeout time.Duration
	// WriteStall ends a link that takes no byte for so long; 15 s.
	WriteStall time.Duration
	// DialTimeout (c) bounds one attempt to connect; 10 s.
	DialTimeout time.Duration
	// HandshakeTimeout bounds TLS and Hello together; 5 s.
	HandshakeTimeout time.Duration
	// SessionTimeout (s) is how long a session without a link is kept; 5 min.
	SessionTimeout time.Duration
	// CloseTimeout bounds Close; 3 s.
	CloseTimeout time.Duration

	// Reconnect (c) says when and how often to dial again.
	Reconnect Reconnect

	// MaxConnections (s) bounds the sessions; 10 000. Beyond it, and beyond the
	// bounds below, clients get a RefusedError rather than silence.
	MaxConnections int
	// MaxParked (s) bounds the sessions without a link; 1 000.
	MaxParked int
	// MaxHandshakes (s) bounds the links whose handshake is under way; 256. At the
	// bound the oldest of the address with most gives way: a *RefusedError in the event
	// Refused, and in the peer's Dial if it speaks the native wire already.
	MaxHandshakes int

	// Logger is told of what the events tell, and of what the peer did wrong.
	// Nil is silent.
	Logger *slog.Logger
}

// Queue bounds a queue; both bounds hold. A message larger than Bytes is
// ErrTooLarge. Bytes count what the messages take as encoded; memory is taken in
// slabs, of which one is filled at a time: up to 512 KiB come to it.
type Queue struct {
	Messages, Bytes int
	Policy          Policy
}

// Policy is what a send queue does at its bound. The dropping ones drop only
// messages that nobody waits for (Plain and Base85) and of which no byte was
// written; Acked messages wait, as under Block. Under a dropping policy the bounds
// hold twice: for what is not yet written, and for what is written and not
// confirmed. So {Messages: 1, Policy: KeepLatest} keeps one message on its way and
// the newest behind it.
type Policy uint8

const (
	// Block waits for room.
	Block Policy = iota
	// Fail returns ErrQueueFull.
	Fail
	// DropOldest drops the oldest message to make room.
	DropOldest
	// DropNewest drops the message that finds no room.
	DropNewest
	// KeepLatest drops the oldest message of the same Tag, or, if there is
	// none, the oldest of all.
	KeepLatest
)

func (p Policy) drops() bool { return p >= DropOldest }

func (p Policy) String() string {
	names := [...]string{"block", "fail", "drop-oldest", "drop-newest", "keep-latest"}
	if int(p) < len(names) {
		return names[p]
	}
	return "unknown"
}

// AckWhen says when a side confirms what it receives.
type AckWhen = protocol.AckWhen

const (
	// OnReceipt confirms when the message is in the receive queue.
	OnReceipt = protocol.OnReceipt
	// OnProcessed confirms when the application called Ack, Nack or Reply, or
	// Handle did it: every message needs one of them, or its sender stalls
	// (event SlowReader).
	OnProcessed = protocol.OnProcessed
)

// SessionLostPolicy says what becomes of messages that were written and not
// confirmed when a session is lost. Messages that a peer under OnProcessed has not
// processed are always sent again, flagged Redelivered.
type SessionLostPolicy uint8

const (
	// Report counts them in the event SessionLost; their receipts say
	// ErrUnconfirmed.
	Report SessionLostPolicy = iota
	// Resend sends them again in the next session, flagged Redelivered.
	Resend
)

// Reconnect says when and how often a dialled connection dials again. Delays are
// drawn evenly between nothing and a bound that grows from Min to Max.
type Reconnect struct {
	Off         bool // the first link loss ends the connection
	FirstDial   FirstDial
	Min, Max    time.Duration // 100 ms and 30 s
	StableAfter time.Duration // the bound is Min again after a link lived so long, or brought a message or its confirmation; 5 s
	GiveUpAfter time.Duration // without a link; 0: never
	MaxAttempts int           // in a row; 0: no bound
}

// FirstDial says what Dial does while there has been no link.
type FirstDial uint8

const (
	// FailFast returns the first failure.
	FailFast FirstDial = iota
	// RetryUntilDone tries until Dial's ctx ends.
	RetryUntilDone
	// InBackground returns at once; sends queue.
	InBackground
)

// Native is the wire of SPEC.md.
var Native protocol.Codec = protocol.Native{}

// Defaults of Options.
const (
	defaultMessages   = 4096
	defaultBytes      = 16 << 20
	defaultMaxMessage = 16 << 20
	defaultMaxMemory  = 256 << 20
	maxQueueBytes     = 1 << 30
	maxQueueMessages  = 4 << 20
)

// withDefaults is a checked copy.
func (o *Options) withDefaults() (*Options, error) {
	var c Options
	if o != nil {
		c = *o
	}
	c.TLS = cloneTLS(c.TLS)
	if c.Wires == nil {
		c.Wires = []protocol.Codec{Native}
	}
	if len(c.Wires) == 0 {
		return nil, &OptionError{"Wires", c.Wires, "nil is Native; an empty list leaves nothing to speak"}
	}
	if len(c.Name) > protocol.MaxText {
		return nil, &OptionError{"Name", len(c.Name), "at most 1024 bytes"}
	}
	for _, d := range []struct {
		v    *time.Duration
		zero time.Duration
	}{
		{&c.SilentWire, time.Second},
		{&c.Heartbeat, 5 * time.Second},
		{&c.WriteStall, 15 * time.Second},
		{&c.DialTimeout, 10 * time.Second},
		{&c.HandshakeTimeout, 5 * time.Second},
		{&c.SessionTimeout, 5 * time.Minute},
		{&c.CloseTimeout, 3 * time.Second},
		{&c.Reconnect.Min, 100 * time.Millisecond},
		{&c.Reconnect.Max, 30 * time.Second},
		{&c.Reconnect.StableAfter, 5 * time.Second},
		{&c.Reconnect.GiveUpAfter, off},
	} {
		setDefault(d.v, d.zero, off)
	}
	setDefault(&c.IdleTimeout, idleDefault(c.Heartbeat), off)
	for _, n := range []struct {
		v    *int
		zero int
		most int
	}{
		{&c.MaxMessage, defaultMaxMessage, maxQueueBytes},
		{&c.MaxConnections, 10_000, math.MaxInt32},
		{&c.MaxParked, 1_000, math.MaxInt32},
		{&c.MaxHandshakes, 256, math.MaxInt32},
		{&c.Reconnect.MaxAttempts, math.MaxInt32, math.MaxInt32},
	} {
		setDefault(n.v, n.zero, n.most)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	setDefault(&c.MaxMemory, defaultMaxMemory, math.MaxInt64)
	return &c, c.check()
}

// dialled is what Dial was given last, and what came of it: a process that dials ten
// thousand times with the same options holds them once.
var dialled atomic.Pointer[struct {
	given Options
	made  *Options
}]

// forDial is withDefaults for Dial. What it gives may be shared, and never changes.
func (o *Options) forDial() (*Options, error) {
	if o == nil {
		o = &Options{}
	}
	if o.Wires != nil || o.TLS != nil || o.Dial != nil || o.Authorize != nil {
		return o.withDefaults() // those cannot be compared, or are not worth it
	}
	last := dialled.Load()
	if last != nil && last.given.Logger == o.Logger && reflect.DeepEqual(&last.given, o) {
		return last.made, nil
	}
	made, err := o.withDefaults()
	if err == nil {
		dialled.Store(&struct {
			given Options
			made  *Options
		}{*o, made})
	}
	return made, err
}

// off is a duration that no timer reaches.
const off = time.Duration(math.MaxInt64)

func idleDefault(heartbeat time.Duration) time.Duration {
	if heartbeat >= off/3 {
		return off
	}
	return 3 * heartbeat
}

func setDefault[T ~int | ~int64](v *T, zero, negative T) {
	switch {
	case *v == 0:
		*v = zero
	case *v < 0:
		*v = negative
	}
}

func cloneTLS(c *tls.Config) *tls.Config {
	if c == nil {
		return nil
	}
	return c.Clone()
}

func (o *Options) check() error {
	names := make(map[string]bool)
	for _, w := range o.Wires {
		switch {
		case w == nil:
			return &OptionError{"Wires", o.Wires, "a wire is nil"}
		case names[w.Name()]:
			return &OptionError{"Wires", w.Name(), "a wire is there twice: the second would never be chosen"}
		}
		names[w.Name()] = true
		if err := checkWire(w); err != nil {
			return err
		}
	}
	o.meetAtPipes()
	if o.MaxMessage > maxQueueBytes {
		return &OptionError{"MaxMessage", o.MaxMessage, "at most 1 GiB"}
	}
	if err := o.SendQueue.withDefaults("SendQueue", o.MaxMessage); err != nil {
		return err
	}
	if err := o.ReceiveQueue.withDefaults("ReceiveQueue", o.MaxMessage); err != nil {
		return err
	}
	switch {
	case o.ReceiveQueue.Policy != Block:
		return &OptionError{"ReceiveQueue.Policy", o.ReceiveQueue.Policy, "only Block: let the sender drop, it knows what is stale"}
	case o.AckWhen > OnProcessed:
		return &OptionError{"AckWhen", o.AckWhen, "OnReceipt or OnProcessed"}
	case o.OnSessionLost > Resend:
		return &OptionError{"OnSessionLost", o.OnSessionLost, "Report or Resend"}
	case o.Reconnect.FirstDial > InBackground:
		return &OptionError{"Reconnect.FirstDial", o.Reconnect.FirstDial, "FailFast, RetryUntilDone or InBackground"}
	case o.Reconnect.Max < o.Reconnect.Min:
		return &OptionError{"Reconnect.Max", o.Reconnect.Max, "less than Reconnect.Min"}
	case o.Heartbeat < 20*time.Millisecond:
		return &OptionError{"Heartbeat", o.Heartbeat, "at least 20 ms"}
	case o.IdleTimeout < o.Heartbeat && o.Heartbeat != off:
		return &OptionError{"IdleTimeout", o.IdleTimeout, "less than Heartbeat: a healthy idle link would be cut"}
	}
	if bad, ok := errors.AsType[*transport.OptionError](o.Transport.Validate()); ok {
		return &OptionError{"Transport." + bad.Field, bad.Value, bad.Err.Error()}
	}
	return nil
}

// withDefaults fills in and checks a queue; the bytes that are not given grow with
// the largest message.
func (q *Queue) withDefaults(field string, maxMessage int) error {
	setDefault(&q.Messages, defaultMessages, maxQueueMessages)
	setDefault(&q.Bytes, max(defaultBytes, maxMessage), maxQueueBytes)
	switch {
	case q.Policy > KeepLatest:
		return &OptionError{field + ".Policy", q.Policy, "Block, Fail, DropOldest, DropNewest or KeepLatest"}
	case q.Messages > maxQueueMessages:
		return &OptionError{field + ".Messages", q.Messages, "at most 4 Mi messages"}
	case q.Bytes > maxQueueBytes:
		return &OptionError{field + ".Bytes", q.Bytes, "at most 1 GiB"}
	case q.Bytes < maxMessage:
		return &OptionError{field + ".Bytes", q.Bytes, "less than MaxMessage: set that too"}
	}
	return nil
}
