package serpy

import (
	"bytes"
	"context"
	"slices"

	"github.com/serpy-go/serpy/internal/session"
	"github.com/serpy-go/serpy/protocol"
)

// Broadcast queues m for every connection but those excepted. It never waits: a peer
// without room misses it and finds a Gap in its place, or what its queue's Policy
// drops for it. missed is how many peers do; err says that m itself cannot be sent.
// Where a wire has no acknowledgements, an acked m goes as a plain one; what it cannot
// carry as it is goes as base85. A peer whose wire cannot carry m at all misses it.
func (s *Server) Broadcast(m Message, except ...*Connection) (missed int, err error) {
	w, err := s.encodeShared(&m)
	if err != nil {
		return 0, opError("broadcast", err)
	}
	for _, c := range s.peers() {
		if slices.Contains(except, c) {
			continue
		}
		if had, _ := c.cast(c.formOf(w), false); !had {
			missed++
		}
	}
	return missed, nil
}

// BroadcastWait is Broadcast that loses nothing: at peers whose Policy is Block it
// waits, within ctx, for room. The others have m when the slow one is waited for. A
// peer that takes no messages of m's size finds a Gap.
func (s *Server) BroadcastWait(ctx context.Context, m Message, except ...*Connection) error {
	if err := ctx.Err(); err != nil {
		return opError("broadcast", err)
	}
	w, err := s.encodeShared(&m)
	if err != nil {
		return opError("broadcast", err)
	}
	var slow []*Connection
	var forms []*wireMessage
	for _, c := range s.peers() {
		if slices.Contains(except, c) {
			continue
		}
		form := c.formOf(w)
		if _, full := c.cast(form, true); full {
			slow, forms = append(slow, c), append(forms, form)
		}
	}
	for i, c := range slow {
		form := *forms[i]
		if _, err := c.admit(ctx, &form, true); err != nil && ctx.Err() != nil {
			return opError("broadcast", err)
		}
	}
	return nil
}

// peers are the connections that are there now. Nobody may write to the list.
func (s *Server) peers() []*Connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.order.all()
}

// encodeShared encodes a message for all connections, in its own mode.
func (s *Server) encodeShared(m *Message) (*shared, error) {
	if !m.Mode.Valid() {
		return nil, &OptionError{"Message.Mode", m.Mode, "not one of the four modes"}
	}
	if len(m.Data) > s.opt.MaxMessage || len(m.Data) > s.opt.SendQueue.Bytes {
		return nil, ErrTooLarge
	}
	all := &shared{m: *m}
	all.m.role, all.m.correlation = protocol.Ordinary, 0
	w := &all.own
	all.forms[m.Mode] = w
	if err := w.encode(&all.m); err != nil {
		return nil, err
	}
	switch {
	case len(w.payload) <= protocol.FragmentSize:
		s.casts.add(w)
	case !w.owned:
		w.payload, w.owned = bytes.Clone(w.payload), true
	}
	return all, nil
}

// encodeWhole encodes a message into memory that nobody else writes to.
func encodeWhole(m *Message) (w wireMessage, err error) {
	if err := w.encode(m); err != nil {
		return w, err
	}
	if !w.owned {
		w.payload, w.owned = bytes.Clone(w.payload), true
	}
	return w, nil
}

// cast queues a shared message without waiting. Where that drops one, or where the
// peer or its wire (w is nil) takes none such, it leaves a gap and says that the peer did not have
// all. Without room it leaves a gap, or says full if the caller would wait for room and
// the policy is Block.
func (c *Connection) cast(w *wireMessage, wait bool) (had, full bool) {
	c.mu.Lock()
	if had = c.castSmall(w); !had {
		had, full = c.castAny(w, wait)
	}
	c.mu.Unlock()
	return had, full
}

// castSmall is the way of nearly all that is cast: what stands in a castMemory, where
// there is room and nothing else is to be done. c.mu is held.
func (c *Connection) castSmall(w *wireMessage) bool {
	if w == nil || w.unit == nil || !c.fits(len(w.unit)) {
		return false
	}
	c.q.addShared(w)
	c.q.accepted++
	c.q.messages++
	if len(c.rooms) > 0 {
		c.passed++
	}
	if l := c.link; l == nil || !l.writing { // who writes looks again
		c.kick()
	}
	return true
}

// castAny is cast for all others. c.mu is held.
func (c *Connection) castAny(w *wireMessage, wait bool) (had, full bool) {
	if c.sendError() != nil {
		return true, false // it is going: nothing is missed that it could have had
	}
	if w != nil && w.plainSize() <= c.most() {
		before := c.stats.dropped
		if _, ok := c.tryAdmit(w, nil); ok {
			c.kick()
			return c.stats.dropped == before, false
		}
		if wait && c.bounds.Policy == Block {
			return false, true
		}
	}
	c.q.accepted++
	c.stage.pushDropped(c.q.accepted)
	c.stats.dropped++
	c.kick()
	return false, false
}

// share gives a new connection its part of MaxMemory, in bytes of its receive queue.
func (s *Server) share(want uint64) uint64 {
	least := session.Window(0, max(s.opt.MaxMessage, protocol.FragmentSize))
	s.mu.Lock()
	defer s.mu.Unlock()
	left := s.opt.MaxMemory - s.granted - s.left.bytes
	grant := max(least, min(want, uint64(max(left, 0))))
	s.granted += int64(grant) //nolint:gosec // bounded by the options
	return grant
}
