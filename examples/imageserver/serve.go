package main

import (
	"context"
	"flag"
	"io"
	"strconv"
	"strings"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/examples/internal/cli"
	"github.com/serpy-go/serpy/examples/internal/host"
	"github.com/serpy-go/serpy/examples/internal/wires"
	"github.com/serpy-go/serpy/protocol/line"
)

const serveUsage = `imageserver serve answers each number by the image of it, until Ctrl-C. What is no
number has no answer.

Flags:
`

func serve(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	set := flag.NewFlagSet("imageserver serve", flag.ContinueOnError)
	address := set.String("addr", meetingPoint, "`address` to listen on, as "+cli.Listens)
	list := set.String("wires", wires.All, "`wires` that clients may speak: of native, serpy, serpy2 and line")
	s := size{512, 512}
	set.Var(&s, "size", "`WxH`, the columns and rows of an image")
	if err := cli.Parse(set, serveUsage, args, 0, stderr); err != nil {
		return err
	}
	all, err := wires.ParseList(*list, wires.Line)
	if err != nil {
		return cli.Usage("-wires %v", err)
	}
	return host.Serve(ctx, *address, &serpy.Options{Name: "imageserver", Wires: all}, stdout, s.answer)
}

// answer answers the numbers of one client. One who does not read has a few images in the
// queue, and then no more of his numbers are read.
func (s *size) answer(ctx context.Context, c *serpy.Connection) error {
	for m := range c.Messages(ctx) {
		n, ok := number(&m)
		if !ok {
			continue
		}
		image := s.compute(n)
		if c.Peer().Wire == wires.Line.Name() {
			image = line.AppendBlock(nil, image)
		}
		if _, err := c.SendMessage(ctx, serpy.Message{Data: image, NoCopy: true}); err != nil {
			return err
		}
	}
	return c.Err()
}

// number gives the number in a message. On wires without types it is written in digits.
func number(m *serpy.Message) (n int64, ok bool) {
	switch v, _ := m.Value(); v := v.(type) {
	case int64:
		return v, true
	case []byte:
		n, err := strconv.ParseInt(strings.TrimSpace(string(v)), 10, 64)
		return n, err == nil
	}
	return 0, false
}
