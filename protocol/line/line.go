// Package line is the wire of instruments, terminals and pipes that speak lines: a
// message is a line of text, ended by an end of line that is no part of it.
//
// The ends of line, the longest line, the charset of the text and, for instruments
// that speak IEEE 488.2 (SCPI), definite-length blocks of binary data within a line
// are the fields of [Wire]. Nothing else is on the wire: no acknowledgement, no
// metadata, and no number that would let a broken link go on.
package line

import (
	"errors"
	"fmt"
	"strings"

	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/charset"
)

const (
	// DefaultMaxLine is the longest line, in bytes, where Wire.MaxLine is 0.
	DefaultMaxLine = 64 << 10
	// maxEnd bounds an end of line, in bytes.
	maxEnd = 16
)

// Long says what becomes of a received line that is longer than MaxLine.
type Long uint8

const (
	// Drop drops it up to its end, reports a protocol.DroppedError and goes on.
	Drop Long = iota
	// Cut hands it over in pieces of MaxLine bytes. All but the last have the
	// tag Unended. The Charset is Raw or Latin1.
	Cut
	// Refuse ends the link.
	Refuse
)

// Unended is the Tag of a received piece of a line that goes on, under Cut.
const Unended = 1

// Wire is the wire of lines. The zero value ends lines with \n, takes 64 KiB of any
// other bytes in each, and gives them as they are. It is comparable, and safe from
// any goroutine.
type Wire struct {
	// EOL ends each line that is sent; "" is "\n". It also ends a received one.
	EOL string
	// Ends are further ends of a received line ("" is none). Where several match,
	// the longest counts: with "\r\n", "\n" and "\r" any line of any system ends.
	Ends [3]string
	// MaxLine is the most bytes of a line on the wire, without its end and
	// without what is in blocks; 0 is DefaultMaxLine. What is longer is not sent.
	MaxLine int
	// Long is what becomes of a longer one that is received.
	Long Long
	// Charset is how text is written; nil is charset.Raw: lines of any bytes, as
	// they are, of type Bytes. With another, messages are UTF-8, received ones of
	// type Text. It must write ASCII as ASCII, and if it is neither ASCII, Latin1
	// nor UTF8, ends of line consist of bytes below '0', which are never a part of
	// another character.
	Charset *charset.Charset
	// Blocks lets a line hold definite-length blocks of IEEE 488.2: # and a digit
	// of 1 to 9, so many digits, and as many bytes as those say, among which an
	// end of line is none. A block begins the line, or stands behind a space, tab,
	// comma or semicolon, and not in quotes; what only looks like one is text. A
	// message then is all of the line, blocks included (see AppendBlock and
	// CutBlock), and of type Bytes if it has one. The decoder's limit bounds it.
	Blocks bool
}

// Validate says what is wrong with the fields, or nil.
func (w Wire) Validate() error {
	switch cs := w.charset(); {
	case w.MaxLine < 0:
		return fmt.Errorf("line: MaxLine = %d", w.MaxLine)
	case w.Long > Refuse:
		return fmt.Errorf("line: Long = %d", w.Long)
	case w.Long == Cut && (w.Blocks || w.maxLine() < 2 || cs != charset.Raw && cs != charset.Latin1):
		return errors.New("line: only lines without blocks, raw or Latin-1, can be cut, into pieces of at least 2 bytes")
	case !cs.ASCIICompatible():
		return fmt.Errorf("line: %s does not write ASCII as it is, so that a line has no end", cs.Name())
	}
	for _, end := range w.ends() {
		if err := w.validEnd(end); err != nil {
			return err
		}
	}
	return nil
}

func (w Wire) validEnd(end string) error {
	cs := w.charset()
	single := cs == charset.Raw || cs == charset.ASCII || cs == charset.Latin1 || cs == charset.UTF8
	switch {
	case len(end) > maxEnd:
		return fmt.Errorf("line: an end of line of %d bytes; at most %d", len(end), maxEnd)
	case !single && strings.ContainsFunc(end, func(r rune) bool { return r > ' ' }):
		return fmt.Errorf("line: %q may be a part of a character in %s", end, cs.Name())
	case w.Blocks && strings.ContainsAny(end, "#0123456789\"'"):
		return fmt.Errorf("line: %q has a meaning in lines with blocks", end)
	}
	return nil
}

func (w Wire) charset() *charset.Charset {
	if w.Charset == nil {
		return charset.Raw
	}
	return w.Charset
}

func (w Wire) eol() string {
	if w.EOL == "" {
		return "\n"
	}
	return w.EOL
}

// ends are all ends of a received line, each once and the longest first; "" are none.
func (w Wire) ends() (list [4]string) {
	list[0] = w.eol()
	for n, end := range w.Ends {
		at := 0
		for at <= n && len(list[at]) >= len(end) && list[at] != end {
			at++
		}
		if at > n || list[at] != end {
			copy(list[at+1:], list[at:])
			list[at] = end
		}
	}
	return list
}

func (w Wire) maxLine() int {
	if w.MaxLine == 0 {
		return DefaultMaxLine
	}
	return w.MaxLine
}

// Name is "line".
func (Wire) Name() string { return "line" }

// Caps says that lines carry nothing but themselves. Where no block may be in them,
// a message has at most MaxLine bytes.
func (w Wire) Caps() protocol.Caps {
	c := protocol.Caps{MaxPayload: w.maxLine()}
	if w.Blocks {
		c.MaxPayload = 0
	}
	return c
}

// Match takes everything for lines but what begins with a control character that
// begins no text: put this wire behind those that know themselves.
func (w Wire) Match(first []byte) protocol.Match {
	switch {
	case len(first) == 0:
		return protocol.More
	case first[0] < ' ' && !strings.ContainsRune("\t\n\v\f\r\x1b", rune(first[0])):
		return protocol.No
	default:
		return protocol.Yes
	}
}

// Check refuses what is no line (errors.ErrUnsupported): base85, pickles, text that
// the charset does not have, an end of line outside of a block; and a line longer than
// MaxLine. Int and Float travel as their digits; Tag, Time and Header are left out.
func (w Wire) Check(m *protocol.Meta, payload []byte) error {
	e := w.newEncoder()
	_, err := e.line(m, payload)
	return err
}

// NewEncoder makes the encoder of one link.
func (w Wire) NewEncoder() protocol.Encoder {
	e := w.newEncoder()
	return &e
}

// NewDecoder makes the decoder of one link, for lines of at most limit bytes, blocks
// and all, and in UTF-8.
func (w Wire) NewDecoder(limit int) protocol.Decoder { return w.newDecoder(limit) }
