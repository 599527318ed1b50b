package session

import (
	"time"

	"github.com/serpy-go/serpy/protocol"
)

// control is what has to be said beside the messages. Each kind is kept once, so
// that a flood of questions costs one answer.
type control struct {
	saidAt time.Time // when we wrote last
	lastAt time.Time // the last time that we were told
	ping   bool
	pong   *protocol.Pong
	nacks  []protocol.Nack // to be said on this link
	seen   []protocol.Nack // to be confirmed; reasons are left out
	close  *protocol.Close
	closed bool // Close was written on this link
}

func (c *control) linkUp(now time.Time, nacks []refusal) {
	c.saidAt, c.lastAt = now, now
	c.ping, c.pong, c.seen, c.closed = false, nil, nil, false
	c.nacks = nil
	for _, n := range nacks {
		c.nacks = append(c.nacks, n.Nack)
	}
}

func (c *control) linkDown() { c.ping, c.pong, c.seen, c.nacks = false, nil, nil, nil }

// maxNackBody bounds the nacks of one frame, in bytes, and maxNackHead what is
// before the reason of one.
const (
	maxNackBody = 32 << 10
	maxNackHead = 12
)

// NextControl gives the next frame that has to be said beside the messages; the
// caller asks until there is none. A bare acknowledgement is among them only if it
// is due, so the caller writes data first.
func (s *Session) NextControl(now time.Time) (f protocol.Frame, ok bool) {
	c := &s.ctl
	if !s.up || c.closed {
		return f, false
	}
	var kind protocol.Kind
	var body []byte
	switch {
	case len(c.seen) > 0:
		kind = protocol.KindSeen
		body, c.seen = nackBody(c.seen)
	case len(c.nacks) > 0:
		kind = protocol.KindNack
		body, c.nacks = nackBody(c.nacks)
	case c.pong != nil:
		c.pong.Answered = now.UnixNano()
		kind, body = protocol.KindPong, protocol.AppendPong(nil, *c.pong)
		c.pong = nil
	case c.ping:
		kind, body = protocol.KindPing, protocol.AppendPing(nil, protocol.Ping{Sent: now.UnixNano()})
		c.ping = false
	default:
		return f, false
	}
	f = s.Head(now, kind, 0, 0)
	f.Body = body
	return f, true
}

// ControlDue reports whether NextControl has something.
func (s *Session) ControlDue() bool {
	c := &s.ctl
	return s.up && !c.closed && (len(c.seen) > 0 || len(c.nacks) > 0 || c.pong != nil || c.ping)
}

// CloseDue reports whether NextClose has something.
func (s *Session) CloseDue() bool { return s.up && s.ctl.close != nil && !s.ctl.closed }

// nackBody puts as many nacks into a body as fit, and gives the rest.
func nackBody(nacks []protocol.Nack) (body []byte, rest []protocol.Nack) {
	for len(nacks) > 0 && len(body) < maxNackBody {
		body = protocol.AppendNack(body, nacks[0])
		nacks = nacks[1:]
	}
	return body, nacks
}

// Close says that the session ends; NextClose gives the frame, on this link and on
// every later one.
func (s *Session) Close(code protocol.Code, reason string) {
	if s.ctl.close == nil {
		s.ctl.close = &protocol.Close{Code: code, Reason: reason}
	}
}

// NextClose gives the frame that ends the session, once a link, after everything
// else was said: nothing may follow it. Its numbers are final, so what still comes
// on the link is not received. It lists the nacks that the peer may not know, so
// that its processed number passes them; no other number may, so a session must
// not link up again after it read a Close.
func (s *Session) NextClose(now time.Time) (f protocol.Frame, ok bool) {
	c := &s.ctl
	if !s.up || c.close == nil || c.closed {
		return f, false
	}
	f = s.Head(now, protocol.KindClose, 0, 0)
	c.close.Nacks, f.Processed = s.lastNacks()
	f.Body = protocol.AppendClose(nil, *c.close)
	c.closed = true
	return f, true
}

// Accuse gives the Close that ends a link, and not the session, because the peer
// broke a rule: nothing may follow it on the link. Its numbers are as those of any
// head, not final, and it lists no nacks.
func (s *Session) Accuse(now time.Time, reason string) (f protocol.Frame) {
	f = s.Head(now, protocol.KindClose, 0, 0)
	f.Body = protocol.AppendClose(nil, protocol.Close{Code: protocol.CodeProtocol, Reason: protocol.Clip(reason)})
	s.ctl.closed = true
	return f
}

// lastNacks is what a Close lists, as far as there is room, and the processed
// number that passes those.
func (s *Session) lastNacks() (nacks []protocol.Nack, processed uint64) {
	in := &s.in
	if s.cfg.AckWhen != protocol.OnProcessed {
		return nil, 0
	}
	size := 0
	for _, n := range in.nacks {
		if size += len(n.Reason) + maxNackHead; size > maxNackBody {
			return nacks, min(in.processed, n.Unit-1)
		}
		nacks = append(nacks, n.Nack)
	}
	return nacks, in.processed
}

