// Package charset turns the text of messages, which is UTF-8, into the bytes of
// wires whose texts are written otherwise, and back.
//
// ASCII, Latin-1 and UTF-8 are here. Every other encoding comes from
// golang.org/x/text, which this module does not import: [Of] takes what that has.
//
//	line.Wire{Charset: charset.Of("windows-1252", charmap.Windows1252)}
package charset

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"
)

// A Charset is one way of writing text. Make one with [Of] or take one of the
// variables; the pointer is comparable, and safe from any goroutine.
type Charset struct {
	name   string
	check  func(text []byte) error // set where a text is written as it is
	encode func(dst, text []byte) ([]byte, error)
	decode func(dst, b []byte) ([]byte, error)
}

// The charsets that need no tables.
var (
	// Raw is no charset: bytes that are no text, which pass as they are.
	Raw = as("raw", func([]byte) error { return nil })
	// ASCII is 7 bits a character.
	ASCII = as("ascii", checkASCII)
	// Latin1 is ISO 8859-1: a byte is the code point.
	Latin1 = &Charset{"latin-1", nil, encodeLatin1, decodeLatin1}
	// UTF8 passes as it is, if it is valid.
	UTF8 = as("utf-8", checkUTF8)
)

// An Error is a text that a charset cannot write, or bytes that are none of its
// texts. One of writing is also errors.ErrUnsupported.
type Error struct {
	Charset string
	Offset  int  // of the first byte of what is wrong, or -1: not known
	Writing bool // the text cannot be written; otherwise bytes cannot be read
	Err     error
}

// Error says what is wrong and where.
func (e *Error) Error() string {
	what := "these bytes are no text"
	if e.Writing {
		what = "this text cannot be written"
	}
	at := ""
	if e.Offset >= 0 {
		at = fmt.Sprintf(" at byte %d", e.Offset)
	}
	return fmt.Sprintf("%s in %s%s: %v", what, e.Charset, at, e.Err)
}

// Unwrap gives the reason.
func (e *Error) Unwrap() error { return e.Err }

// Is reports that a text which cannot be written is errors.ErrUnsupported.
func (e *Error) Is(target error) bool { return e.Writing && target == errors.ErrUnsupported }

// Reasons of an Error.
var (
	errNotIn   = errors.New("a character that this charset does not have")
	errInvalid = errors.New("not UTF-8")
	errMangled = errors.New("a byte that stands for nothing")
)

// Of makes a Charset of an encoding of golang.org/x/text (or of anything else whose
// coders have a method Bytes). Each message is encoded by itself: an encoding that
// begins with a byte order mark begins each message with one.
func Of[D, E interface {
	Bytes(b []byte) ([]byte, error)
}](name string, encoding interface {
	NewDecoder() D
	NewEncoder() E
},
) *Charset {
	c := &Charset{name: name}
	c.encode = func(dst, text []byte) ([]byte, error) {
		// A replacement character would be written as one by some.
		if at := invalid(text); at >= 0 {
			return dst, &Error{Offset: at, Err: errInvalid}
		}
		b, err := encoding.NewEncoder().Bytes(text)
		if err != nil {
			return dst, &Error{Offset: -1, Err: err}
		}
		return append(dst, b...), nil
	}
	c.decode = func(dst, b []byte) ([]byte, error) {
		text, err := encoding.NewDecoder().Bytes(b)
		if err != nil {
			return dst, &Error{Offset: -1, Err: err}
		}
		// What could not be read has become U+FFFD, unless that was meant.
		if bytes.ContainsRune(text, utf8.RuneError) {
			if again, err := encoding.NewEncoder().Bytes(text); err != nil || !bytes.Equal(again, b) {
				return dst, &Error{Offset: -1, Err: errMangled}
			}
		}
		return append(dst, text...), nil
	}
	return c
}

// Name is what the charset was named.
func (c *Charset) Name() string { return c.name }

// IsText is false for [Raw] alone.
func (c *Charset) IsText() bool { return c != Raw }

// Passes reports whether b stands as it is on the wire and off it: for Raw, ASCII and
// UTF8, if b is of it. It saves a copy, and is not all that these can encode.
func (c *Charset) Passes(b []byte) bool { return c.check != nil && c.check(b) == nil }

// Encode appends text as this charset writes it. The error is an [*Error], and dst
// then is as it was.
func (c *Charset) Encode(dst, text []byte) ([]byte, error) {
	out, err := c.encode(dst, text)
	if err != nil {
		return dst, c.named(err, true)
	}
	return out, nil
}

// Decode appends the text that b is, in UTF-8, which has at most three times as many
// bytes for each of the usual charsets. The error is an [*Error], and dst then is as
// it was.
func (c *Charset) Decode(dst, b []byte) ([]byte, error) {
	out, err := c.decode(dst, b)
	if err != nil {
		return dst, c.named(err, false)
	}
	return out, nil
}

func (c *Charset) named(err error, writing bool) error {
	if e, ok := errors.AsType[*Error](err); ok {
		e.Charset, e.Writing = c.name, writing
	}
	return err
}

// ASCIICompatible reports whether each ASCII character is written as itself, so that
// ends of line can be looked for in what is written. (UTF-16 does not.)
func (c *Charset) ASCIICompatible() bool {
	var ascii [utf8.RuneSelf]byte
	for i := range ascii {
		ascii[i] = byte(i)
	}
	b, err := c.encode(nil, ascii[:])
	return err == nil && bytes.Equal(b, ascii[:])
}

// as makes a charset whose texts are written as they are, if check has nothing
// against them.
func as(name string, check func([]byte) error) *Charset {
	pass := func(dst, b []byte) ([]byte, error) {
		if err := check(b); err != nil {
			return dst, err
		}
		return append(dst, b...), nil
	}
	return &Charset{name, check, pass, pass}
}

func checkASCII(b []byte) error {
	for i, c := range b {
		if c >= utf8.RuneSelf {
			return &Error{Offset: i, Err: errNotIn}
		}
	}
	return nil
}

// invalid is where b stops to be UTF-8, or -1.
func invalid(b []byte) int {
	if utf8.Valid(b) {
		return -1
	}
	at := 0
	for at < len(b) {
		r, n := utf8.DecodeRune(b[at:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		at += n
	}
	return at
}

func checkUTF8(b []byte) error {
	if at := invalid(b); at >= 0 {
		return &Error{Offset: at, Err: errInvalid}
	}
	return nil
}

func encodeLatin1(dst, text []byte) ([]byte, error) {
	start := len(dst)
	for at := 0; at < len(text); {
		r, n := utf8.DecodeRune(text[at:])
		switch {
		case r == utf8.RuneError && n == 1:
			return dst[:start], &Error{Offset: at, Err: errInvalid}
		case r > 0xff:
			return dst[:start], &Error{Offset: at, Err: errNotIn}
		}
		dst = append(dst, byte(r)) //nolint:gosec // at most 0xff
		at += n
	}
	return dst, nil
}

func decodeLatin1(dst, b []byte) ([]byte, error) {
	for _, c := range b {
		dst = utf8.AppendRune(dst, rune(c))
	}
	return dst, nil
}
