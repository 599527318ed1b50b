package line

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/charset"
)

const (
	// maxUnits bounds the messages of a frame.
	maxUnits = 1024
	// keptPart is the most bytes that a decoder holds for lines that come in parts
	// while there is none.
	keptPart = 4 << 10
)

// Fields of the messages that are more than bytes.
var (
	textFields    = (&protocol.Meta{Type: protocol.Text}).Append(nil)
	unendedBytes  = (&protocol.Meta{Tag: Unended}).Append(nil)
	unendedText   = (&protocol.Meta{Type: protocol.Text, Tag: Unended}).Append(nil)
	errUnended    = errors.New("line: the link ended within a line")
	errTooLong    = fmt.Errorf("line: %w: a line that is too long", protocol.ErrTooLarge)
	errLargeBlock = fmt.Errorf("line: %w: a block that is too large", protocol.ErrTooLarge)
)

// A decoder reads one direction of a link.
type decoder struct {
	finder
	long    Long
	charset *charset.Charset
	limit   int // bytes of a message
	longest int // bytes of a line, without blocks

	part     []byte // of the present line, what came before
	dropping bool   // the present line is too long
	dropped  int    // bytes of it
	after    string // the last end of line, if more may come that makes it a longer one
	left     [maxEnd]byte
	unused   int // bytes at the front of left that were not used by the call before
}

func (w Wire) newDecoder(limit int) *decoder {
	if limit <= 0 {
		limit = math.MaxInt
	}
	longest := min(w.maxLine(), limit)
	if w.Long == Cut && w.Charset == charset.Latin1 { // a piece may double in UTF-8
		longest = max(min(longest, limit/2), 1)
	}
	return &decoder{
		finder: newFinder(w, limit), long: w.Long, charset: w.charset(),
		limit: limit, longest: longest,
	}
}

// Decode takes lines, as many as fit a frame. A line of which only a part has come is
// kept. A line that is too long under Drop, and one that is no text of the charset, is
// a *protocol.DroppedError; a block that makes its line larger than the limit ends the
// link, whatever Long says: its length is not to be trusted.
func (d *decoder) Decode(b []byte) (protocol.Frame, int, error) {
	at, ok := d.skip(b)
	if !ok {
		return d.short(b, at)
	}
	r := run{fields: len(d.fields(0, false)), end: d.shortest()}
	for !r.full() {
		saved := d.state
		n, end, err := d.find(b[at:])
		switch {
		case err != nil:
			err = d.large()
		case end > 0 && !d.over(n):
			err = d.line(&r, b[at:], n)
		default:
			err = errMore
		}
		if err != nil {
			if r.count > 0 { // it comes first in the next frame
				d.state = saved
				return r.frame(), at, nil
			}
			return d.odd(b, at, n, end, err)
		}
		d.state = state{}
		at += n + end
		if d.ended(b[at:]); d.after != "" || at == len(b) {
			break
		}
	}
	return r.frame(), at, nil
}

// shortest is the end of line that is thought to be the most frequent.
func (d *decoder) shortest() []byte {
	for i := range d.ends {
		if end := d.ends[len(d.ends)-1-i]; end != "" {
			return []byte(end)
		}
	}
	return nil
}

// errMore stands for a line that is not whole, or too long.
var errMore = errors.New("more")

// skip goes over what makes the last end of line a longer one, such as the \n behind
// a \r that came alone. It is false if that may still come.
func (d *decoder) skip(b []byte) (int, bool) {
	if d.after == "" || len(b) == 0 {
		return 0, len(b) > 0
	}
	rest, wait := d.longer(d.after, b)
	if wait {
		return 0, false
	}
	d.after = ""
	return rest, rest < len(b)
}

// ended looks behind an end of line that was found: more may come that makes it a
// longer one.
func (d *decoder) ended(behind []byte) {
	if _, wait := d.longer(d.found, behind); wait {
		d.after = d.found
	}
}

// over reports whether the present line is too long, if n more bytes belong to it.
func (d *decoder) over(n int) bool {
	switch {
	case d.dropping:
		return true
	case d.blocks:
		return d.state.text > d.longest || d.state.size > d.limit
	}
	return len(d.part)+n > d.longest
}

// large says what a block that is too large ends the link with: under Refuse the line may
// have been too long before the last digit of its length.
func (d *decoder) large() error {
	if s := &d.state; d.long == Refuse && (s.text-1 > d.longest || s.size-1 > d.limit) {
		return errTooLong
	}
	return errLargeBlock
}

// odd takes the first line of b[at:], n bytes of which are there, if it is not one
// like the others: not whole, too long, or no text.
func (d *decoder) odd(b []byte, at, n, end int, err error) (protocol.Frame, int, error) {
	line := b[at : at+n]
	switch {
	case !errors.Is(err, errMore) && end > 0: // no text
		return d.drop(b, at+n+end, err)
	case !errors.Is(err, errMore):
		return protocol.Frame{}, at, err
	case d.over(n) && d.long == Refuse:
		return protocol.Frame{}, at, errTooLong
	case d.over(n) && d.long == Cut:
		return d.pieces(b, at, n, end)
	case d.over(n) && end == 0:
		d.dropping, d.dropped, d.part = true, d.dropped+len(d.part)+n, nil
		return d.short(b, at+n)
	case d.over(n):
		err := fmt.Errorf("%w: %d bytes, at most %d are taken", errTooLong, d.dropped+len(d.part)+n, d.longest)
		return d.drop(b, at+n+end, err)
	}
	d.part = append(d.part, line...)
	return d.short(b, at+n)
}

