package line_test

import (
	"fmt"

	"golang.org/x/text/encoding/charmap"

	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/charset"
	"github.com/serpy-go/serpy/protocol/line"
)

// Any end of line is taken, \r\n is written, and the text is that of an old Windows.
func ExampleWire() {
	w := line.Wire{
		EOL:     "\r\n",
		Ends:    [3]string{"\n", "\r"},
		MaxLine: 80,
		Charset: charset.Of("windows-1252", charmap.Windows1252),
	}
	fmt.Println(w.Validate())
	fmt.Println(w.Check(&protocol.Meta{}, []byte("10 €")))
	fmt.Println(w.Check(&protocol.Meta{}, []byte("10 ₿")))
	// Output:
	// <nil>
	// <nil>
	// line: this text cannot be written in windows-1252: encoding: rune not supported by encoding.
}

func ExampleCutBlock() {
	answer := line.AppendBlock([]byte("VOLT:DATA "), []byte{1, 2, 3})
	answer = append(answer, ";*OPC"...)
	before, block, after, ok := line.CutBlock(answer)
	fmt.Printf("%q\n%q %v %q %v\n", answer, before, block, after, ok)
	// Output:
	// "VOLT:DATA #13\x01\x02\x03;*OPC"
	// "VOLT:DATA " [1 2 3] ";*OPC" true
}
