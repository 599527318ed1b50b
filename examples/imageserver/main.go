// Command imageserver answers a number by the image of it, and fetches such images, on
// the wire of your choice. See -help, and README.md in the folder above.
package main

import (
	"context"
	"io"

	"github.com/serpy-go/serpy/examples/internal/cli"
)

func main() { cli.Main(run) }

const usage = `imageserver answers a number n by an image: 512x512 float32, little endian, row by row,
of cos(x) sin(y), where x and y go from 0 to n pi.

  imageserver serve                            on this machine, for all wires, until Ctrl-C
  imageserver get 12                           fetch the image of 12 into image-12.png
  imageserver get -wire serpy2 -o 12.raw 12    the numbers themselves, as serpy2's clients get them

imageserver serve -help and imageserver get -help list their flags.
`

// meetingPoint is where the two meet when -addr says nothing.
const meetingPoint = "127.0.0.1:8003"

var commands = map[string]cli.Command{"serve": serve, "get": get}

// run is the whole program but for the signals; its result is the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return cli.Code(cli.Choose(ctx, "imageserver", usage, commands, args, stdout, stderr), "imageserver", stderr)
}
