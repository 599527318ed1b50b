package serpy

import (
	"errors"
	"fmt"

	"github.com/serpy-go/serpy/protocol"
)

// suit fits a message to the wire: what the wire cannot carry as it is goes as base85,
// and what it cannot promise is an error at once. Metadata that it lacks is left out as
// it is written.
func (c *Connection) suit(m *Message) error {
	switch {
	case c.caps.Resume:
		return nil
	case m.Mode.IsAcked() && c.caps.Acks == protocol.NoAcks:
		return fmt.Errorf("%w: the %s wire has no acknowledgements", ErrUnsupported, c.codec.Name())
	case m.role != protocol.Ordinary:
		return fmt.Errorf("%w: the %s wire has no requests", ErrUnsupported, c.codec.Name())
	case c.caps.MaxPayload > 0 && len(m.Data) > c.caps.MaxPayload:
		return ErrTooLarge
	case c.caps.OneMessage && c.server != nil && c.hasSent():
		return fmt.Errorf("%w: the %s wire has one message a link, and this side cannot dial", ErrUnsupported, c.codec.Name())
	}
	if !c.caps.CleanBinary && !m.Mode.IsBase85() && c.hasBase85() && c.codec.Check(&protocol.Meta{Mode: m.Mode, Type: m.Type}, m.Data) != nil {
		m.Mode += Base85
	}
	return nil
}

// hasBase85 says whether the wire carries base85 at all. Where it does not, what speaks
// against a message is what it holds.
func (c *Connection) hasBase85() bool {
	return c.codec.Check(&protocol.Meta{Mode: Base85}, []byte("00000")) == nil
}

// hasSent says whether a message was ever accepted.
func (c *Connection) hasSent() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.q.accepted > 0
}

// check says why the wire cannot carry a message that is encoded.
func (c *Connection) check(w *wireMessage) error {
	err := c.codec.Check(&w.meta, w.payload)
	switch {
	case err == nil, errors.Is(err, ErrTooLarge), errors.Is(err, ErrUnsupported):
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnsupported, err)
}

// A shared message goes to several connections. It is encoded once for each form in
// which one of their wires takes it.
type shared struct {
	m     Message
	forms [Base85Acked + 1]*wireMessage // by Mode
	own   wireMessage                   // the first of them
}

// form gives the message in a mode. It was encoded in its own before.
func (s *shared) form(mode Mode) *wireMessage {
	if w := s.forms[mode]; w != nil {
		return w
	}
	m := s.m
	m.Mode = mode
	w, err := encodeWhole(&m)
	if err != nil {
		return nil
	}
	s.forms[mode] = &w
	return &w
}

// formOf gives the message as c's wire takes it, in the strongest mode that it has; nil:
// it cannot carry it.
func (c *Connection) formOf(s *shared) *wireMessage {
	mode := s.m.Mode
	if c.caps.Resume {
		return s.form(mode)
	}
	if mode.IsAcked() && c.caps.Acks == protocol.NoAcks {
		mode -= Acked
	}
	if c.caps.MaxPayload > 0 && len(s.m.Data) > c.caps.MaxPayload {
		return nil
	}
	for _, mode := range []Mode{mode, mode ^ Base85} {
		if w := s.form(mode); w != nil && c.codec.Check(&w.meta, w.payload) == nil {
			return w
		}
	}
	return nil
}
