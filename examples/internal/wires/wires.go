// Package wires names the wires that the examples speak, as their flags do.
package wires

import (
	"fmt"
	"strings"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/serpy1"
	"github.com/serpy-go/serpy/protocol/serpy2"
)

// All are the names of the wires.
const All = "native,serpy,serpy2"

// Parse gives the wire of a name.
func Parse(name string) (protocol.Codec, error) {
	for _, w := range []protocol.Codec{serpy.Native, serpy1.Wire{}, serpy2.Wire{}} {
		if w.Name() == name {
			return w, nil
		}
	}
	return nil, fmt.Errorf("%q: choose native, serpy or serpy2", name)
}

// ParseList gives the wires of a list, each at most once.
func ParseList(list string) (all []protocol.Codec, err error) {
	seen := map[string]bool{}
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		w, err := Parse(name)
		if err != nil {
			return nil, err
		}
		if seen[name] {
			return nil, fmt.Errorf("%q stands there twice", name)
		}
		seen[name] = true
		all = append(all, w)
	}
	return all, nil
}