// A Verdict says what a frame changed.
type Verdict struct {
	Confirmed bool            // Resolved or Confirmed moved
	Units     bool            // units were received: f.Body is the caller's to queue
	Blob      bool            // the frame is a blob's
	Control   bool            // NextControl has something
	Nacks     []protocol.Nack // refused, and not yet told: record them before Confirmed
	Pong      *protocol.Pong  // for the round trip and the clocks
	Close     *protocol.Close // the peer ended the session
	Fault     error           // of a wire that counts: what the peer said and is ignored
}

// HandleFrame takes a frame that the link brought. An error is a rule of the wire
// that the peer broke: the link has to end.
func (s *Session) HandleFrame(now time.Time, f *protocol.Frame) (v Verdict, err error) {
	if lane := laneOf(f.Kind); f.Lane != lane {
		return v, protocol.Errorf("3.6", "a %v frame of lane %d", f.Kind, f.Lane)
	}
	if f.Kind == protocol.KindHello || f.Kind == protocol.KindRefuse {
		return v, protocol.Errorf("5", "a %v frame on an open link", f.Kind)
	}
	received, processed := s.out.received, s.out.processed
	if err := s.handleNumbers(f); err != nil {
		return v, err
	}
	v.Confirmed = s.out.received != received || s.out.processed != processed
	if s.ctl.closed && f.Kind != protocol.KindClose {
		return v, nil // our numbers were final: nothing is received any more
	}
	if f.Kind == protocol.KindBlob {
		v.Blob = true
	} else if f.Kind == protocol.KindData {
		if err := s.handleUnits(now, f); err != nil {
			return v, err
		}
		v.Units = f.Count > 0
	} else if err := s.handleControl(now, f, &v, processed); err != nil {
		return v, err
	}
	return v, nil
}

func (s *Session) handleControl(now time.Time, f *protocol.Frame, v *Verdict, was uint64) error {
	c := &s.ctl
	switch f.Kind {
	case protocol.KindPing:
		p, err := protocol.DecodePing(f.Body)
		if err != nil {
			return err
		}
		c.pong = &protocol.Pong{Sent: p.Sent, Received: now.UnixNano()}
		v.Control = true
	case protocol.KindPong:
		p, err := protocol.DecodePong(f.Body)
		if err != nil {
			return err
		}
		v.Pong = &p
	case protocol.KindNack:
		return s.handleNack(f, v)
	case protocol.KindSeen:
		nacks, err := protocol.DecodeNacks(f.Body)
		if err != nil {
			return err
		}
		s.seen(nacks)
		v.Control = s.processedDue() || s.limitDue()
	case protocol.KindClose:
		p, err := protocol.DecodeClose(f.Body)
		if err != nil {
			return err
		}
		for _, n := range p.Nacks {
			if p.Code != protocol.CodeProtocol && n.Unit > was && n.Unit <= s.out.received {
				v.Nacks = append(v.Nacks, n)
			}
		}
		v.Close = &p
	case protocol.KindData, protocol.KindBlob, protocol.KindHello, protocol.KindRefuse, protocol.KindAnswer:
		return protocol.Errorf("5", "a %v frame on an open link", f.Kind)
	}
	return nil
}

func (s *Session) handleNack(f *protocol.Frame, v *Verdict) error {
	nacks, err := protocol.DecodeNacks(f.Body)
	if err != nil {
		return err
	}
	o, c := &s.out, &s.ctl
	if o.ackWhen != protocol.OnProcessed {
		return protocol.Errorf("5.4", "a peer that acknowledges on receipt refuses a unit")
	}
	for _, n := range nacks {
		switch {
		case n.Unit > o.received:
			return protocol.Errorf("5.4", "unit %d is refused, and only %d were received", n.Unit, o.received)
		case n.Unit <= o.processed:
			return protocol.Errorf("5.4", "unit %d is refused, and %d were processed", n.Unit, o.processed)
		case uint64(len(c.seen)) >= o.received-o.processed:
			// More than there are units: this bounds what is kept.
			return protocol.Errorf("5.4", "unit %d is refused again on one link", n.Unit)
		}
		v.Nacks = append(v.Nacks, n)
		c.seen = append(c.seen, protocol.Nack{Unit: n.Unit})
	}
	v.Control = true
	return nil
}

// Deadline is when HandleTimeout wants to be called, if at all.
func (s *Session) Deadline() (t time.Time, ok bool) {
	if !s.up || s.ctl.closed {
		return t, false
	}
	if s.cfg.Heartbeat > 0 && !s.ctl.ping {
		t, ok = s.ctl.saidAt.Add(s.cfg.Heartbeat), true
	}
	if from := s.in.ackFrom; !from.IsZero() {
		if ack := from.Add(AckDelay); !ok || ack.Before(t) {
			t, ok = ack, true
		}
	}
	return t, ok
}

// HandleTimeout looks at the clock: it may be called at any time, and then
// NextControl and AckDue say what has to be written. Where the wall clock moved by
// a heartbeat more or less than the monotonic one, the machine slept or was set:
// then it asks at once whether the peer is there.
func (s *Session) HandleTimeout(now time.Time) {
	c := &s.ctl
	if !s.up || s.cfg.Heartbeat <= 0 {
		return
	}
	monotonic := now.Sub(c.lastAt)
	wall := now.Round(0).Sub(c.lastAt.Round(0))
	c.lastAt = now
	slept := (wall - monotonic).Abs() >= s.cfg.Heartbeat
	if slept || now.Sub(c.saidAt) >= s.cfg.Heartbeat {
		c.ping = true
	}
}