// drop says why a line, whose end is in front of b[n:], is dropped.
func (d *decoder) drop(b []byte, n int, err error) (protocol.Frame, int, error) {
	d.forget()
	d.ended(b[n:])
	return protocol.Frame{}, n, &protocol.DroppedError{Err: err}
}

// forget ends the present line.
func (d *decoder) forget() {
	d.state, d.dropping, d.dropped = state{}, false, 0
	if d.part = d.part[:0]; cap(d.part) > keptPart {
		d.part = nil
	}
}

// short says that n bytes of b were used, and remembers the few others.
func (d *decoder) short(b []byte, n int) (protocol.Frame, int, error) {
	d.unused = copy(d.left[:], b[n:])
	return protocol.Frame{}, n, protocol.ErrShort
}

// pieces hands over a line that is too long in pieces, the last of them too if its end
// is there.
func (d *decoder) pieces(b []byte, at, n, end int) (protocol.Frame, int, error) {
	if n > protocol.GroupSize {
		n, end = protocol.GroupSize, 0
	}
	line := b[at : at+n]
	at += len(line) + end
	rest := append(d.part, line...)
	d.part = rest
	var r run
	for len(rest) > d.longest || end > 0 && len(rest) > 0 {
		n, tag := min(len(rest), d.longest), uint32(Unended)
		if n == len(rest) {
			tag = 0
		}
		if err := r.add(d.charset, d.fields(tag, false), rest[:n]); err != nil {
			return protocol.Frame{}, at, err // Latin1 has them all
		}
		rest = rest[n:]
	}
	d.part = d.part[:copy(d.part, rest)]
	if end > 0 {
		d.forget()
		d.ended(b[at:])
	}
	return r.frame(), at, nil
}

// fields are the metadata of a message.
func (d *decoder) fields(tag uint32, block bool) []byte {
	text := d.charset.IsText() && !block
	switch {
	case tag == Unended && text:
		return unendedText
	case tag == Unended:
		return unendedBytes
	case text:
		return textFields
	}
	return nil
}

// line puts a line into the run, of which the last n bytes are the front of b.
func (d *decoder) line(r *run, b []byte, n int) error {
	cs := d.charset
	if d.state.block {
		cs = charset.Raw
	}
	line := b[:n]
	if len(d.part) > 0 {
		line = append(d.part, line...)
		d.part = line[:0]
	}
	r.reserve(len(line), b)
	before := len(r.buf)
	if err := r.add(cs, d.fields(0, d.state.block), line); err != nil {
		return err
	}
	if r.last > d.limit { // in UTF-8
		r.drop(before)
		return errTooLong
	}
	d.forget()
	return nil
}

// Finish says what became of a line without an end: under Cut it is handed over in
// pieces that are Unended, and otherwise dropped. There are several where the bytes that
// might have been the begin of an end make it too long.
func (d *decoder) Finish() (protocol.Frame, error) {
	d.part = append(d.part, d.left[:d.unused]...)
	defer d.forget()
	switch {
	case d.dropped+len(d.part) == 0 || d.after != "":
		return protocol.Frame{}, nil
	case d.long == Cut:
		r := run{}
		for rest := d.part; len(rest) > 0; {
			n := min(len(rest), d.longest)
			if err := r.add(d.charset, d.fields(Unended, false), rest[:n]); err != nil {
				return protocol.Frame{}, err // Latin1 has them all
			}
			rest = rest[n:]
		}
		return r.frame(), nil
	}
	return protocol.Frame{}, &protocol.DroppedError{Err: fmt.Errorf("%w: %d bytes of it", errUnended, d.dropped+len(d.part))}
}

// A run collects the messages of a frame in memory of its own.
type run struct {
	buf    []byte
	count  int
	last   int    // bytes of the last message's payload
	fields int    // bytes of a message's metadata
	end    []byte // an end of line
	text   []byte // what was decoded, on its way
}

func (r *run) full() bool { return r.count >= maxUnits || len(r.buf) >= protocol.GroupSize }

func (r *run) frame() protocol.Frame {
	return protocol.Frame{Kind: protocol.KindData, Count: r.count, Body: r.buf}
}

// reserve takes the memory, by what waits and is thought to go into one frame.
func (r *run) reserve(line int, waiting []byte) {
	if r.buf != nil {
		return
	}
	window := waiting[:min(len(waiting), protocol.GroupSize)]
	lines := bytes.Count(window, r.end)
	r.buf = make([]byte, 0, max(line, len(window)+lines*(2+r.fields))+2*maxEnd)
}

// add puts a line into the run, which stays as it is if the line is no text.
func (r *run) add(cs *charset.Charset, fields, line []byte) error {
	if !cs.Passes(line) {
		text, err := cs.Decode(r.text[:0], line)
		if err != nil {
			return fmt.Errorf("line: %w", err)
		}
		r.text, line = text, text
	}
	r.buf = protocol.AppendUnit(r.buf, 0, fields, line)
	r.last = len(line)
	r.count++
	return nil
}

// drop takes the last message out again.
func (r *run) drop(before int) {
	r.buf = r.buf[:before]
	r.count--
}
