// Package wires names the wires that the examples speak, as their flags do, and shows what
// came over them.
package wires

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/line"
	"github.com/serpy-go/serpy/protocol/serpy1"
	"github.com/serpy-go/serpy/protocol/serpy2"
)

// All are the names of the wires that every example speaks.
const All = "native,serpy,serpy2"

// Line is the wire of instruments and terminals, for the examples that speak it too: any
// end of line, and blocks of IEEE 488.2 for what is no text.
var Line = line.Wire{EOL: "\n", Ends: [3]string{"\r\n"}, Blocks: true}

// Parse gives the wire of a name: one of All, or of more.
func Parse(name string, more ...protocol.Codec) (protocol.Codec, error) {
	known := append([]protocol.Codec{serpy.Native, serpy1.Wire{}, serpy2.Wire{}}, more...)
	names := make([]string, len(known))
	for i, w := range known {
		if w.Name() == name {
			return w, nil
		}
		names[i] = w.Name()
	}
	last := len(names) - 1
	return nil, fmt.Errorf("%q: choose %s or %s", name, strings.Join(names[:last], ", "), names[last])
}

// ParseList gives the wires of a list, each at most once.
func ParseList(list string, more ...protocol.Codec) (all []protocol.Codec, err error) {
	seen := map[string]bool{}
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		w, err := Parse(name, more...)
		if err != nil {
			return nil, err
		}
		if seen[name] {
			return nil, fmt.Errorf("%q stands there twice", name)
		}
		seen[name] = true
		all = append(all, w)
	}
	if seen[Line.Name()] && slices.Contains(all, protocol.Codec(serpy1.Wire{})) {
		return nil, errors.New("serpy and line cannot be told apart: name one of the two")
	}
	return all, nil
}
