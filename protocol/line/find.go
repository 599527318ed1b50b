package line

import (
	"bytes"

	"github.com/serpy-go/serpy/protocol"
)

// A finder looks for the end of the present line.
type finder struct {
	ends  [4]string // the longest first; "" are none
	first [256]bool
	only  int    // the one byte that ends begin with, or -1
	found string // the end that was found last

	blocks bool
	limit  int // bytes in a line, blocks and all
	state  state
}

// state is what a finder of lines with blocks knows of the line so far.
type state struct {
	phase  phase
	quote  byte // that which is open, or 0
	inside bool // of an element: neither a block nor a string begins here
	block  bool // the line has one
	digits int  // of a block's length that are still to come
	length int  // what those digits say that have come
	left   int  // bytes of the block that are still to come
	size   int  // bytes of the line
	text   int  // of these, those outside of blocks
}

type phase uint8

const (
	inText   phase = iota
	inHash         // # was seen
	inLength       // and a digit
)

func newFinder(w Wire, limit int) finder {
	f := finder{ends: w.ends(), only: -1, blocks: w.Blocks, limit: limit}
	f.only = int(f.ends[0][0])
	for _, end := range f.ends {
		if end == "" {
			break
		}
		f.first[end[0]] = true
		if int(end[0]) != f.only {
			f.only = -1
		}
	}
	return f
}

// find goes through b, which goes on with the present line. It gives how many bytes of
// b belong to the line, and the length of the end of line behind them: 0 is none, and
// then what is behind them, if anything, is the beginning of an end. An error is a
// block that makes the line larger than the limit.
func (f *finder) find(b []byte) (n, end int, err error) {
	if f.blocks {
		return f.walk(b)
	}
	for n < len(b) {
		i := f.candidate(b[n:])
		if i < 0 {
			break
		}
		n += i
		end, part := f.match(b[n:])
		if end > 0 || part {
			return n, end, nil
		}
		n++
	}
	return len(b), 0, nil
}

// candidate is where the first byte of an end stands, or -1.
func (f *finder) candidate(b []byte) int {
	if f.only >= 0 {
		return bytes.IndexByte(b, byte(f.only)) //nolint:gosec // it was a byte
	}
	for i, c := range b {
		if f.first[c] {
			return i
		}
	}
	return -1
}

// match is the length of the longest end that b begins with, or whether b is the
// beginning of one.
func (f *finder) match(b []byte) (n int, part bool) {
	for _, end := range f.ends {
		switch {
		case len(b) < len(end):
			part = part || end[:len(b)] == string(b)
		case end != "" && string(b[:len(end)]) == end:
			f.found = end
			return len(end), false
		}
	}
	return 0, part
}

// longer is how many bytes of b, behind an end of line that was found, make it a longer
// one, and whether bytes behind b may still do so.
func (f *finder) longer(found string, b []byte) (n int, wait bool) {
	for _, end := range f.ends {
		if len(end) <= len(found) || end[:len(found)] != found {
			continue
		}
		rest := end[len(found):]
		switch {
		case len(b) < len(rest) && rest[:len(b)] == string(b):
			return 0, true
		case len(b) >= len(rest) && string(b[:len(rest)]) == rest:
			return len(rest), false
		}
	}
	return 0, false
}

// walk is find where blocks count.
func (f *finder) walk(b []byte) (n, end int, err error) {
	s := &f.state
	for n < len(b) {
		if s.left > 0 {
			k := min(s.left, len(b)-n)
			s.left -= k
			s.size += k
			n += k
			continue
		}
		c := b[n]
		if !s.announces(c) {
			if f.first[c] {
				end, part := f.match(b[n:])
				if end > 0 || part {
					return n, end, nil
				}
			}
			s.take(c)
		}
		n++
		s.size++
		s.text++
		if s.left > max(f.limit-s.size, 0) {
			return n, 0, protocol.ErrTooLarge
		}
	}
	return n, 0, nil
}

// announces takes c if it goes on with what announces a block.
func (s *state) announces(c byte) bool {
	switch {
	case s.phase == inHash && c >= '1' && c <= '9':
		s.phase, s.digits, s.length = inLength, int(c-'0'), 0
		return true
	case s.phase == inLength && c >= '0' && c <= '9':
		s.count(c)
		return true
	}
	s.phase, s.digits = inText, 0
	return false
}

// count takes a digit of a block's length; left has it when all are there.
func (s *state) count(c byte) {
	s.length = 10*s.length + int(c-'0')
	if s.digits--; s.digits == 0 {
		s.phase, s.block, s.inside = inText, true, true
		s.left, s.length = s.length, 0
	}
}

// take takes a byte of text.
func (s *state) take(c byte) {
	switch {
	case s.quote != 0:
		if c == s.quote {
			s.quote = 0
		}
	case c == ' ', c == '\t', c == ',', c == ';':
		s.inside = false
		return
	case s.inside:
	case c == '"', c == '\'':
		s.quote = c
	case c == '#':
		s.phase = inHash
	}
	s.inside = true
}
