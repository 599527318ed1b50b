package serpy1_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/internal/wiretest"
	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/serpy1"
)

// The tests here are named after what the original does wrong (Q1 to Q15). Each says
// what it does, and holds this package to survive it and not to do it.

const (
	mode0 = "\x01SETMODE0\x1f"
	mode1 = "\x01SETMODE1\x1f"
	mode2 = "\x01SETMODE2\x1f"
	mode3 = "\x01SETMODE3\x1f"
	mode4 = "\x01SETMODE4\x1f"
	mode5 = "\x01SETMODE5\x1f"
	gotIt = "\x01ACKEOT!!\x1f"
)

// Q1: a 1F inside a payload splits it in mode 0 and is lost from it in mode 1. Ours
// goes as base85, whole; what an original sent so is read as its wire has it.
func TestQ1UnitSeparatorInPayload(t *testing.T) {
	for _, m := range []message{plain("a\x1fb"), acked("a\x1fb"), plain("\x1f"), acked("\x1f\x1f")} {
		require.Error(t, serpy1.Wire{}.Check(&protocol.Meta{Mode: m.Mode}, []byte(m.Data)))
		require.NoError(t, serpy1.Wire{}.Check(&protocol.Meta{Mode: m.Mode + 2}, []byte(m.Data)))
		out := decode(t, encode(t, m))
		require.Equal(t, []message{{Mode: m.Mode + 2, Data: m.Data}}, out.Messages)
	}
	require.Equal(t, []message{plain("a"), plain("b")}, decode(t, "a\x1fb\x1f").Messages)
	require.Equal(t, []message{acked("ab")}, decode(t, mode1+"a\x1fb\x04\x1f").Messages)
}

// Q2: two 04 in the joined text of mode 1 make the original deaf for good. Here each
// ends a message; ours with a 04 inside goes as base85.
func TestQ2EndOfTextInPayload(t *testing.T) {
	for stream, want := range map[string][]message{
		"a\x04b\x04\x1f":      {acked("a"), acked("b")},
		"a\x04\x04\x1f":       {acked("a"), acked("")},
		"a\x04\x1fb\x04\x1f":  {acked("a"), acked("b")},
		"a\x04b\x1fc\x04\x1f": {acked("a"), acked("bc")},
		"a\x04b\x1f\x04\x1f":  {acked("a"), acked("b")},
	} {
		out := decode(t, mode1+stream+"later\x04\x1f")
		require.Equal(t, append(want, acked("later")), out.Messages, "%q", stream)
		require.Empty(t, out.Dropped)
	}
	require.Equal(t, []message{plain("a\x04")}, decode(t, "a\x04\x1f").Messages)
	m := acked("a\x04b")
	require.Error(t, serpy1.Wire{}.Check(&protocol.Meta{Mode: m.Mode}, []byte(m.Data)))
	require.NoError(t, serpy1.Wire{}.Check(&protocol.Meta{}, []byte(m.Data)))
	require.Equal(t, []message{acked85("a\x04b")}, decode(t, encode(t, m)).Messages)
}

// Q3: a payload that begins with 01 and is no command comes as a str without it, or
// makes the original deaf. Here it comes whole, in every mode that can hold it, and
// ours goes as base85.
func TestQ3PayloadBeginsWithCommandByte(t *testing.T) {
	for _, text := range []string{"\x01", "\x01hello", "\x01ACKEOT!!x", "\x01setmode2", "\x01\xff\xfe", "\x01ACKMODCG!"} {
		require.Equal(t, []message{plain(text), plain("on")}, decode(t, text+"\x1fon\x1f").Messages, "%q", text)
		require.Equal(t, []message{acked(text), acked("on")}, decode(t, mode1+text+"\x04\x1fon\x04\x1f").Messages, "%q", text)
		out := decode(t, mode2+text+"\x1fbTR\x1f")
		require.Len(t, out.Dropped, 1, "%q", text)
		require.Equal(t, []message{text85("t2")}, out.Messages)
		require.Error(t, serpy1.Wire{}.Check(&protocol.Meta{}, []byte(text)))
		require.Equal(t, []message{text85(text)}, decode(t, encode(t, plain(text))).Messages)
	}
}

// Q4: a text that is a command acts as one: an application's text switches the other
// side to running pickles. Ours never leaves as a command, and a pickle that comes is
// bytes.
func TestQ4PayloadIsCommand(t *testing.T) {
	for _, text := range []string{"\x01SETMODE4", "\x01SETMODE0", "\x01ACKEOT!!", "\x01ACKMODCG", "\x01SETMODE"} {
		for _, mode := range []protocol.Mode{protocol.Plain, protocol.Acked} {
			require.Error(t, serpy1.Wire{}.Check(&protocol.Meta{Mode: mode}, []byte(text)))
			out := decode(t, encode(t, message{Mode: mode, Data: text}))
			require.Equal(t, []message{{Mode: mode + 2, Data: text}}, out.Messages)
			require.Zero(t, out.Acks)
			require.Equal(t, 1, out.Answers)
		}
	}
	evil := "cos\nsystem\n(S'true'\ntR."
	out := decode(t, mode4+string(wiretest.Append(t, serpy1.Wire{}.NewEncoder(), nil, text85(evil))[len(mode2):]))
	require.Equal(t, []message{{Mode: protocol.Base85, Type: protocol.Pickle, Data: evil}}, out.Messages)
}

