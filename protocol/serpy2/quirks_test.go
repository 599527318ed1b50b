package serpy2_test

import (
	"encoding/binary"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/internal/wiretest"
	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/serpy2"
)

// The tests here are named after what the original does wrong (P1 to P14). Each says
// what it does, and holds this package to survive it and not to do it.

// around puts a stream between two good messages.
func around(s string) string { return raw(0x21, "before") + s + raw(0x21, "after") }

// requireDropped holds a bad message to be dropped, and told, and its neighbours to come.
func requireDropped(t *testing.T, bad, reason string) {
	t.Helper()
	out := decode(t, around(bad))
	require.Equal(t, []message{textOf("before"), textOf("after")}, out.Messages)
	require.Len(t, out.Dropped, 1)
	require.Contains(t, out.Dropped[0], reason)
	require.Empty(t, out.Err)
}

// P1: a body of no bytes is a value of every type but float, which makes the original
// deaf.
func TestP1EmptyBody(t *testing.T) {
	out := decode(t, raw(0x21, "")+raw(0x81, "")+raw(0x01, ""))
	require.Equal(t, []message{textOf(""), bytesOf(""), intOf(0)}, out.Messages)
	requireDropped(t, raw(0x11, ""), "not a float")
	require.NotContains(t, encode(t, floatOf(0)), raw(0x11, ""))
	require.Error(t, serpy2.Wire{}.Check(&protocol.Meta{Type: protocol.Float}, nil))
}

// P2: an unknown type, a text that is not UTF-8, a float that is none or too large make
// the original deaf. Here they are dropped and told, and ours never sends one.
func TestP2BadValues(t *testing.T) {
	requireDropped(t, raw(0x02, "anything"), "type 0x02")
	requireDropped(t, raw(0x00, ""), "type 0x00")
	requireDropped(t, raw(0xff, strings.Repeat("x", 5000)), "type 0xff")
	requireDropped(t, raw(0x21, "\xff"), "not UTF-8")
	requireDropped(t, raw(0x21, "\xed\xa0\x80"), "not UTF-8")
	requireDropped(t, raw(0x21, strings.Repeat("x", 5000)+"\xc3"), "not UTF-8")
	requireDropped(t, raw(0x11, "one"), `not a float: "one"`)
	requireDropped(t, raw(0x11, "0x1p+1024"), "too large")
	requireDropped(t, raw(0x11, strings.Repeat("1", 5000)), "not a float")
	requireDropped(t, raw(0x01, "\x00\x00\x00\x00\x00\x00\x00\x80\x00"), "more than 64 bits")
	requireDropped(t, raw(0x01, strings.Repeat("\x01", 3000)), "more than 64 bits")

	w := serpy2.Wire{}
	require.Error(t, w.Check(&protocol.Meta{Type: protocol.Text}, []byte("\xff")))
	require.Error(t, w.Check(&protocol.Meta{Type: protocol.Int}, []byte("1234567")))
	require.Equal(t, raw(0x81, "\xff"), encode(t, textOf("\xff")))
	require.Equal(t, raw(0x81, "short"), encode(t, message{Type: protocol.Float, Data: "short"}))
	require.Equal(t, raw(0x81, "."), encode(t, message{Type: protocol.Pickle, Data: "."}))
}

// P3: a wrong sum drops the message in the original, too.
func TestP3WrongSum(t *testing.T) {
	bad := []byte(raw(0x21, "hello"))
	bad[6]++
	requireDropped(t, string(bad), "the sum of a message is 0x214, and its head says 0x215")
	large := []byte(raw(0x81, strings.Repeat("x", 9000)))
	large[8000]++
	requireDropped(t, string(large), "the sum of a message")
}

// P4: at bytes that begin no message the original throws away whatever it holds, good
// messages too. Here what is whole was handed over, and the link ends; or, with Resync,
// what is between messages is skipped, and counted.
func TestP4Garbage(t *testing.T) {
	for _, garbage := range []string{"x", "garbage", "\xde\xca\xfe\xca\x00", "\xde\xde", "\xca\xfe\xca\xfe", strings.Repeat("long ", 1000), "\xde\xca\xfe\xca", raw(0x21, "cut in its body")[7:]} {
		out := decode(t, around(garbage))
		require.Equal(t, []message{textOf("before")}, out.Messages, "%.20q", garbage)
		require.Contains(t, out.Err, "not the beginning of a message", "%.20q", garbage)

		for _, piece := range []int{1, 3, 7, 10_000} {
			f := wiretest.NewFeed(t, serpy2.Wire{Resync: true}, limit)
			stream := around(garbage)
			for at := 0; at < len(stream); at += piece {
				f.Put([]byte(stream[at:min(at+piece, len(stream))]))
			}
			require.Equal(t, []message{textOf("before"), textOf("after")}, f.Out.Messages, "%.20q in pieces of %d", garbage, piece)
			require.NotEmpty(t, f.Out.Dropped)
			require.Empty(t, f.Out.Err)
			if piece == 10_000 {
				require.Len(t, f.Out.Dropped, 1)
			}
		}
	}
	out := decode(t, "x") // one byte tells
	require.NotEmpty(t, out.Err)
	f := wiretest.NewFeed(t, serpy2.Wire{Resync: true}, limit)
	f.Put([]byte("12345" + raw(0x21, "a")))
	require.Equal(t, []string{`skipped 5 bytes that begin no message: "12345"`}, f.Out.Dropped)
}

