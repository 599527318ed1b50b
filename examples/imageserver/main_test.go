package main

import (
	"bytes"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/examples/internal/proctest"
	"github.com/serpy-go/serpy/examples/internal/recorded"
)

func TestMain(m *testing.M) { proctest.Main(m, main) }

// The original's sessions, byte by byte.
func TestRecorded(t *testing.T) {
	_, address := proctest.Server(t)
	recorded.Read(t, "v2_instrument_512x512").Replay(t, address)
	_, address = proctest.Server(t, "-size", "16x8")
	recorded.Read(t, "v2_instrument_16x8_full").Replay(t, address)
}

// Each wire's client has the image that the original sent.
func TestAllWires(t *testing.T) {
	values := recorded.Read(t, "v2_instrument_512x512").Values
	require.Len(t, values, 2)
	s, address := proctest.Server(t)
	_, lines := proctest.Server(t, "-wires", "native,serpy2,line")
	for wire, to := range map[string]string{"native": address, "serpy": address, "serpy2": address, "line": lines} {
		t.Run(wire, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "image.raw")
			for i, number := range []string{"1", "12"} {
				p := proctest.Self(t, "get", "get", "-addr", to, "-wire", wire, "-wait", "1m", "-o", path, number)
				p.Says(t, "the image of "+number+", 1048576 bytes in ")
				p.Ends(t)
				content, err := os.ReadFile(path)
				require.NoError(t, err)
				require.Equal(t, values[i], recorded.Sum(content))
			}
		})
	}
	s.Says(t, "get (native, ")
}

func TestPicture(t *testing.T) {
	_, address := proctest.Server(t, "-size", "5x9")
	path := filepath.Join(t.TempDir(), "image.PNG")
	p := proctest.Self(t, "get", "get", "-addr", address, "-size", "5x9", "-wait", "1m", "-o", path, "--", "1")
	p.Ends(t)
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	got, err := png.Decode(f)
	require.NoError(t, err)
	require.Equal(t, image.Rect(0, 0, 5, 9), got.Bounds())
	for at, want := range map[image.Point]uint32{{0, 0}: 0x8000, {0, 4}: 0xffff, {4, 4}: 0, {2, 4}: 0x8000} { // cos x sin y
		grey, _, _, _ := got.At(at.X, at.Y).RGBA()
		assert.Equal(t, want, grey, at)
	}

	// What a server sends need not be between -1 and 1, or a number.
	s := size{2, 2}
	strange := s.picture([]byte("\x00\x00\xc0\x7f" + "\x00\x00\x80\x7f" + "\x00\x00\x80\xff" + "\x00\x00\x80\x3f"))
	assert.Equal(t, []byte{0, 0, 255, 255, 0, 0, 255, 255}, strange.Pix)
}

// The wrong server, or another size, is told.
func TestNoImage(t *testing.T) {
	_, address := proctest.Server(t, "-size", "4x4")
	path := filepath.Join(t.TempDir(), "image.raw")
	var out, errOut bytes.Buffer
	require.Equal(t, 1, run(t.Context(), []string{"get", "-addr", address, "-wait", "1m", "-o", path, "3"}, &out, &errOut))
	assert.Contains(t, errOut.String(), "64 bytes came, which is no image of 512x512")
	assert.NoFileExists(t, path)

	mute := proctest.Other(t, "broadcast", "-addr", "127.0.0.1:0")
	address = mute.Listens(t)
	require.Equal(t, 1, run(t.Context(), []string{"get", "-addr", address, "-wire", "serpy2", "-wait", "100ms", "-o", path, "3"}, &out, &errOut))
	assert.Contains(t, errOut.String(), "no image came from "+address+" within 100ms")
	assert.NoFileExists(t, path)
}

func TestFlags(t *testing.T) {
	use := proctest.Uses(t, run)
	use(2, "get or serve?")
	use(2, `"send" is no command`, "send")
	use(2, `-wires "x": choose`, "serve", "-wires", "x")
	use(2, "give columns and rows, of 2 to 1024 each", "serve", "-size", "1025x2")
	use(2, "give columns and rows, of 2 to 1024 each", "serve", "-size", "2x1")
	use(2, "give columns and rows, of 2 to 1024 each", "serve", "-size", "2x2x2")
	use(2, "give columns and rows, of 2 to 1024 each", "get", "-size", "big", "3")
	use(2, "the number is missing", "get")
	use(2, `"many" is no whole number`, "get", "many")
	use(2, `"2" is too much`, "get", "1", "2")
	use(2, `-wire "x": choose`, "get", "-wire", "x", "1")
	use(2, "-wait -1s: give", "get", "-wait", "-1s", "1")
	use(1, "Start imageserver serve there first", "get", "-addr", "127.0.0.1:1", "1")
	use(1, "Choose another place", "serve", "-addr", "unix:///no/such/folder/socket")
	use(0, "cos(x) sin(y)", "-help")
	use(0, "-size", "serve", "-help")
	use(0, "-o file", "get", "-help")
}
