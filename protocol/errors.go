package protocol

import (
	"errors"
	"fmt"
)

// ErrShort is returned by a decoder that needs more bytes behind the ones given.
var ErrShort = errors.New("more bytes needed")

// ErrTooLarge is a message larger than what a side or a wire takes.
var ErrTooLarge = errors.New("message too large")

// ErrMangled says that the link changes bytes: it is not clean for binary data.
var ErrMangled = errors.New("the link changes bytes (line ends or the eighth bit): it needs a binary-clean transport")

// ErrForeign says that the peer does not speak this wire.
var ErrForeign = errors.New("the peer speaks another protocol")

// An Error says which rule of the wire the peer's bytes broke.
type Error struct {
	Section string // of SPEC.md
	Reason  string
}

func (e *Error) Error() string { return e.Reason + " (SPEC.md " + e.Section + ")" }

// Errorf makes an Error that names the section of SPEC.md whose rule was broken.
func Errorf(section, format string, args ...any) error {
	return &Error{Section: section, Reason: fmt.Sprintf(format, args...)}
}