// P5: the original believes a length, and waits for it for ever. Here one beyond the
// limit ends the link, and one within it takes no memory before its bytes come.
func TestP5HugeLength(t *testing.T) {
	head := []byte(raw(0x81, ""))
	binary.LittleEndian.PutUint32(head[10:], 0xffffffff)
	out := decode(t, string(head))
	require.Contains(t, out.Err, "4294967295 bytes: message too large")

	binary.LittleEndian.PutUint32(head[10:], 1<<30)
	f := wiretest.NewFeed(t, serpy2.Wire{}, 1<<30)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f.Put(append(head, make([]byte, 100_000)...))
	runtime.ReadMemStats(&after)
	require.Empty(t, f.Out.Err)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(2<<20))
}

// P6: the original takes a message every 10 ms. Here a read gives all of its messages.
func TestP6ManyInOneRead(t *testing.T) {
	var want []message
	for i := range 5000 {
		want = append(want, intOf(int64(i)))
	}
	out := decode(t, encode(t, want...))
	require.Equal(t, want, out.Messages)
	require.Less(t, out.Frames, 10)
}

// P7: what arrives right before the end of a link is lost to an original.
func TestP7Linger(t *testing.T) {
	require.Equal(t, 210*time.Millisecond, serpy2.Wire{}.Linger(1))
	require.Equal(t, 1200*time.Millisecond, serpy2.Wire{}.Linger(100))
}

// P8: the original's server stops taking connections after some. What this package
// keeps of a link dies with it.
func TestP8LinksAreIndependent(t *testing.T) {
	for range 1000 {
		dec := serpy2.Wire{}.NewDecoder(limit)
		_, _, err := dec.Decode([]byte(raw(0x81, strings.Repeat("x", 3000))[:2000]))
		require.ErrorIs(t, err, protocol.ErrShort)
	}
	require.Equal(t, []message{textOf("a")}, decode(t, raw(0x21, "a")).Messages)
}

// P9: an original that is not read stops reading, and nothing is lost; ours sends on
// without an answer, because there is none on this wire.
func TestP9NothingIsAwaited(t *testing.T) {
	require.Equal(t, protocol.NoAcks, serpy2.Wire{}.Caps().Acks)
	require.Error(t, serpy2.Wire{}.Check(&protocol.Meta{Mode: protocol.Acked}, nil))
	require.Error(t, serpy2.Wire{}.Check(&protocol.Meta{Mode: protocol.Base85}, nil))
}

// P10: the original's time for a large body grows with its square. Here with its
// length, in memory of at most twice that.
func TestP10LargeBodiesInLinearTime(t *testing.T) {
	const size = 16 << 20
	want := bytesOf(strings.Repeat("0123456789abcdef", size/16))
	stream := encode(t, want, textOf("after"))
	f := wiretest.NewFeed(t, serpy2.Wire{}, size)
	for at := 0; at < len(stream); at += 4096 {
		f.Put([]byte(stream[at:min(at+4096, len(stream))]))
	}
	require.Len(t, f.Out.Messages, 2)
	wiretest.RequireText(t, want.Data, f.Out.Messages[0].Data, "16 MiB")
	require.Equal(t, 2, f.Out.Frames)
}

// P11: the magic inside a body is data.
func TestP11MagicInBody(t *testing.T) {
	body := raw(0x21, "inner")
	require.Equal(t, []message{textOf("before"), bytesOf(body), textOf("after")}, decode(t, around(raw(0x81, body))).Messages)
}

// P12: the sum does not see bytes that changed places. What it lets pass is passed on.
func TestP12SumIsBlindToOrder(t *testing.T) {
	b := raw(0x81, "ab")
	require.Equal(t, []message{bytesOf("ba")}, decode(t, b[:14]+"ba").Messages)
}

// P13: an end is said by a text that the applications agree on, and is none to the wire.
func TestP13ShutdownIsText(t *testing.T) {
	require.Equal(t, []message{textOf("/KTHXBYE"), textOf("on")}, decode(t, raw(0x21, "/KTHXBYE")+raw(0x21, "on")).Messages)
	require.Equal(t, raw(0x21, "/KTHXBYE"), encode(t, textOf("/KTHXBYE")))
}

// P14: the original's reader never learns that its peer has gone. Here the end of a
// link is told, with what it cut short.
func TestP14EndOfStream(t *testing.T) {
	for _, c := range []struct {
		cut  int
		size int
	}{{3, 10}, {14, 10}, {20, 10}, {2000, 5000}, {5000, 5000}} {
		f := wiretest.NewFeed(t, serpy2.Wire{}, limit)
		f.Put([]byte(raw(0x21, "a") + raw(0x21, strings.Repeat("x", c.size))[:c.cut]))
		out := f.End()
		require.Equal(t, []message{textOf("a")}, out.Messages)
		require.Len(t, out.Dropped, 1)
		require.Contains(t, out.Dropped[0], "the link ended inside a message")
	}
	f := wiretest.NewFeed(t, serpy2.Wire{}, limit)
	f.Put([]byte(raw(0x21, "a")))
	require.Empty(t, f.End().Dropped)
}
