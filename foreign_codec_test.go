package serpy_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/serpy-go/serpy/protocol"
)

// tally is a wire for these tests: a letter, a length of 4 bytes and a payload.
//
//	P p   a message, and one in base85
//	A a   the same, to be acknowledged by a K
//	K     an acknowledgement
//	Q     a question, to be answered at once by an R
//	X     bad input, which is dropped
//
// Everything else is the end of the link.
type tally struct {
	caps   protocol.Caps
	name   string
	linger time.Duration // for each message
	opens  bool          // says "Q" first
	last   bool          // matches whatever no other wire takes
}

var (
	errNUL     = errors.New("a NUL cannot stand in a payload")
	errNoText  = errors.New("the wire has no base85")
	errStrange = errors.New("no such letter")
)

func counts() tally { return tally{caps: protocol.Caps{Acks: protocol.Counted}} }

func (w tally) Name() string {
	if w.name == "" {
		return "tally"
	}
	return w.name
}
func (w tally) Caps() protocol.Caps { return w.caps }

func (w tally) Match(first []byte) protocol.Match {
	switch {
	case w.last || len(first) > 0 && bytes.IndexByte([]byte("PpAaKQX"), first[0]) >= 0:
		return protocol.Yes
	case len(first) == 0:
		return protocol.More
	}
	return protocol.No
}

func (w tally) Check(m *protocol.Meta, payload []byte) error {
	switch {
	case w.caps.CleanBinary && m.Mode.IsBase85():
		return errNoText
	case !w.caps.CleanBinary && bytes.IndexByte(payload, 0) >= 0:
		return errNUL
	}
	return nil
}

func (w tally) NewEncoder() protocol.Encoder {
	if w.opens {
		return &tallyOpener{}
	}
	return &tallyEncoder{}
}

func (w tally) NewDecoder(limit int) protocol.Decoder { return &tallyDecoder{limit: limit} }
func (w tally) Linger(n int) time.Duration            { return time.Duration(n) * w.linger }

type tallyEncoder struct{ acks uint64 }

type tallyOpener struct{ tallyEncoder }

func (*tallyOpener) Open(dst []byte) []byte { return tell(dst, 'Q', nil) }

// tell appends one thing that the wire can say.
func tell(dst []byte, letter byte, payload []byte) []byte {
	dst = append(dst, letter)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(payload)))
	return append(dst, payload...)
}

func (e *tallyEncoder) Append(dst []byte, f *protocol.Frame) ([]byte, error) {
	for ; f.Count == 0 && e.acks < f.Received; e.acks++ {
		dst = tell(dst, 'K', nil)
	}
	n := 0
	for run := f.Body; len(run) > 0; n++ {
		u, rest, err := protocol.NextWhole(run)
		if err != nil {
			return dst, err
		}
		run = rest
		dst = tell(dst, "PApa"[protocol.ModeOf(u.Flags)], u.Payload)
	}
	if n != f.Count {
		return dst, fmt.Errorf("%d units instead of %d", n, f.Count)
	}
	return dst, nil
}

type tallyDecoder struct {
	limit int
	have  []byte
	acks  uint64
}

func (d *tallyDecoder) Decode(b []byte) (f protocol.Frame, n int, err error) {
	d.have = append(d.have, b...)
	n = len(b)
	for len(d.have) >= 5 {
		letter, size := d.have[0], int(binary.BigEndian.Uint32(d.have[1:]))
		if size > d.limit+d.limit/4+8 {
			if f.Count > 0 {
				return f, n, nil
			}
			return f, n, protocol.ErrTooLarge
		}
		if len(d.have) < 5+size {
			break
		}
		mode := bytes.IndexByte([]byte("PApa"), letter)
		if mode < 0 && f.Count > 0 {
			return f, n, nil
		}
		payload := d.have[5 : 5+size : 5+size]
		d.have = d.have[5+size:]
		switch {
		case mode >= 0:
			f.Kind = protocol.KindData
			f.Count++
			f.Body = protocol.AppendUnit(f.Body, protocol.Mode(mode).Flags(), nil, payload)
		case letter == 'K':
			d.acks++
			return protocol.Frame{Kind: protocol.KindData, Received: d.acks}, n, nil
		case letter == 'Q':
			return protocol.Frame{Kind: protocol.KindAnswer, Body: tell(nil, 'R', nil)}, n, nil
		case letter == 'R':
		case letter == 'X':
			return f, n, &protocol.DroppedError{Err: fmt.Errorf("an X: %q", payload)}
		default:
			return f, n, errStrange
		}
	}
	if f.Count > 0 {
		return f, n, nil
	}
	d.have = bytes.Clone(d.have)
	return f, n, protocol.ErrShort
}

// Finish tells what the last bytes were.
func (d *tallyDecoder) Finish() (f protocol.Frame, err error) {
	if len(d.have) > 0 {
		err = &protocol.DroppedError{Err: fmt.Errorf("%d bytes of no message", len(d.have))}
	}
	return f, err
}
