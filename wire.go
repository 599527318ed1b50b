package serpy

import (
	"time"
	"unicode/utf8"

	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/base85"
)

// A wireMessage is a message as it stands in a queue: metadata encoded, payload as
// on the wire.
type wireMessage struct {
	meta    protocol.Meta
	fields  []byte // meta, encoded
	payload []byte
	owned   bool   // payload is memory that nobody else writes to
	own     *slab  // that payload stands in, of this queue alone; nil: none
	unit    []byte // all of it, in a castMemory; nil: it stands in none
	cast    uint64 // in which memory of it
}

func (w *wireMessage) acked() bool { return w.meta.Mode.IsAcked() }

// awaited says that somebody waits for the message: for its receipt, or, of a request,
// for the answer. No policy drops it.
func (w *wireMessage) awaited() bool { return w.acked() || w.meta.Role != protocol.Ordinary }

// size is what the message counts in a queue, in bytes, framing but for that of
// fragments included.
func (w *wireMessage) size() int { return protocol.UnitLen(len(w.fields), len(w.payload)) }

// plainSize is the length of the payload before base85.
func (w *wireMessage) plainSize() int {
	n := len(w.payload)
	if w.meta.Mode.IsBase85() {
		n -= (n + 4) / 5
	}
	return n
}

// pinBytes is the size from which a payload that need not be copied is written
// from where it lies.
const pinBytes = 16 << 10

// encode makes a message ready for a queue. It copies nothing that is small: that
// is done when it is accepted.
func (w *wireMessage) encode(m *Message) error {
	w.meta = protocol.Meta{
		Mode: m.Mode, Type: m.Type, Tag: m.Tag,
		Role: m.role, Correlation: m.correlation,
	}
	if !m.Time.IsZero() {
		w.meta.Time = m.Time.UnixNano()
	}
	if len(m.Header) > 0 {
		if len(m.Header) > protocol.MaxHeaderNames {
			return ErrTooLarge
		}
		for name, value := range m.Header {
			if !utf8.ValidString(name) || !utf8.ValidString(value) {
				return &OptionError{"Message.Header", m.Header, "names and values are UTF-8"}
			}
		}
		if w.meta.Header = protocol.AppendHeader(nil, m.Header); len(w.meta.Header) > protocol.MaxHeader {
			return ErrTooLarge
		}
	}
	w.payload, w.owned = m.Data, m.NoCopy
	if m.Mode.IsBase85() {
		w.payload = base85.AppendEncode(make([]byte, 0, base85.EncodedLen(len(m.Data))), m.Data)
		w.owned = true
	}
	if len(w.payload) > protocol.FragmentSize {
		w.meta.Size = len(w.payload)
	}
	if w.meta.Type != Bytes || w.meta.Tag != 0 || w.meta.Time != 0 || w.meta.Header != nil || w.meta.Size != 0 || w.meta.Role != protocol.Ordinary {
		w.fields = w.meta.Append(nil)
	}
	return nil
}

// flags are what the group of this message says in its head.
func (w *wireMessage) flags() (f protocol.Flags) {
	if w.acked() || w.meta.Role != protocol.Ordinary {
		f |= protocol.AckNow
	}
	if w.meta.Role == protocol.Reply || w.meta.Role == protocol.Failure {
		f |= protocol.Replies
	}
	return f
}

// appendTo puts the message into the groups of a queue.
func (w *wireMessage) appendTo(q *sendQueue) {
	u := w.meta.Mode.Flags()
	if w.unit != nil && !q.foreign {
		q.addShared(w)
		return
	}
	if len(w.payload) <= protocol.FragmentSize || q.foreign {
		if w.owned && len(w.payload) >= pinBytes {
			g := q.addAlone(u, w.flags(), w.fields, w.payload, true)
			w.pin(g)
			q.appended++
			g.lastID, g.messages = q.appended, 1
			q.sized(g, u, len(w.payload))
			return
		}
		q.addMessage(u, w.flags(), w.fields, w.payload)
		return
	}
	fields := w.fields
	for rest := w.payload; len(rest) > 0; {
		n := min(len(rest), protocol.FragmentSize)
		flags := u
		if n < len(rest) {
			flags |= protocol.UnitMore
		}
		if len(rest) < len(w.payload) {
			flags |= protocol.UnitContinued
		}
		g := q.addAlone(flags, w.flags(), fields, rest[:n:n], true)
		w.pin(g)
		g.part = n < len(rest)
		if flags&protocol.UnitContinued == 0 {
			q.sized(g, u, len(w.payload))
		}
		fields, rest = nil, rest[n:]
		if !g.part {
			q.appended++
			g.lastID, g.messages = q.appended, 1
		}
	}
}

// pin keeps the memory of the payload for a group that refers to it.
func (w *wireMessage) pin(g *group) {
	if w.own != nil {
		g.own = w.own
		w.own.groups++
	}
}

// timeOf is the Time of a received message.
func timeOf(nanos int64) time.Time {
	if nanos == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanos)
}
