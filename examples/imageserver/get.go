package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"image/png"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/examples/internal/cli"
	"github.com/serpy-go/serpy/examples/internal/wires"
	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/line"
)

const getUsage = `imageserver get [flags] number fetches the image of a number from imageserver serve.
A negative number stands behind --, as in imageserver get -- -3.

Flags:
`

// order is what the flags of get say, checked.
type order struct {
	address string
	wire    protocol.Codec
	size    size
	path    string
	wait    time.Duration
	number  int64
}

func parseGet(args []string, stderr io.Writer) (o order, err error) {
	set := flag.NewFlagSet("imageserver get", flag.ContinueOnError)
	set.StringVar(&o.address, "addr", meetingPoint, "`address` of imageserver serve, as "+cli.Dials)
	wire := set.String("wire", "native", "`wire` to speak: native, serpy, serpy2 or line")
	o.size = size{512, 512}
	set.Var(&o.size, "size", "`WxH`, the columns and rows that the server's images have")
	set.StringVar(&o.path, "o", "", "`file` to write: a picture if it ends with .png, else the float32s; image-N.png if\nnothing is said")
	set.DurationVar(&o.wait, "wait", 10*time.Second, "`time` to wait for the image")
	if err := cli.Parse(set, getUsage, args, 1, stderr); err != nil {
		return o, err
	}
	if o.wire, err = wires.Parse(*wire, wires.Line); err != nil {
		return o, cli.Usage("-wire %v", err)
	}
	if set.NArg() == 0 {
		return o, cli.Usage("the number is missing, as in imageserver get 12; see imageserver get -help")
	}
	if o.number, err = strconv.ParseInt(set.Arg(0), 10, 64); err != nil {
		return o, cli.Usage("%q is no whole number of 64 bits", set.Arg(0))
	}
	if o.wait <= 0 {
		return o, cli.Usage("-wait %v: give more than 0", o.wait)
	}
	if o.path == "" {
		o.path = fmt.Sprintf("image-%d.png", o.number)
	}
	return o, nil
}

func get(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseGet(args, stderr)
	if err != nil {
		return err
	}
	data, took, err := o.fetch(ctx)
	if err != nil {
		return err
	}
	content := data
	if strings.HasSuffix(strings.ToLower(o.path), ".png") {
		var picture bytes.Buffer
		if err := png.Encode(&picture, o.size.picture(data)); err != nil {
			return err
		}
		content = picture.Bytes()
	}
	if err := os.WriteFile(o.path, content, 0o644); err != nil { //nolint:gosec // a picture is no secret
		return err
	}
	fmt.Fprintf(stdout, "%s: the image of %d, %d bytes in %v by the %s wire, SHA-256 %x\n",
		o.path, o.number, len(data), took.Round(100*time.Microsecond), o.wire.Name(), sha256.Sum256(data))
	return nil
}

// fetch asks for the image, and gives its float32s, and how long they took to come.
func (o *order) fetch(ctx context.Context) (data []byte, took time.Duration, err error) {
	c, err := serpy.Dial(ctx, o.address, &serpy.Options{Name: "get", Wires: []protocol.Codec{o.wire}})
	if err != nil {
		return nil, 0, cli.CannotReach(err, o.address, "imageserver serve")
	}
	defer c.Close()
	m, err := serpy.ValueMessage(o.number)
	if err != nil {
		return nil, 0, err
	}
	begin := time.Now()
	if _, err := c.SendMessage(ctx, m); err != nil {
		return nil, 0, err
	}
	waiting, cancel := context.WithTimeout(ctx, o.wait)
	defer cancel()
	answer, err := c.Receive(waiting)
	took = time.Since(begin)
	if err != nil {
		return nil, 0, fmt.Errorf("no image came from %s within %v (%w)\nIs that imageserver serve, and does it speak the %s wire?", o.address, o.wait, err, o.wire.Name())
	}
	data = answer.Data
	if o.wire.Name() == wires.Line.Name() {
		_, data, _, _ = line.CutBlock(data)
	}
	if len(data) != o.size.bytes() {
		return nil, 0, fmt.Errorf("%d bytes came, which is no image of %s: give the -size that the server has", len(data), &o.size)
	}
	return data, took, nil
}
