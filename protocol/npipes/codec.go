package npipes

import (
	"errors"
	"fmt"
	"math"

	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/charset"
)

// Name is "npipes".
func (Wire) Name() string { return "npipes" }

// Caps says that a link carries one message of text and nothing else: no
// acknowledgement, no metadata, no reply.
func (w Wire) Caps() protocol.Caps {
	return protocol.Caps{OneMessage: true, CleanBinary: !w.charset().IsText(), MaxPayload: MaxPayload}
}

// Match knows a message by its lengths, which agree (unless AnyLength is set) and
// are below 65536: so the first byte or the third tells most other wires apart.
func (w Wire) Match(first []byte) protocol.Match {
	order, high := w.Order.bytes(), [2]int{0, 1} // where the zero bytes of a length are
	if order.Uint32([]byte{1, 0, 0, 0}) == 1 {
		high = [2]int{2, 3}
	}
	fields := []int{0, 4}
	if w.AnyLength {
		fields = fields[1:]
	}
	for _, field := range fields {
		for _, at := range high {
			if field+at < len(first) && first[field+at] != 0 {
				return protocol.No
			}
		}
	}
	if len(first) < headBytes {
		return protocol.More
	}
	if _, err := w.size(first, MaxPayload); err != nil {
		return protocol.No
	}
	return protocol.Yes
}

// Check refuses what is no text of the charset, base85 and pickles
// (errors.ErrUnsupported), and a text of more than MaxPayload bytes. Int and Float
// travel as their digits; Tag, Time and Header are left out.
func (w Wire) Check(m *protocol.Meta, payload []byte) error {
	if m.Mode.IsBase85() {
		return errBase85
	}
	_, err := w.appendValue(nil, m.Type, payload)
	return err
}

func (w Wire) appendValue(dst []byte, t protocol.Type, payload []byte) ([]byte, error) {
	if t == protocol.Int || t == protocol.Float || t == protocol.Pickle {
		text, err := charset.AppendText(nil, t, payload)
		if err != nil {
			return dst, fmt.Errorf("npipes: %w", err)
		}
		payload = text
	}
	return w.Append(dst, payload)
}

// NewEncoder makes the encoder of one link.
func (w Wire) NewEncoder() protocol.Encoder { return &encoder{wire: w} }

// NewDecoder makes the decoder of one link, for a message of at most limit bytes of
// payload, and of at most MaxPayload.
func (w Wire) NewDecoder(limit int) protocol.Decoder {
	if limit <= 0 {
		limit = math.MaxInt
	}
	return &decoder{wire: w, limit: limit}
}

type encoder struct {
	wire Wire
	done bool
}

// Append writes the one message of a link.
func (e *encoder) Append(dst []byte, f *protocol.Frame) ([]byte, error) {
	if f.Kind != protocol.KindData {
		return dst, nil // there is nothing to say it with
	}
	start := len(dst)
	err := protocol.EachMessage(f.Body, func(m *protocol.Meta, payload []byte) (err error) {
		switch {
		case e.done:
			return errSecond
		case m.Mode.IsBase85():
			return errBase85
		}
		dst, err = e.wire.appendValue(dst, m.Type, payload)
		e.done = err == nil
		return err
	})
	if err != nil {
		return dst[:start], err
	}
	return dst, nil
}

type decoder struct {
	wire  Wire
	limit int
	part  []byte // of the message, what came before
	done  bool
}

// Decode reads the one message of a link. What came with it is all that may come.
func (d *decoder) Decode(b []byte) (f protocol.Frame, n int, err error) {
	switch {
	case len(b) == 0:
		return f, 0, protocol.ErrShort
	case d.done:
		return f, 0, errSecond
	}
	whole := b
	if len(d.part) > 0 {
		whole = append(d.part, b...)
	}
	size, err := d.wire.size(whole, min(d.limit, MaxPayload))
	if errors.Is(err, errShort) || err == nil && len(whole) < size {
		d.part = append(d.part, b...)
		return f, len(b), protocol.ErrShort
	}
	if err != nil {
		return f, 0, err
	}
	text, err := d.wire.Parse(whole) // all of it: nothing may stand behind
	if err != nil {
		return f, 0, err
	}
	if len(text) > d.limit { // in UTF-8
		return f, 0, fmt.Errorf("%w: a text of %d bytes; at most %d are taken", errTooLarge, len(text), d.limit)
	}
	d.done, d.part = true, nil
	f = protocol.Frame{Kind: protocol.KindData, Count: 1}
	var fields []byte
	if d.wire.charset().IsText() {
		fields = (&protocol.Meta{Type: protocol.Text}).Append(nil)
	}
	body := make([]byte, 0, protocol.UnitLen(len(fields), len(text)))
	f.Body = protocol.AppendUnit(body, 0, fields, text)
	return f, len(b), nil
}

// Finish says that a message was not whole when the link ended.
func (d *decoder) Finish() (protocol.Frame, error) {
	if len(d.part) == 0 {
		return protocol.Frame{}, nil
	}
	return protocol.Frame{}, &protocol.DroppedError{Err: fmt.Errorf("%w: %d bytes of it", errShort, len(d.part))}
}
