package wires

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/serpy-go/serpy"
)

// Bye is the text by which the programs of serpy end a room: a client says it to stop
// the server, and the server to its clients before it closes.
const Bye = "/KTHXBYE"

// IsBye says whether a message is Bye, as text or as bytes.
func IsBye(m *serpy.Message) bool { return strings.TrimSpace(m.String()) == Bye }

// Show gives a message as a line for a person.
func Show(m *serpy.Message) string {
	switch v, err := m.Value(); v := v.(type) {
	case string:
		return Clean(v)
	case []byte:
		if utf8.Valid(v) && m.Type != serpy.Pickle {
			return Clean(string(v))
		}
		return fmt.Sprintf("(%d bytes, %v)", len(m.Data), m.Type)
	case nil:
		return Clean(err.Error())
	default:
		return fmt.Sprint(v)
	}
}

// Clean makes a peer's text safe for a terminal: what moves the cursor, changes colours
// or hides text becomes a space, or a mark. A line end becomes a space.
func Clean(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case !unicode.IsPrint(r) && r != ' ':
			return utf8.RuneError
		}
		return r
	}, text))
}

// Who is how an example calls a client: by the name that it gave, if its wire has names,
// and by where it is.
func Who(c *serpy.Connection) string {
	p := c.Peer()
	name := Clean(p.Name)
	if name == "" {
		name = "somebody"
	}
	return fmt.Sprintf("%s (%s, %s)", name, p.Wire, p.Address)
}
