package line

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/charset"
)

// An encoder writes one direction of a link; it knows nothing of the messages before.
type encoder struct {
	finder
	wire Wire
}

func (w Wire) newEncoder() encoder { return encoder{newFinder(w, math.MaxInt), w} }

// Append writes the messages of a frame as lines.
func (e *encoder) Append(dst []byte, f *protocol.Frame) ([]byte, error) {
	if f.Kind != protocol.KindData {
		return dst, nil // there is nothing to say it with
	}
	start := len(dst)
	err := protocol.EachMessage(f.Body, func(m *protocol.Meta, payload []byte) error {
		b, err := e.line(m, payload)
		if err == nil {
			dst = append(append(dst, b...), e.wire.eol()...)
		}
		return err
	})
	if err != nil {
		return dst[:start], err
	}
	return dst, nil
}

// line is a message as it is written, without its end: the payload itself, where
// nothing has to be changed.
func (e *encoder) line(m *protocol.Meta, payload []byte) (_ []byte, err error) {
	if m.Mode.IsBase85() {
		return nil, fmt.Errorf("line: base85: %w", errors.ErrUnsupported)
	}
	if m.Type != protocol.Bytes && m.Type != protocol.Text {
		if payload, err = charset.AppendText(nil, m.Type, payload); err != nil {
			return nil, fmt.Errorf("line: %w", err)
		}
	}
	b, cs := payload, e.wire.charset()
	if e.blocks && cs != charset.Raw {
		e.state = state{}
		if _, _, _ = e.find(b); e.state.block { // in front of an end, which is found again
			cs = charset.Raw
		}
	}
	if !cs.Passes(b) {
		if b, err = cs.Encode(nil, b); err != nil {
			return nil, fmt.Errorf("line: %w", err)
		}
	}
	return b, e.whole(b)
}

// whole holds b to being a line: with its end behind it, nothing else in it ends it.
func (e *encoder) whole(b []byte) error {
	e.state = state{}
	n, end, _ := e.find(b) // without a limit nothing is too large
	if end > 0 {
		return fmt.Errorf("line: an end of line at byte %d of a message: %w", n, errors.ErrUnsupported)
	}
	text := len(b)
	if e.blocks {
		text -= e.state.size - e.state.text
	}
	if most := e.wire.maxLine(); text > most {
		return fmt.Errorf("line: %w: %d bytes, at most %d go into a line", protocol.ErrTooLarge, text, most)
	}
	// What is left begins an end. Ours behind it must be found where it is.
	var room [2 * maxEnd]byte
	tail := append(append(room[:0], b[n:]...), e.wire.eol()...)
	if at, end, _ := e.find(tail); at != len(b)-n || end == 0 {
		return fmt.Errorf("line: a message that ends within a block or an end of line: %w", errors.ErrUnsupported)
	}
	return nil
}

// AppendBlock appends data as a definite-length block of IEEE 488.2, with as few digits
// as its length has. It holds at most 999,999,999 bytes; more make a panic.
func AppendBlock(dst, data []byte) []byte {
	var room [20]byte
	digits := strconv.AppendInt(room[:0], int64(len(data)), 10)
	if len(digits) > 9 {
		panic("line: a block of more than 999,999,999 bytes")
	}
	dst = append(dst, '#', '0'+byte(len(digits))) //nolint:gosec // at most 9
	dst = append(dst, digits...)
	return append(dst, data...)
}

// CutBlock cuts a line around its first block: what stands before the #, what is in the
// block, and what stands behind it. The parts share the memory of the line. ok is false
// if it has no whole block; before then is all of it.
func CutBlock(line []byte) (before, block, after []byte, ok bool) {
	f := finder{blocks: true, limit: math.MaxInt}
	for n := range line {
		had := f.state.block
		_, _, _ = f.walk(line[n : n+1]) // without ends and without a limit it takes the byte
		if !f.state.block || had {
			continue
		}
		data := line[n+1:]
		if f.state.left > len(data) {
			return line, nil, nil, false
		}
		hash := bytes.LastIndexByte(line[:n], '#')
		return line[:hash:hash], data[:f.state.left:f.state.left], data[f.state.left:], true
	}
	return line, nil, nil, false
}