// Q5: a payload of no bytes is lost in modes 0 and 2. Check refuses it there.
func TestQ5EmptyPayload(t *testing.T) {
	require.EqualError(t, serpy1.Wire{}.Check(&protocol.Meta{}, nil), "a message without a byte is lost in the modes without an acknowledgement: send it acked")
	require.Error(t, serpy1.Wire{}.Check(&protocol.Meta{Mode: protocol.Base85}, nil))
	require.NoError(t, serpy1.Wire{}.Check(&protocol.Meta{Mode: protocol.Acked}, nil))
	require.NoError(t, serpy1.Wire{}.Check(&protocol.Meta{Mode: protocol.Base85Acked}, nil))
	require.Equal(t, mode1+"\x04\x1f"+mode3+"\x04\x1f", encode(t, acked(""), acked85("")))
	out := decode(t, "\x1f\x1f"+mode1+"\x04\x1f"+mode3+"\x04\x1f"+mode2+"\x1f")
	require.Equal(t, []message{acked(""), acked85("")}, out.Messages)
	out = decode(t, mode4+"\x1f"+mode5+"\x04\x1f0\x04\x1f")
	require.Empty(t, out.Messages)
	require.Equal(t, []string{"a message in mode 5: a pickle of no bytes", "a message in mode 5: a pickle of no bytes"}, out.Dropped)
}

// Q6: bad base85 and a SETMODE without a digit make the original deaf, and it has
// acknowledged the message before it looked. Here one message is dropped, never
// acknowledged, and told.
func TestQ6BadInputIsDropped(t *testing.T) {
	for _, bad := range []string{"a b", "|NsC1", "\"", "0000\n", "\x7f", "|"} {
		out := decode(t, mode2+bad+"\x1fbTR\x1f")
		require.Len(t, out.Dropped, 1, "%q", bad)
		require.Contains(t, out.Dropped[0], "mode 2: base85: ")
		require.Equal(t, []message{text85("t2")}, out.Messages)
		require.Empty(t, out.Err)

		out = decode(t, mode3+"bTR\x04"+bad+"\x04bTVQ\x04\x1fbTa\x04\x1f")
		require.Len(t, out.Dropped, 1, "%q", bad)
		require.Equal(t, []message{acked85("t2"), acked85("t2b"), acked85("t3")}, out.Messages, "%q", bad)
	}
	for _, bad := range []string{"", "x", "12", "\xb2", "1 ", "-1"} {
		out := decode(t, mode1+"\x01SETMODE"+bad+"\x1fa\x04\x1f")
		require.Equal(t, []message{acked("a")}, out.Messages, "%q", bad)
		require.Len(t, out.Dropped, 1)
		require.Contains(t, out.Dropped[0], "a malformed SETMODE")
		require.Equal(t, 1, out.Answers)
	}
}

// Q7: an original whose application does not read stops reading itself: nothing is
// lost, but its acknowledgements stop. So ours does not wait for one before it sends on.
func TestQ7SendsOnWithoutAcknowledgements(t *testing.T) {
	enc := serpy1.Wire{}.NewEncoder()
	b := wiretest.Append(t, enc, nil, acked("1"), acked("2"), plain("3"), acked85("4"))
	require.Equal(t, mode1+"1\x04\x1f2\x04\x1f"+mode0+"3\x1f"+mode3+"Gy\x04\x1f", string(b))
}

// Q8: the original looks through all that waits again for every 4096 bytes. Here the
// work grows with the bytes: a byte is looked at once, and little is left waiting.
func TestQ8LargeMessagesInLinearTime(t *testing.T) {
	const size = 8 << 20
	large := strings.Repeat("0123456789abcdef", size/16)
	for _, stream := range []string{large + "\x1f", mode1 + large + "\x04\x1f", mode2 + large + "\x1f", mode1 + large[:100_000] + "\x1f" + large[100_000:] + "\x04\x1f"} {
		f := newFeed(t, serpy1.Wire{}, size)
		calls := 0
		for at := 0; at < len(stream); at += 4096 {
			f.Put([]byte(stream[at:min(at+4096, len(stream))]))
			calls++
		}
		require.Empty(t, f.Out.Err)
		require.Len(t, f.Out.Messages, 1)
		require.GreaterOrEqual(t, len(f.Out.Messages[0].Data), size*4/5)
		require.LessOrEqual(t, f.Out.Frames, 2)
	}
}

