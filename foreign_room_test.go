package serpy_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/charset"
	wireline "github.com/serpy-go/serpy/protocol/line"
	"github.com/serpy-go/serpy/protocol/npipes"
	"github.com/serpy-go/serpy/protocol/serpy1"
	"github.com/serpy-go/serpy/protocol/serpy2"
)

// allWires are those of one room; serpy takes whatever no other wire does.
func allWires() []protocol.Codec {
	return []protocol.Codec{serpy.Native, serpy2.Wire{}, serpy1.Wire{}}
}

// room is a server whose every message goes to all others.
func room(t *testing.T, o *serpy.Options) *serpy.Server {
	t.Helper()
	s, err := serpy.Listen("tcp://127.0.0.1:0", o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- s.Serve(ctx, func(ctx context.Context, c *serpy.Connection) error {
			for m := range c.Messages(ctx) {
				if _, err := s.Broadcast(m, c); err != nil {
					return err
				}
			}
			return c.Err()
		})
	}()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-served)
	})
	return s
}

// The bytes of the old programs, from their recordings: a text and an image's worth of
// bytes in serpy, and the same in serpy2.
func serpy1Says(text string) string { return "\x01SETMODE0\x1f" + text + "\x1f" }

func serpy2Says(kind byte, body string) string {
	var sum uint32
	for _, b := range []byte(body) {
		sum += uint32(b)
	}
	le := func(v uint32) string { return string([]byte{byte(v), byte(v >> 8), byte(v >> 16), byte(v >> 24)}) }
	return "\xde\xca\xfe\xca\xfe" + string([]byte{kind}) + le(sum) + le(uint32(len(body))) + body
}

func TestOneRoomForAllWires(t *testing.T) {
	s := room(t, &serpy.Options{Wires: allWires(), SilentWire: -1})
	native := dial(t, s, nil)
	one := raw(t, s, "\x01SETMODE0\x1f")
	hears(t, one, "\x01ACKMODCG\x1f")
	two := raw(t, s, serpy2Says(0x21, "I am here"))
	assert.Equal(t, "I am here", get(t, native).String())
	hears(t, one, serpy1Says("I am here"))

	_, _ = one.Write([]byte("from serpy\x1f"))
	m := get(t, native)
	assert.Equal(t, "from serpy", m.String())
	hears(t, two, serpy2Says(0x81, "from serpy"))

	_, _ = one.Write([]byte("\x01SETMODE3\x1f" + "W^Z+J" + "\x04\x1f"))
	m = get(t, native)
	assert.Equal(t, "four", m.String())
	assert.Equal(t, serpy.Base85Acked, m.Mode)
	hears(t, two, serpy2Says(0x81, "four"))
	hears(t, one, "\x01ACKMODCG\x1f\x01ACKEOT!!\x1f")

	value, err := serpy.ValueMessage(-2)
	require.NoError(t, err)
	_, err = native.SendMessage(t.Context(), value)
	require.NoError(t, err)
	hears(t, one, "-2\x1f")
	hears(t, two, serpy2Says(0x01, "\xfe\xff\xff\xff\xff\xff\xff\xff"))
	_, _ = two.Write([]byte(serpy2Says(0x11, "0x1.8p+01")))
	m = get(t, native)
	v, err := m.Value()
	require.NoError(t, err)
	assert.InDelta(t, 3.0, v, 0)
	hears(t, one, "3.0\x1f")

	require.NoError(t, native.Send(t.Context(), []byte("\x1f\x00\x01\x04")))
	hears(t, one, "\x01SETMODE2\x1f9{>Ra\x1f")
	hears(t, two, serpy2Says(0x81, "\x1f\x00\x01\x04"))
	require.NoError(t, native.SendAcked(t.Context(), []byte("acked")))
	hears(t, one, "\x01SETMODE1\x1facked\x04\x1f")
	hears(t, two, serpy2Says(0x81, "acked"))
}

