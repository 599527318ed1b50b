package npipes_test

import (
	"fmt"

	"github.com/serpy-go/serpy/protocol/npipes"
)

// What the original writes for "Hello", and what becomes of it when a bit is spoilt.
func ExampleWire_Parse() {
	w := npipes.Wire{CRC: true}
	b, err := w.Append(nil, []byte("Hello"))
	fmt.Printf("%x %v\n", b, err)
	text, err := w.Parse(b)
	fmt.Printf("%s %v\n", text, err)
	b[8] ^= 1
	_, err = w.Parse(b)
	fmt.Println(err)
	// Output:
	// 0000000d0000000548656c6c6ff7d18982 <nil>
	// Hello <nil>
	// npipes: wrong CRC: f7d18982
}
