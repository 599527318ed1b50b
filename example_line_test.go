package serpy_test

import (
	"context"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/charset"
	lines "github.com/serpy-go/serpy/protocol/line"
)

// scpi is what most instruments speak that speak SCPI: lines of text, and blocks of any
// bytes within them.
var scpi = lines.Wire{
	EOL:     "\n",
	Ends:    [3]string{"\r\n"}, // so some end their answers
	MaxLine: 4096,
	Charset: charset.Latin1,
	Blocks:  true,
}

// scope answers queries, as an oscilloscope does.
func scope(ctx context.Context, c *serpy.Connection) error {
	for m := range c.Messages(ctx) {
		var answer []byte
		switch strings.ToUpper(m.String()) {
		case "*IDN?":
			answer = []byte("ACME,Scope 2,0815,1.0")
		case "CH1:UNIT?":
			answer = []byte("µV")
		case "CURVE?":
			answer = lines.AppendBlock([]byte("CURVE "), []byte("\x03\x01\n\x04\r\n")) // ends of line within
		default:
			continue // a command has no answer
		}
		if err := c.Send(ctx, answer); err != nil {
			return err
		}
	}
	return c.Err()
}

// An instrument that speaks SCPI, and a program that asks it. With a real one only the
// address is another: its host, and port 5025 for most.
func Example_scpi() {
	o := &serpy.Options{Wires: []protocol.Codec{scpi}}
	s, stop := newServer(scope, o)
	defer stop()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := serpy.Dial(ctx, s.Address(), o)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	ask := func(query string) serpy.Message {
		if err := c.Send(ctx, []byte(query)); err != nil {
			log.Fatal(err)
		}
		m, err := c.Receive(ctx)
		if err != nil {
			log.Fatal(err)
		}
		return m
	}
	if err := c.Send(ctx, []byte("CH1:SCALE 0.5")); err != nil {
		log.Fatal(err)
	}
	fmt.Println(ask("*IDN?"))
	fmt.Println(ask("CH1:UNIT?"))
	head, samples, _, ok := lines.CutBlock(ask("CURVE?").Data)
	fmt.Printf("%q %v %v\n", head, samples, ok)
	fmt.Println(c.Send(ctx, []byte("*RST\n*CLS"))) // two lines are no message
	// Output:
	// ACME,Scope 2,0815,1.0
	// µV
	// "CURVE " [3 1 10 4 13 10] true
	// serpy: send: line: an end of line at byte 4 of a message: unsupported operation
}