// A hundred clients of each wire, and one who never reads and keeps nobody waiting.
func TestACrowdOnAllWiresWithOneWhoNeverReads(t *testing.T) {
	const each, said = 100, 20
	wires := allWires()
	s, err := serpy.Listen("tcp://127.0.0.1:0", &serpy.Options{
		Wires: wires, SilentWire: -1, SendQueue: serpy.Queue{Messages: 64, Policy: serpy.DropOldest}, CloseTimeout: 200 * time.Millisecond, WriteStall: -1,
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	deafOne := raw(t, s, serpy1Says("I never read"))
	require.NoError(t, deafOne.(*net.TCPConn).SetReadBuffer(4<<10))
	slow := accepted(t, s)
	for filler := make([]byte, 100_000); slow.Stats().Dropped == 0; { // until its queue is full, too
		_, err = s.Broadcast(serpy.Message{Data: filler})
		require.NoError(t, err)
	}

	ctx := within(t, 5*time.Minute)
	var reading sync.WaitGroup
	heard := make([]atomic.Int64, said) // how many heard each message
	all := make(chan int, said)         // those that everybody heard
	for i := range each * len(wires) {
		o := on(wires[i%len(wires)])
		o.CloseTimeout = 200 * time.Millisecond
		c := dial(t, s, o)
		require.NoError(t, c.Send(t.Context(), []byte("hello"))) // serpy2 is known by its first message
		a := accepted(t, s)
		require.Equal(t, wires[i%len(wires)].Name(), a.Peer().Wire)
		require.Equal(t, "hello", get(t, a).String())
		reading.Go(func() {
			for n := range said {
				m, err := c.Receive(ctx)
				if !assert.NoError(t, err) || !assert.Equal(t, fmt.Sprint("message ", n), m.String()) {
					return
				}
				if heard[n].Add(1) == int64(each*len(wires)) {
					all <- n
				}
			}
		})
	}
	for n := range said {
		missed, err := s.Broadcast(serpy.Message{Data: fmt.Append(nil, "message ", n)})
		require.NoError(t, err)
		require.LessOrEqual(t, missed, 1)
		select {
		case got := <-all:
			require.Equal(t, n, got)
		case <-ctx.Done():
			require.Fail(t, "not everybody hears it")
		}
	}
	reading.Wait()
	assert.Equal(t, serpy.Up, slow.State(), "whoever never reads is dropped by WriteStall alone")
}

// mangled gives bytes that a peer of a wire must not send, and what becomes of the link.
var mangled = []struct {
	wire  protocol.Codec
	what  string
	bytes string
	lives bool
	fault string
}{
	{serpy1.Wire{}, "bad base85", "\x01SETMODE2\x1f\x22\x22\x22\x22\x1f", true, "mode 2"},
	{serpy1.Wire{}, "bad base85, to be acknowledged", "\x01SETMODE3\x1f|NsC1\x04\x1f", true, "mode 3"},
	{serpy1.Wire{}, "a SETMODE without a digit", "\x01SETMODEx\x1f", true, "SETMODE"},
	{serpy1.Wire{}, "a mode in which everything vanishes", "\x01SETMODE7\x1f", false, "mode 7"},
	{serpy1.Wire{}, "an acknowledgement of nothing", "\x01ACKEOT!!\x1f", true, "acknowledged what was not sent"},
	{serpy1.Wire{}, "a block without an end", strings.Repeat("x", 5000), false, "4096"},
	{serpy1.Wire{}, "a text of many blocks", "\x01SETMODE1\x1f" + strings.Repeat(strings.Repeat("x", 1000)+"\x1f", 6), false, "4096"},
	{serpy1.Wire{}, "two ends of text", "\x01SETMODE1\x1fa\x04b\x04\x1f\x01SETMODE0\x1f", true, ""},
	{serpy1.Wire{}, "a pickle of nothing", "\x01SETMODE4\x1f0\x1f", true, "pickle"},
	{serpy2.Wire{}, "a wrong sum", "\xde\xca\xfe\xca\xfe\x81\x00\x00\x00\x00\x01\x00\x00\x00x", true, "sum"},
	{serpy2.Wire{}, "an unknown type", serpy2Says(0x44, "x"), true, "type"},
	{serpy2.Wire{}, "a text that is none", serpy2Says(0x21, "\xff"), true, "UTF-8"},
	{serpy2.Wire{}, "an empty float", serpy2Says(0x11, ""), true, "float"},
	{serpy2.Wire{}, "a float out of range", serpy2Says(0x11, "0x1p+9999"), true, "float"},
	{serpy2.Wire{}, "a long int", serpy2Says(0x01, strings.Repeat("\x01", 9)), true, "int"},
	{serpy2.Wire{}, "no head", "garbage that is long enough", false, "beginning"},
	{serpy2.Wire{}, "a length that is a lie", "\xde\xca\xfe\xca\xfe\x81\x00\x00\x00\x00\xff\xff\xff\xff", false, "4294967295"},
	{wireline.Wire{MaxLine: 20}, "a long line", strings.Repeat("x", 30) + "\n", true, "too long"},
	{wireline.Wire{MaxLine: 20, Long: wireline.Refuse}, "a long line that ends it", strings.Repeat("x", 30) + "\n", false, "too long"},
	{wireline.Wire{Charset: charset.UTF8}, "a line that is no text", "\xff\n", true, "line"},
	{wireline.Wire{Blocks: true}, "a block that is too large", "#9999999999", false, "block"},
}

// Every kind of bad input is told, and has the consequence that the wire's rules say;
// the connection goes on where it may, and is never deaf.
func TestMangledInput(t *testing.T) {
	greeting := map[string]string{"serpy": "hello\x1f", "serpy2": serpy2Says(0x81, "hello"), "line": "hello\n"}
	again := map[string]string{"serpy": "\x01SETMODE0\x1fagain\x1f", "serpy2": serpy2Says(0x81, "again"), "line": "again\n"}
	for _, bad := range mangled {
		t.Run(bad.wire.Name()+"/"+bad.what, func(t *testing.T) {
			o := on(bad.wire)
			o.MaxMessage = 4096
			s, err := serpy.Listen("tcp://127.0.0.1:0", o)
			require.NoError(t, err)
			t.Cleanup(func() { _ = s.Close() })
			conn := raw(t, s, greeting[bad.wire.Name()])
			c := accepted(t, s)
			require.Equal(t, "hello", get(t, c).String())
			_, _ = conn.Write([]byte(bad.bytes + again[bad.wire.Name()]))
			if !bad.lives {
				<-c.Done()
				var wrong *serpy.ProtocolError
				require.ErrorAs(t, c.Err(), &wrong)
				require.ErrorContains(t, wrong, bad.fault)
				return
			}
			for m := range c.Messages(within(t, time.Minute)) {
				if m.String() == "again" {
					break
				}
			}
			require.NoError(t, c.Err())
			if bad.fault != "" {
				require.ErrorContains(t, event[serpy.WireFault](t, c).Err, bad.fault)
			}
			require.NoError(t, c.Send(t.Context(), []byte("not deaf")))
			require.NoError(t, c.Flush(t.Context()))
		})
	}
}

// A message of npipes that is none ends its link, and says why; one that is cut short is
// told, too, and none is taken for an empty text.
func TestMangledMessagesOfNpipes(t *testing.T) {
	for bad, fault := range map[string]string{
		"\x00\x00\x00\x0d\x00\x00\x00\x05Hello\x00\x00\x00\x01":    "CRC",
		"\x00\x00\x00\x0e\x00\x00\x00\x05Hello\xf7\xd1\x89\x82":    "message length",
		"\x00\x00\x00\x0d\x00\x00\x00\x05Hello\xf7\xd1\x89\x82!":   "behind",
		"\x0d\x00\x00\x00\x05\x00\x00\x00Hello\xf7\xd1\x89\x82":    "too large",
		"\x00\x00\x00\x0d\x00\x00\x00\x05H\xe9llo\xf7\xd1\x89\x82": "ascii",
		"\x00\x00\x00\x0d\x00\x00\x00\x05Hel":                      "",
	} {
		c, conn := listening(t, on(npipes.Wire{CRC: true}), "")
		_, _ = conn.Write([]byte(bad))
		if fault == "" {
			require.NoError(t, conn.Close())
		}
		<-c.Done()
		_, err := c.Receive(t.Context())
		require.Error(t, err)
		if fault == "" {
			require.ErrorContains(t, event[serpy.WireFault](t, c).Err, "cut short")
			continue
		}
		var wrong *serpy.ProtocolError
		require.ErrorAs(t, c.Err(), &wrong)
		require.ErrorContains(t, wrong, fault)
	}
}
