package serpy_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/charset"
	lines "github.com/serpy-go/serpy/protocol/line"
	"github.com/serpy-go/serpy/protocol/npipes"
	"github.com/serpy-go/serpy/transport"
)

var pipes atomic.Int64

// pipe is the address of a named pipe of the test's own, and options for it: sockets
// in a folder stand for pipes where the system has none.
func pipe(t *testing.T, wire protocol.Codec) (address string, o *serpy.Options) {
	t.Helper()
	dir, err := os.MkdirTemp("", "p") //nolint:usetesting // t.TempDir is too long for sun_path on macOS
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	o = &serpy.Options{Wires: []protocol.Codec{wire}, Transport: transport.Options{PipeFolder: dir}}
	return fmt.Sprintf("npipe://./pipe/serpy-root-%d-%d", os.Getpid(), pipes.Add(1)), o
}

// dialPipe dials for the length of the test.
func dialPipe(t *testing.T, address string, o *serpy.Options) *serpy.Connection {
	t.Helper()
	c, err := serpy.Dial(within(t, time.Minute), address, o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// servePipe serves for the length of the test.
func servePipe(t *testing.T, address string, o *serpy.Options, h serpy.Handler) {
	t.Helper()
	s, err := serpy.Listen(address, o)
	require.NoError(t, err)
	require.Equal(t, address, s.Address())
	done := make(chan struct{})
	go func() {
		defer close(done)
		assert.NoError(t, s.Serve(context.Background(), h))
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
}

// The server of a pipe in its mode of lines.
func TestPipeOfLines(t *testing.T) {
	wire := lines.Wire{EOL: "\r\n", MaxLine: 2048, Charset: charset.Latin1}
	address, o := pipe(t, wire)
	servePipe(t, address, o, func(ctx context.Context, c *serpy.Connection) error {
		for m := range c.Messages(ctx) {
			if err := c.Send(ctx, m.Data); err != nil {
				return err
			}
		}
		return c.Err()
	})
	for range 3 { // and clients at once
		c := dialPipe(t, address, o)
		for i := range 100 {
			want := fmt.Sprintf("Zeile %d für alle", i)
			require.NoError(t, c.Send(t.Context(), []byte(want)))
			m := get(t, c)
			require.Equal(t, want, m.String())
			require.Equal(t, serpy.Text, m.Type)
		}
		require.ErrorIs(t, c.Send(t.Context(), []byte("a\r\nb")), serpy.ErrUnsupported)
		require.ErrorIs(t, c.Send(t.Context(), make([]byte, 2049)), serpy.ErrTooLarge)
	}
}

// The native wire keeps its promises over a pipe, links that are cut included.
func TestPipeOfTheNativeWire(t *testing.T) {
	address, o := pipe(t, serpy.Native)
	o.Reconnect.Min = time.Millisecond
	got := make(chan string, 300)
	servePipe(t, address, o, func(ctx context.Context, c *serpy.Connection) error {
		for m := range c.Messages(ctx) {
			got <- m.String()
		}
		return c.Err()
	})
	c := dialPipe(t, address, o)
	for i := range 300 {
		require.NoError(t, c.Send(t.Context(), fmt.Append(nil, i)))
		if i%100 == 50 {
			require.NoError(t, c.Reconnect())
		}
	}
	require.NoError(t, c.Flush(within(t, time.Minute)))
	for i := range 300 {
		require.Equal(t, fmt.Sprint(i), <-got)
	}
	require.Greater(t, c.Stats().Links, 1)
}

// One side sends and the other receives, both as the original does: whoever comes
// first makes the pipe, and each message has a connection of its own.
func TestPipeOfTwoThatSpeakNpipes(t *testing.T) {
	address, o := pipe(t, npipes.Wire{CRC: true})
	o.Reconnect.Min = time.Millisecond
	o.Reconnect.FirstDial = serpy.InBackground
	sender := dialPipe(t, address, o)
	receiver := dialPipe(t, address, o)
	const many = 20
	go func() {
		for i := range many {
			assert.NoError(t, sender.Send(t.Context(), fmt.Append(nil, "message ", i)))
		}
	}()
	for i := range many {
		m, err := receiver.Receive(within(t, time.Minute))
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint("message ", i), m.String())
		require.Equal(t, serpy.Text, m.Type)
	}
	require.ErrorIs(t, sender.SendAcked(t.Context(), []byte("x")), serpy.ErrUnsupported)
	require.ErrorIs(t, sender.Send(t.Context(), []byte("é")), serpy.ErrUnsupported)
	require.ErrorIs(t, sender.Send(t.Context(), make([]byte, npipes.MaxPayload+1)), serpy.ErrTooLarge)
}

// A server takes one message of each connection.
func TestPipeOfAServerThatSpeaksNpipes(t *testing.T) {
	address, o := pipe(t, npipes.Wire{CRC: true})
	got := make(chan string, 20)
	servePipe(t, address, o, func(ctx context.Context, c *serpy.Connection) error {
		for m := range c.Messages(ctx) {
			got <- m.String()
		}
		return c.Err()
	})
	c := dialPipe(t, address, o)
	for i := range cap(got) {
		require.NoError(t, c.Send(t.Context(), fmt.Append(nil, i)))
	}
	require.NoError(t, c.Flush(within(t, time.Minute)))
	var all, want []string // by connections at once
	for i := range cap(got) {
		all, want = append(all, <-got), append(want, fmt.Sprint(i))
	}
	require.ElementsMatch(t, want, all)
}

// The bytes are those of the original, and one write.
func TestPipeOfOneMessage(t *testing.T) {
	address, o := pipe(t, npipes.Wire{CRC: true})
	a, err := transport.Parse(address)
	require.NoError(t, err)
	other := o.Transport
	other.PipeMessages = true
	o.Reconnect.FirstDial = serpy.InBackground
	c := dialPipe(t, address, o)

	require.NoError(t, c.Send(t.Context(), []byte("Hello")))
	end, _, err := transport.Meet(within(t, time.Minute), a, other)
	require.NoError(t, err)
	b := make([]byte, 65536)
	n, err := end.Read(b)
	require.NoError(t, err)
	assert.Equal(t, "0000000d0000000548656c6c6ff7d18982", hex.EncodeToString(b[:n]))
	_, err = end.Read(b)
	require.ErrorIs(t, err, io.EOF, "the connection is over")
	require.NoError(t, end.Close())

	received := make(chan serpy.Message)
	go func() {
		m, err := c.Receive(within(t, time.Minute))
		assert.NoError(t, err)
		received <- m
	}()
	end, _, err = transport.Meet(within(t, time.Minute), a, other)
	require.NoError(t, err)
	message, err := npipes.Wire{CRC: true}.Append(nil, []byte("and back"))
	require.NoError(t, err)
	_, err = end.Write(message)
	require.NoError(t, err)
	require.NoError(t, end.Close())
	assert.Equal(t, "and back", (<-received).String())
}

func TestWiresAreValidated(t *testing.T) {
	_, err := serpy.Listen("127.0.0.1:0", &serpy.Options{Wires: []protocol.Codec{lines.Wire{MaxLine: -1}}})
	var bad *serpy.OptionError
	require.ErrorAs(t, err, &bad)
	require.Equal(t, "Wires", bad.Field)
}
