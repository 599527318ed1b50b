package serpytest

import (
	"errors"

	"github.com/serpy-go/serpy"
)

// Facts in serpy's own terms.

// Returned takes down what the send said: Accepted for nil, Refused for an
// error, and neither for serpy.ErrUnconfirmed, after which the message may
// arrive.
func (s *Sent) Returned(err error) {
	switch {
	case err == nil:
		s.Accepted()
	case !errors.Is(err, serpy.ErrUnconfirmed):
		s.Refused()
	}
}

// Resolved takes down what a Receipt said. An error that is neither a
// *serpy.NackError nor serpy.ErrUnconfirmed is the Wait's, not the receipt's, and no fact.
func (s *Sent) Resolved(err error) {
	var nack *serpy.NackError
	switch {
	case err == nil:
		s.Confirmed()
	case errors.As(err, &nack):
		s.Nacked()
	case errors.Is(err, serpy.ErrUnconfirmed):
		s.Unconfirmed()
	}
}

// ReceivedMessage is Received of a message as Receive returned it.
func (h *History) ReceivedMessage(key uint64, m serpy.Message) {
	r := Reception{Key: key, Payload: m.Data, ID: m.ID, Redelivered: m.Redelivered}
	if m.Gap != nil {
		r.Gap = &Gap{
			First: m.Gap.First, Last: m.Gap.Last, Count: m.Gap.Count,
			WithSession: m.Gap.Reason == serpy.LostWithSession,
		}
	}
	h.Received(r)
}

// Happened takes down what an event of the sender's connection says of its
// messages: sessions that were lost. Others are no facts.
func (h *History) Happened(e serpy.Event) {
	if e, ok := e.(serpy.SessionLost); ok {
		h.SessionLost(uint64(max(e.Unconfirmed, e.Undelivered, 0)))
	}
}
