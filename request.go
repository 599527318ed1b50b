package serpy

import (
	"bytes"
	"context"

	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/base85"
)

// A request is a question under way.
type request struct {
	ch  chan struct{} // capacity 1: see answer and err
	id  uint64        // of the message; 0: not accepted yet
	m   Message
	err error
}

// Request sends m and waits for its Reply, which Receive does not see. A Nack of the
// peer's application is a NackError. Where the session is lost after the request
// was written, nobody can answer any more: that is ErrUnconfirmed. The end of ctx
// ends the wait; a reply that comes later is dropped.
//
// A handler that asks its own peer in turn, while that peer's handler waits for it,
// waits for ever: give such calls a deadline.
func (c *Connection) Request(ctx context.Context, m Message) (Message, error) {
	if !c.caps.Correlates {
		return Message{}, opError("request", ErrUnsupported)
	}
	r := &request{ch: make(chan struct{}, 1)}
	c.mu.Lock()
	c.nextReq++
	number := c.nextReq
	if c.requests == nil {
		c.requests = make(map[uint64]*request)
	}
	c.requests[number] = r
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.requests, number)
		c.mu.Unlock()
	}()
	m.role, m.correlation = protocol.Request, number
	receipt, err := c.send(ctx, &m, true, "request")
	if err != nil {
		return Message{}, err
	}
	c.mu.Lock()
	r.id = receipt.id
	ended := c.ended
	if n, why := c.nacks.lostIn(r.id, r.id); n > 0 { // meanwhile: nobody will answer
		r.err, ended = unconfirmed(why), true
	}
	c.hurry()
	if ended {
		poke(r.ch)
	}
	c.callReader()
	select {
	case <-r.ch:
	case <-ctx.Done():
		return Message{}, opError("request", ctx.Err())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case r.err != nil:
		return Message{}, opError("request", r.err)
	case r.m.Data == nil:
		return Message{}, opError("request", unconfirmed(c.endError()))
	}
	return r.m, nil
}

// failRequests ends the requests that nobody will answer: those that were written in
// a session that is lost, or all at the end. c.mu is held.
func (c *Connection) failRequests(err error) {
	for _, r := range c.requests {
		if r.m.Data == nil && (c.ended || r.id != 0 && r.id <= c.resolved.Load()) {
			r.err = unconfirmed(err)
			poke(r.ch)
		}
	}
}

// answer gives a reply to who waits for it.
func (c *Connection) answer(m *Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.requests[m.correlation]
	if r == nil || r.m.Data != nil || r.err != nil {
		return // given up, or answered twice
	}
	if m.role == protocol.Failure {
		r.err = &NackError{Reason: string(m.Data)}
	}
	r.m = *m
	r.m.role, r.m.correlation = protocol.Ordinary, 0
	poke(r.ch)
}

// fail answers a request with the reason why it was refused. It waits for room, at
// most until the connection ends.
func (c *Connection) fail(m *Message, reason string) {
	r := Message{Data: []byte(protocol.Clip(reason)), Type: Text, role: protocol.Failure, correlation: m.correlation}
	_, _ = c.send(context.Background(), &r, true, "nack") // it ends with the connection, and then nobody waits
}

// A replyMaker puts replies together as the reader sees them. What is malformed is
// left to the receive queue, which sees it too.
type replyMaker struct {
	on    bool
	meta  protocol.Meta
	flags protocol.UnitFlags
	data  []byte
}

// collect finds the replies in a run.
func (a *replyMaker) collect(run []byte, into []Message) []Message {
	for len(run) > 0 {
		u, rest, err := protocol.NextUnit(run)
		if err != nil {
			return into
		}
		run = rest
		if u.Flags&protocol.UnitContinued == 0 {
			*a = replyMaker{}
			if u.Meta == nil {
				continue
			}
			meta, err := protocol.DecodeMeta(u.Meta)
			if err != nil || meta.Role < protocol.Reply {
				continue
			}
			meta.Header = bytes.Clone(meta.Header) // the next fragment may be in another chunk
			*a = replyMaker{on: true, meta: meta, flags: u.Flags}
		}
		if !a.on || a.meta.Size > 0 && len(a.data)+len(u.Payload) > a.meta.Size {
			*a = replyMaker{}
			continue
		}
		a.data = appendGrowing(a.data, u.Payload, max(a.meta.Size, len(u.Payload)))
		if u.Flags&protocol.UnitMore != 0 {
			continue
		}
		if m, ok := a.message(); ok {
			into = append(into, m)
		}
		*a = replyMaker{}
	}
	return into
}

func (a *replyMaker) message() (m Message, ok bool) {
	m = Message{Data: a.data, Mode: protocol.ModeOf(a.flags)}
	if a.flags&protocol.UnitBase85 != 0 {
		data, err := base85.DecodeInPlace(a.data)
		if err != nil {
			return m, false
		}
		m.Data = data
	}
	if m.Data == nil {
		m.Data = []byte{}
	}
	m.Data = bytes.Clone(m.Data)
	if m.Data == nil {
		m.Data = []byte{}
	}
	return m, m.setMeta(&a.meta) == nil
}
