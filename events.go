package serpy

import (
	"fmt"
	"time"
)

// An Event is one of the types below: what happened to a connection. Totals count
// since its birth, so that a reader who missed some events still has the sums.
type Event interface{ isEvent() }

// The events.
type (
	// Connected says that a link is up.
	Connected struct {
		At       time.Time
		Resumed  bool // the session went on; false: it is new
		Replayed int  // units sent again because the old link may have lost them
		Peer     Peer
	}
	// Disconnected says that the link is down.
	Disconnected struct {
		At  time.Time
		Err error // *LinkError or *ProtocolError
	}
	// Reconnecting says that the next attempt to dial is Delay away.
	Reconnecting struct {
		Attempt int
		Delay   time.Duration
		Err     error // of the last attempt
	}
	// SessionLost says that the peer does not have our session any more. A dialled
	// connection goes on with a new one.
	SessionLost struct {
		Unconfirmed int // our messages that were written and not confirmed
		Undelivered int // of them those that the peer's application had not taken, as far as it said
		Total       uint64
		Err         error
	}
	// MessageGap says that messages are missing; the same Gap stands in the stream, in
	// Message.Gap.
	MessageGap struct {
		Gap
		Total uint64
	}
	// Nacked says that the peer's application refused a message; for senders who keep
	// no receipt.
	Nacked struct {
		ID     uint64
		Reason string
		Total  uint64
	}
	// SlowPeer says that our send queue is full.
	SlowPeer struct {
		Queue struct{ Messages, Bytes int }
	}
	// SlowReader says that our application does not Receive, or does not Ack.
	SlowReader struct {
		Waiting, Unacked int
		Oldest           time.Duration
	}
	// WireFault says that bad input was dropped; the link lives.
	WireFault struct{ Err error }
	// Refused says that a handshake with this server failed or was turned away.
	Refused struct {
		Addr string
		Err  error
	}
	// Closed is the last event; Err is as of Connection.Err.
	Closed struct{ Err error }
)

// A linkUp is a Connected as it is kept: every connection keeps one, and its peer once.
type linkUp struct {
	at       time.Time
	resumed  bool
	replayed int
	peer     *Peer
}

// shown is the event as others see it.
func shown(e Event) Event {
	if up, ok := e.(linkUp); ok {
		return up.event()
	}
	return e
}

func (e linkUp) event() Connected {
	return Connected{At: e.at, Resumed: e.resumed, Replayed: e.replayed, Peer: *e.peer}
}

func (linkUp) isEvent()       {}
func (Connected) isEvent()    {}
func (Disconnected) isEvent() {}
func (Reconnecting) isEvent() {}
func (SessionLost) isEvent()  {}
func (MessageGap) isEvent()   {}
func (Nacked) isEvent()       {}
func (SlowPeer) isEvent()     {}
func (SlowReader) isEvent()   {}
func (WireFault) isEvent()    {}
func (Refused) isEvent()      {}
func (Closed) isEvent()       {}

func (e linkUp) String() string { return e.event().String() }

func (e Connected) String() string {
	if e.Resumed {
		return fmt.Sprintf("connected again to %s, %d units sent again", e.Peer.Address, e.Replayed)
	}
	return "connected to " + e.Peer.Address
}
func (e Disconnected) String() string { return fmt.Sprintf("disconnected: %v", e.Err) }
func (e Reconnecting) String() string {
	return fmt.Sprintf("attempt %d in %v: %v", e.Attempt, e.Delay.Round(time.Millisecond), e.Err)
}

func (e SessionLost) String() string {
	return fmt.Sprintf("session lost, %d messages unconfirmed: %v", e.Unconfirmed, e.Err)
}
func (e MessageGap) String() string { return e.Gap.String() }
func (e Nacked) String() string {
	return fmt.Sprintf("message %d refused: %s", e.ID, e.Reason)
}

func (e SlowPeer) String() string {
	return fmt.Sprintf("the peer is slow: %d messages, %d bytes wait", e.Queue.Messages, e.Queue.Bytes)
}

func (e SlowReader) String() string {
	return fmt.Sprintf("the application is slow: %d messages wait, %d are not acknowledged", e.Waiting, e.Unacked)
}
func (e WireFault) String() string { return fmt.Sprintf("bad input dropped: %v", e.Err) }
func (e Refused) String() string   { return fmt.Sprintf("%s refused: %v", e.Addr, e.Err) }
func (e Closed) String() string {
	if e.Err == nil {
		return "closed"
	}
	return fmt.Sprintf("closed: %v", e.Err)
}
