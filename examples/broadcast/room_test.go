package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
)

// patience is how long a test waits for what should come soon.
const patience = time.Minute

// A running room.
type running struct {
	address string // host:port
	said    chan string
	stop    context.CancelFunc
	code    chan int
}

// start runs the program in this process.
func start(t *testing.T, args ...string) *running {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	printed, out := io.Pipe()
	r := &running{said: make(chan string, 10_000), stop: stop, code: make(chan int, 1)}
	go func() { // the room never waits for the test
		defer close(r.said)
		for lines := bufio.NewScanner(printed); lines.Scan(); {
			r.said <- lines.Text()
		}
	}()
	go func() {
		r.code <- run(ctx, append([]string{"-addr", "127.0.0.1:0"}, args...), out, out)
		_ = out.Close()
	}()
	r.address = strings.TrimPrefix(r.says(t, "listening on "), "tcp://")
	t.Cleanup(func() {
		stop()
		for line := range r.said {
			t.Log(line)
		}
	})
	return r
}

// says reads what the room prints up to a line that contains part, and gives what
// follows it.
func (r *running) says(t *testing.T, part string) string {
	t.Helper()
	for line := range r.said {
		t.Log(line)
		if _, rest, ok := strings.Cut(line, part); ok {
			return rest
		}
	}
	require.FailNow(t, "it ended without saying "+part)
	return ""
}

// A raw client is what an old program is to the room: bytes.
type raw struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func (r *running) dial(t *testing.T) *raw {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", r.address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	return &raw{t, conn, bufio.NewReader(conn)}
}

func (c *raw) write(s string) {
	c.t.Helper()
	_, err := io.WriteString(c.conn, s)
	require.NoError(c.t, err)
}

// reads expects exactly these bytes.
func (c *raw) reads(want string) {
	c.t.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(c.in, got)
	assert.Equal(c.t, want, string(got[:n]))
	require.NoError(c.t, err)
}

// serpy2 is a message of serpy2.
func serpy2(kind byte, body string) string {
	sum := uint32(0)
	for i := range len(body) {
		sum += uint32(body[i])
	}
	b := append([]byte("\xde\xca\xfe\xca\xfe"), kind)
	b = binary.LittleEndian.AppendUint32(b, sum)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(body)))
	return string(b) + body
}

func dialNative(t *testing.T, r *running, name string) *serpy.Connection {
	t.Helper()
	c, err := serpy.Dial(t.Context(), r.address, &serpy.Options{Name: name})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func receive(t *testing.T, c *serpy.Connection) serpy.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	m, err := c.Receive(ctx)
	require.NoError(t, err)
	return m
}

// TestThreeWires: each message reaches the two others in the form of their wire, and the
// end of the room, too.
func TestThreeWires(t *testing.T) {
	r := start(t)
	native := dialNative(t, r, "Ada")
	r.says(t, "Ada (native, ")
	one := r.dial(t)
	one.write("\x01SETMODE0\x1f")
	one.reads("\x01ACKMODCG\x1f")
	r.says(t, "somebody (serpy, ")
	two := r.dial(t)
	two.write(serpy2(0x21, "Max is here"))
	r.says(t, "somebody (serpy2, ")
	one.reads("\x01SETMODE0\x1fMax is here\x1f")
	assert.Equal(t, "Max is here", receive(t, native).String())

	_, err := native.SendMessage(t.Context(), serpy.TextMessage("Ada : hé"))
	require.NoError(t, err)
	one.reads("Ada : hé\x1f")
	two.reads(serpy2(0x21, "Ada : hé"))

	one.write("Sue : hi\x1f")
	two.reads(serpy2(0x21, "Sue : hi"))
	m := receive(t, native)
	assert.Equal(t, serpy.Text, m.Type)
	assert.Equal(t, "Sue : hi", m.String())

	// Bytes in base85 are no text, a number is one to serpy, and an acknowledged
	// message is acknowledged.
	one.write("\x01SETMODE3\x1f0R$fa\x04\x1f")
	one.reads("\x01ACKMODCG\x1f\x01ACKEOT!!\x1f")
	two.reads(serpy2(0x81, "\x01\x04\x1f\x00"))
	m = receive(t, native)
	assert.Equal(t, serpy.Bytes, m.Type)
	assert.Equal(t, "\x01\x04\x1f\x00", m.String())
	two.write(serpy2(0x01, "\x2a\x00\x00\x00\x00\x00\x00\x00") + serpy2(0x81, "\x1f\x01"))
	one.reads("42\x1f\x01SETMODE2\x1f9{~\x1f")
	v, err := receive(t, native).Value()
	require.NoError(t, err)
	assert.Equal(t, int64(42), v)
	assert.Equal(t, "\x1f\x01", receive(t, native).String())

	two.write(serpy2(0x21, "/KTHXBYE"))
	r.says(t, "ends the room")
	one.reads("\x01SETMODE0\x1f/KTHXBYE\x1f")
	two.reads(serpy2(0x21, "/KTHXBYE"))
	assert.Equal(t, "/KTHXBYE", receive(t, native).String())
	_, err = one.in.ReadByte()
	require.ErrorIs(t, err, io.EOF)
	_, err = two.in.ReadByte()
	require.ErrorIs(t, err, io.EOF)
	r.says(t, "closed")
	require.Zero(t, <-r.code)
}

// TestSilentClient: one that only listens is taken for the first wire that is not
// native.
func TestSilentClient(t *testing.T) {
	r := start(t, "-wires", "native,serpy2,serpy")
	silent := r.dial(t)
	r.says(t, "somebody (serpy2, ")
	native := dialNative(t, r, "Ada")
	_, err := native.SendMessage(t.Context(), serpy.TextMessage("Ada : hi"))
	require.NoError(t, err)
	silent.reads(serpy2(0x21, "Ada : hi"))
	r.stop()
	silent.reads(serpy2(0x21, "/KTHXBYE"))
	r.says(t, "closed")
	require.Zero(t, <-r.code)
}

// TestNobodyStallsTheRoom: one that never reads misses what has no room, and is told
// of; the others have all.
func TestNobodyStallsTheRoom(t *testing.T) {
	r := start(t)
	deaf := r.dial(t)
	deaf.write("deaf\x1f")
	r.says(t, "somebody (serpy, ")
	reader := dialNative(t, r, "reader")
	r.says(t, "reader")
	writer := dialNative(t, r, "writer")
	r.says(t, "writer")

	const messages = 300
	body := strings.Repeat("x", 64<<10)
	for i := range messages {
		_, err := writer.SendMessage(t.Context(), serpy.TextMessage(fmt.Sprint(i, " ", body)))
		require.NoError(t, err)
		text := receive(t, reader).String()
		if text == "deaf" { // said before the reader came, and passed on after
			text = receive(t, reader).String()
		}
		require.Equal(t, fmt.Sprint(i, " "), text[:len(fmt.Sprint(i, " "))])
	}
	r.says(t, "missed by clients that do not read")
}
