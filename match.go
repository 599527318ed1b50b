package serpy

import (
	"context"
	"errors"
	"net"
	"os"
	"time"

	"github.com/serpy-go/serpy/internal/session"
	"github.com/serpy-go/serpy/protocol"
)

// errNoWire says that a peer began like none of our wires.
var errNoWire = errors.New("the peer's first bytes are of no wire of this server")

// match finds out which of a server's wires a client speaks, and gives what it read
// for that. Where there is one alone nothing is read. The first in Options.Wires that
// says yes has it; while one before it needs more bytes, more are waited for. A client
// that says nothing for SilentWire is taken for one that waits for us to begin.
func (s *Server) match(conn net.Conn) (codec protocol.Codec, in readBuffer, err error) {
	wires := s.opt.Wires
	if len(wires) == 1 {
		return wires[0], in, nil
	}
	silent := firstForeign(wires)
	if silent != nil && silent.Caps().OneMessage {
		in.chunk = newChunk(packet)
	}
	until := deadlineIn(s.opt.HandshakeTimeout)
	if silent != nil && s.opt.SilentWire < off {
		_ = conn.SetReadDeadline(time.Now().Add(s.opt.SilentWire))
	}
	for {
		n, err := conn.Read(in.space())
		if in.filled += n; n == 0 {
			return s.matchNothing(conn, in, silent, until, err)
		}
		_ = conn.SetReadDeadline(until)
		codec, more := judge(wires, in.waiting())
		switch {
		case codec != nil:
			return codec, in, nil
		case !more && hasNative(wires):
			return Native, in, nil // which knows how to say what came instead
		case !more, in.filled >= maxHello:
			in.close()
			return nil, in, &LinkError{Op: "handshake", Addr: addrString(conn), Err: errNoWire}
		}
	}
}

// matchNothing judges a read without bytes: the silence of a client that waits for us,
// or the end.
func (s *Server) matchNothing(conn net.Conn, in readBuffer, silent protocol.Codec, until time.Time, err error) (protocol.Codec, readBuffer, error) {
	if in.filled == 0 && silent != nil && errors.Is(err, os.ErrDeadlineExceeded) && (until.IsZero() || time.Now().Before(until)) {
		return silent, in, nil
	}
	in.close()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = errNoHello
	}
	return nil, in, &LinkError{Op: "handshake", Addr: addrString(conn), Err: err}
}

// judge asks the wires in turn. more says that one of them cannot tell yet.
func judge(wires []protocol.Codec, first []byte) (codec protocol.Codec, more bool) {
	for _, w := range wires {
		switch w.Match(first) {
		case protocol.Yes:
			return w, false
		case protocol.More:
			return nil, true
		case protocol.No:
		}
	}
	return nil, false
}

// firstForeign is the first wire on which a server may speak first; nil: there is none.
func firstForeign(wires []protocol.Codec) protocol.Codec {
	for _, w := range wires {
		if !w.Caps().Resume {
			return w
		}
	}
	return nil
}

func hasNative(wires []protocol.Codec) bool {
	for _, w := range wires {
		if w.Name() == Native.Name() {
			return true
		}
	}
	return false
}

// openForeign makes the connection of a client whose wire has no Hello: each link is a
// session.
func (s *Server) openForeign(h *handshake, l *link) (*Connection, error) {
	id := newID()
	l.number = 1
	*l.hello = protocol.Hello{MinVersion: protocol.Version, MaxVersion: protocol.Version, Session: id, Secret: newID(), Link: l.number}
	if err := s.roomFor(id); err != nil {
		return nil, err
	}
	s.mu.Lock()
	d := s.registry.Open(time.Now(), l.hello, newID(), clientIdentity(l.peer), h.addr)
	s.mu.Unlock()
	if d.Outcome != session.Opened {
		return nil, &turnedAway{&d.Refuse}
	}
	c, err := s.newForeign(l, id)
	if err != nil {
		s.mu.Lock()
		s.registry.Remove(id)
		s.mu.Unlock()
		return nil, err
	}
	_ = l.conn.SetDeadline(time.Time{})
	l.c = c
	if err := c.attachLink(l); err != nil { // the server is going away
		c.finish(err, err)
		return nil, err
	}
	poke(s.incoming)
	s.readable()
	return c, nil
}

// newForeign asks whether the client may come, and lists its connection.
func (s *Server) newForeign(l *link, id protocol.ID) (*Connection, error) {
	if s.opt.Authorize != nil {
		ctx, cancel := context.WithTimeout(context.Background(), min(s.opt.HandshakeTimeout, 24*time.Hour))
		err := s.opt.Authorize(ctx, *l.peer)
		cancel()
		if err != nil {
			return nil, turnAway(protocol.CodeRefused, err.Error())
		}
	}
	c := newConnection(s.opt, s, "", l.codec)
	c.newSession(id, protocol.ID{}, 0)
	c.peer = l.peer
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		s.granted -= int64(c.rq.maxBytes) //nolint:gosec // bounded by the options
		return nil, turnAway(protocol.CodeGoingAway, "the server goes away")
	}
	s.list(c, id)
	return c, nil
}

// list takes a new connection into the server's lists. s.mu is held.
func (s *Server) list(c *Connection, id protocol.ID) {
	s.conns[id] = c
	s.order.add(c)
	s.waiting = append(s.waiting, c)
	s.counts.Accepted++
}