// Q9: acknowledgements have no number, and in the original a late one satisfies
// whoever waits next. Here they are counted.
func TestQ9AcknowledgementsAreCounted(t *testing.T) {
	out := decode(t, gotIt+gotIt+"text\x1f"+gotIt)
	require.Equal(t, uint64(3), out.Acks)
	require.Equal(t, []message{plain("text")}, out.Messages)
	for cut := range len(gotIt) {
		require.Equal(t, uint64(2), decode(t, gotIt, gotIt[:cut], gotIt[cut:]).Acks)
	}
}

// Q9, as the acknowledging side: each message is acknowledged once.
func TestQ9EachIsAcknowledgedOnce(t *testing.T) {
	enc := serpy1.Wire{}.NewEncoder()
	var b []byte
	for _, accepted := range []uint64{0, 1, 1, 3, 2, 3, 4} {
		var err error
		b, err = enc.Append(b, &protocol.Frame{Kind: protocol.KindData, Received: accepted})
		require.NoError(t, err)
	}
	require.Equal(t, strings.Repeat(gotIt, 4), string(b))
}

// Q10: the original waits for the answer to its SETMODE without a bound. Ours does not
// wait: the message follows in the same write.
func TestQ10MessageFollowsItsMode(t *testing.T) {
	require.Equal(t, mode0+"a\x1f"+mode1+"b\x04\x1f", encode(t, plain("a"), acked("b")))
	require.Empty(t, decode(t, "\x01ACKMODCG\x1f").Messages) // and nobody asked for this one
}

// Q11: after a reconnection the original says no SETMODE, on either side of it. Ours
// says one before the first message of every link, and a link can be told in which
// mode an original goes on.
func TestQ11ReconnectedPeer(t *testing.T) {
	for range 2 {
		require.True(t, strings.HasPrefix(encode(t, plain("x")), mode0))
	}
	enc := serpy1.Wire{}.NewEncoder()
	b := enc.(protocol.Opener).Open(nil)
	require.Equal(t, mode0, string(b))
	require.Equal(t, mode0+"x\x1f", string(wiretest.Append(t, enc, b, plain("x"))))

	for mode, want := range []message{plain("bTR"), acked("bTR"), text85("t2"), acked85("t2"), {Mode: protocol.Base85, Type: protocol.Pickle, Data: "t2"}} {
		f := newFeed(t, serpy1.Wire{ReceiveMode: uint8(mode)}, limit)
		f.Put([]byte("bTR" + strings.Repeat("\x04", mode%2) + "\x1f"))
		require.Equal(t, []message{want}, f.Out.Messages)
	}
}

// Q12: with an encoding that is not ASCII-compatible the original's SETMODE is spoilt.
// That is told, and switches nothing.
func TestQ12SpoiltSetMode(t *testing.T) {
	out := decode(t, "\x01SETMODE\xff\xfe2\x00\x1fa\x1f")
	require.Equal(t, []string{`a malformed SETMODE: "SETMODE\xff\xfe2\x00"`}, out.Dropped)
	require.Equal(t, []message{plain("a")}, out.Messages)
}

// Q13: the original's broadcast sends on texts as base85 that is labelled as text. A
// message that came and goes on keeps its payload and its mode.
func TestQ13BroadcastKeepsTheMode(t *testing.T) {
	came := decode(t, "ann : hi\x1f"+mode2+"03\x1f"+mode3+"bTa\x04\x1f")
	require.Len(t, came.Messages, 3)
	went := decode(t, encode(t, came.Messages...))
	require.Equal(t, came.Messages, went.Messages)
}

// Q14: the original's server stops taking connections after some. What this package
// keeps of a link dies with it, and there is nothing to run out of.
func TestQ14LinksAreIndependent(t *testing.T) {
	w := serpy1.Wire{}
	for range 1000 {
		dec := w.NewDecoder(limit)
		_, _, err := dec.Decode([]byte(mode3))
		require.NoError(t, err)
	}
	require.Equal(t, []message{plain("bTR")}, decode(t, "bTR\x1f").Messages)
}

// Q15: the original's reader never learns that its peer has gone. Here the end of a
// link is told, with what it cut short; what is whole was handed over before.
func TestQ15EndOfStream(t *testing.T) {
	for stream, n := range map[string]string{"a\x1fcut": "3", mode1 + "a\x04\x1fjoined\x1fcut": "9", mode1 + "a\x04bc\x1f": "2"} {
		f := newFeed(t, serpy1.Wire{}, limit)
		f.Put([]byte(stream))
		out := f.End()
		require.Len(t, out.Messages, 1, "%q", stream)
		require.Equal(t, []string{"the link ended inside a message, of which " + n + " bytes had come"}, out.Dropped)
	}
	f := newFeed(t, serpy1.Wire{}, limit)
	f.Put([]byte("a\x1f"))
	require.Empty(t, f.End().Dropped)
	f = newFeed(t, serpy1.Wire{}, limit)
	f.Put(bytes.Repeat([]byte("x"), 5000))
	require.Len(t, f.End().Dropped, 1)
}

// TestLinger: what arrives right before the end of the link is lost to an original.
func TestLinger(t *testing.T) {
	require.GreaterOrEqual(t, serpy1.Wire{}.Linger(1), 500*time.Millisecond)
}
