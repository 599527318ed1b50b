package protocol_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
)

// talk is the bytes of one direction of a link, and what they say.
func talk(tb testing.TB) (b []byte, frames []protocol.Frame) {
	tb.Helper()
	run := protocol.AppendUnit(nil, 0, nil, []byte("volts"))
	run = protocol.AppendUnit(run, protocol.UnitAcked, (&protocol.Meta{Tag: 7}).Append(nil), bytes.Repeat([]byte("x"), 300))
	large := protocol.AppendUnit(nil, protocol.UnitBase85, nil, bytes.Repeat([]byte("y"), 700))
	frames = []protocol.Frame{
		{Kind: protocol.KindHello, Body: minimal},
		{Kind: protocol.KindData, Flags: protocol.AckNow, Count: 2, First: 1, LimitUnits: 9, LimitBytes: 2560, Body: run},
		{Kind: protocol.KindData, First: 3, Received: 4, Processed: 3},
		{Kind: protocol.KindPing, First: 3, Body: protocol.AppendPing(nil, protocol.Ping{Sent: 5})},
		{Kind: protocol.KindData, Flags: protocol.NoSum | protocol.Replies, Count: 1, First: 3, Body: large},
		{Kind: protocol.KindNack, First: 4, Body: protocol.AppendNack(nil, protocol.Nack{Unit: 1, Reason: "no"})},
		{Kind: protocol.KindSeen, First: 4, Body: protocol.AppendNack(nil, protocol.Nack{Unit: 1})},
		{Kind: protocol.KindPong, First: 4, Body: protocol.AppendPong(nil, protocol.Pong{Sent: 1, Received: 2, Answered: 3})},
		{Kind: protocol.KindClose, First: 4, Body: protocol.AppendClose(nil, protocol.Close{Reason: "bye"})},
	}
	enc := protocol.Native{}.NewEncoder()
	for i := range frames {
		var err error
		b, err = enc.Append(b, &frames[i])
		require.NoError(tb, err)
		if frames[i].Body == nil {
			frames[i].Body = []byte{}
		}
	}
	return b, frames
}

// TestSplits reads a link that comes in two parts, cut at every byte: the frames
// are the same, and every part of a frame is short and not wrong.
func TestSplits(t *testing.T) {
	b, want := talk(t)
	for cut := range len(b) + 1 {
		dec := protocol.Native{}.NewDecoder(0)
		var got []protocol.Frame
		each := func(f protocol.Frame) { got = append(got, f) }
		rest, err := read(dec, b[:cut:cut], each)
		require.NoError(t, err, "cut at %d", cut)
		require.LessOrEqual(t, len(got), len(want))
		rest, err = read(dec, b[cut-len(rest):], each)
		require.NoError(t, err, "cut at %d", cut)
		require.Empty(t, rest)
		require.Equal(t, want, got, "cut at %d", cut)
	}
}

// TestByteByByte reads a link that comes a byte at a time.
func TestByteByByte(t *testing.T) {
	b, want := talk(t)
	dec := protocol.Native{}.NewDecoder(0)
	var got []protocol.Frame
	from := 0
	for to := range len(b) + 1 {
		rest, err := read(dec, b[from:to], func(f protocol.Frame) { got = append(got, f) })
		require.NoError(t, err)
		from = to - len(rest)
	}
	require.Equal(t, want, got)
}

// TestFlips turns each bit of a link: either its frame is refused, or the decoder
// waits for more, but nothing wrong is taken for right, but for a body whose
// checksum was agreed away.
func TestFlips(t *testing.T) {
	b, want := talk(t)
	for at := len(protocol.Preface); at < len(b); at++ {
		for bit := range 8 {
			bad := bytes.Clone(b)
			bad[at] ^= 1 << bit
			i := 0
			_, err := read(protocol.Native{}.NewDecoder(0), bad, func(f protocol.Frame) {
				if want[i].Flags&protocol.NoSum == 0 {
					require.Equal(t, want[i], f, "byte %d, bit %d", at, bit)
				}
				i++
			})
			if i < len(want) {
				require.Error(t, err, "byte %d, bit %d", at, bit)
			}
		}
	}
}

// TestTruncations cuts each vector of SPEC.md short: what is not made of fields or
// entries is refused, and a frame asks for more.
func TestTruncations(t *testing.T) {
	whole := map[string]bool{"unit": true, "gap": true, "ping": true, "pong": true}
	n := 0
	for _, v := range vectors(t, "vector") {
		kind := v.info[1]
		decode := decoders[kind]
		if decode == nil {
			continue
		}
		for cut := range len(v.hex) {
			short := v.hex[:cut:cut]
			err := decode(t, short)
			switch {
			case kind == "frame" && !strings.HasPrefix(string(v.hex), protocol.Preface):
				require.ErrorIs(t, err, protocol.ErrShort)
			case kind == "frame":
				require.ErrorIs(t, decoders["first"](t, short), protocol.ErrShort)
			case whole[kind]:
				require.Error(t, err, "%v cut at %d", v.info, cut)
			case err != nil:
				var e *protocol.Error
				require.ErrorAs(t, err, &e)
			}
			n++
		}
	}
	require.Greater(t, n, 500)
}

func TestMatch(t *testing.T) {
	whole := protocol.Preface + "more"
	for n := range len(whole) + 1 {
		want := protocol.More
		if n >= len(protocol.Preface) {
			want = protocol.Yes
		}
		assert.Equal(t, want, protocol.Native{}.Match([]byte(whole[:n])), "%q", whole[:n])
	}
	for n := range len(protocol.Preface) {
		b := []byte(protocol.Preface)
		b[n] ^= 0x20
		assert.Equal(t, protocol.No, protocol.Native{}.Match(b), "%q", b)
		assert.Equal(t, protocol.No, protocol.Native{}.Match(b[:n+1]), "%q", b)
	}
}

// TestMangled holds the decoder to know a link that changes bytes from a peer that
// speaks another protocol, also where it sees the first bytes one at a time.
func TestMangled(t *testing.T) {
	all := func(c byte) byte { return c }
	change := func(old, with string, each func(byte) byte) string {
		b := []byte(strings.ReplaceAll(protocol.Preface, old, with))
		for i := range b {
			b[i] = each(b[i])
		}
		return string(b) + "\x20\x00"
	}
	for name, b := range map[string]string{
		"CR LF becomes LF":      change("\r\n", "\n", all),
		"CR LF becomes CR":      change("\r\n", "\r", all),
		"CR becomes LF":         change("\r", "\n", all),
		"CR becomes CR LF":      change("\r", "\r\n", all),
		"LF becomes CR LF":      change("\n", "\r\n", all),
		"a lone LF":             change("\x1a\n", "\x1a\r\n", all),
		"LF becomes CR":         change("\n", "\r", all),
		"LF is left out":        change("\n", "", all),
		"the end-of-file mark":  change("\x1a", "", all),
		"a line end at its end": change("\x1a\n", "\x1a", all),
		"seven bits":            change("", "", func(c byte) byte { return c & 0x7f }),
		"seven bits, and LF":    change("\r", "", func(c byte) byte { return c & 0x7f }),
		"the eighth bit":        change("", "", func(c byte) byte { return c | 0x80 }),
		"Latin-1 to UTF-8":      change("\x89", "\u0089", all),
		"not UTF-8, replaced":   change("\x89", "\ufffd", all),
		"not ASCII, replaced":   change("\x89", "?", all),
		"not ASCII, left out":   change("\x89", "", all),
		"the same, and LF":      strings.TrimPrefix(change("\r", "", all), "\x89"),
	} {
		t.Run(name, func(t *testing.T) {
			for n := 0; ; n++ {
				require.LessOrEqual(t, n, len(b), "%q is never refused", b)
				_, _, err := protocol.Native{}.NewDecoder(0).Decode([]byte(b[:n]))
				require.Error(t, err)
				if protocol.IsShort(err) {
					continue
				}
				require.ErrorIs(t, err, protocol.ErrMangled, "%q", b[:n])
				break
			}
			_, _, err := protocol.Native{}.NewDecoder(0).Decode([]byte(b))
			require.ErrorIs(t, err, protocol.ErrMangled)
		})
	}
}

func TestForeign(t *testing.T) {
	for first, want := range map[string]string{
		"GET / HTTP/1.1\r\n":           "the peer speaks HTTP",
		"HTTP/1.1 400 Bad Request\r\n": "the peer speaks HTTP",
		"PRI * HTTP/2.0\r\n\r\n":       "the peer speaks HTTP/2",
		"\x16\x03\x01\x02\x00":         "the peer speaks TLS",
		"\x15\x03\x01\x00\x02\x02":     "the peer speaks TLS",
		"SSH-2.0-OpenSSH_9.2\r\n":      "the peer speaks SSH",
		"\xde\xca\xfe\xca\xfe\x00":     "the peer speaks serpy2",
		"\x01SETMODE\x021":             "the peer speaks serpy",
		"\x00\x01\"\\é and more, much": `the peer speaks another protocol: it began with "\x00\x01\x22\x5c\xc3\xa9 and more,"`,
	} {
		_, n, err := protocol.Native{}.NewDecoder(0).Decode([]byte(first))
		require.ErrorIs(t, err, protocol.ErrForeign)
		require.NotErrorIs(t, err, protocol.ErrMangled)
		assert.Equal(t, want, err.Error())
		assert.Zero(t, n)
	}
}

// TestEncoderRefuses holds the encoder to write nothing that a decoder refuses.
func TestEncoderRefuses(t *testing.T) {
	for name, f := range map[string]protocol.Frame{
		"no kind":             {},
		"an unknown kind":     {Kind: protocol.KindBlob + 1},
		"an unknown flag":     {Kind: protocol.KindData, Flags: 8},
		"a body too large":    {Kind: protocol.KindData, Count: 1, Body: make([]byte, protocol.MaxBody+1)},
		"a Hello too large":   {Kind: protocol.KindHello, Body: make([]byte, protocol.MaxHello+1)},
		"control too large":   {Kind: protocol.KindNack, Body: make([]byte, protocol.MaxControl+1)},
		"control with units":  {Kind: protocol.KindPing, Count: 1, Body: make([]byte, 9)},
		"a Hello without sum": {Kind: protocol.KindHello, Flags: protocol.NoSum},
		"units and no body":   {Kind: protocol.KindData, Count: 1},
		"a body and no units": {Kind: protocol.KindData, Body: make([]byte, 2)},
		"too many units":      {Kind: protocol.KindData, Count: protocol.MaxCount + 1, Body: make([]byte, protocol.MaxBody)},
		"units below zero":    {Kind: protocol.KindData, Count: -1, Body: make([]byte, 2)},
	} {
		t.Run(name, func(t *testing.T) {
			enc := protocol.Native{}.NewEncoder()
			b, err := enc.Append([]byte("before"), &f)
			requireSection(t, "3.1", err)
			assert.Equal(t, "before", string(b))
			// The preface is still to come.
			b, err = enc.Append(nil, &protocol.Frame{Kind: protocol.KindHello})
			require.NoError(t, err)
			assert.True(t, strings.HasPrefix(string(b), protocol.Preface))
		})
	}
}

// TestLargest moves the largest frames of each kind.
func TestLargest(t *testing.T) {
	for kind := protocol.KindData; kind.Known(); kind++ {
		f := protocol.Frame{Kind: kind}
		switch kind {
		case protocol.KindData:
			f.Count, f.Body = protocol.MaxCount, make([]byte, protocol.MaxBody)
		case protocol.KindBlob:
			f.Body = make([]byte, protocol.MaxBody)
		case protocol.KindHello, protocol.KindRefuse:
			f.Body = make([]byte, protocol.MaxHello)
		default:
			f.Body = make([]byte, protocol.MaxControl)
		}
		enc := protocol.Native{}.NewEncoder()
		_, err := enc.Append(nil, &protocol.Frame{Kind: protocol.KindHello})
		require.NoError(t, err)
		b, err := enc.Append(nil, &f)
		require.NoError(t, err)
		got, n, err := begun(t).Decode(append(b, "behind"...))
		require.NoError(t, err)
		assert.Equal(t, len(b), n)
		if kind == protocol.KindBlob {
			f.Sum = protocol.Sum(0, f.Body)
		}
		assert.Equal(t, f, got)
		assert.Equal(t, len(got.Body), cap(got.Body))
		assert.NotEqual(t, "unknown", kind.String())
	}
	assert.Equal(t, "unknown", (protocol.KindBlob + 1).String())
}

func TestCaps(t *testing.T) {
	c := protocol.Native{}
	assert.Equal(t, "native", c.Name())
	require.NoError(t, c.Check(&protocol.Meta{}, nil))
	assert.Equal(t, protocol.Caps{
		Acks: protocol.Numbered, Resume: true, Flow: true, Correlates: true, CleanBinary: true, Metadata: true, Blobs: true,
	}, c.Caps())
}

// The short way of reading a unit says the same as the long one, or nothing.
func TestNextPlainAgreesWithNextUnit(t *testing.T) {
	taken := 0
	for _, flags := range []protocol.UnitFlags{0, protocol.UnitAcked, protocol.UnitBase85, protocol.UnitGap, protocol.UnitMore, 0x80} {
		for _, n := range []int{0, 1, 2, 126, 127, 128, 129, 16382, 16383, 16384, 65536} {
			run := protocol.AppendUnit(nil, flags, nil, make([]byte, n))
			for cut := range min(len(run), 8) {
				_, _, _, ok := protocol.NextPlain(run[:cut])
				require.False(t, ok, "cut short")
			}
			_, _, _, ok := protocol.NextPlain(run)
			require.False(t, ok, "it is the last one")
			run = append(run, 0, 0)
			payload, rest, acked, ok := protocol.NextPlain(run)
			u, after, err := protocol.NextUnit(run)
			if !ok {
				continue
			}
			taken++
			require.NoError(t, err)
			require.Equal(t, u.Payload, payload)
			require.Equal(t, cap(u.Payload), cap(payload))
			require.Equal(t, after, rest)
			require.Equal(t, u.Flags == protocol.UnitAcked, acked)
		}
	}
	require.Equal(t, 2*9, taken, "plain and acked ones of up to 16383 bytes")
}

// requireRow holds PlainRow to what NextPlain takes one after another.
func requireRow(t *testing.T, run []byte) (n int) {
	t.Helper()
	run = run[:min(len(run), 65535)]
	starts := make([]uint16, 200)
	n, framing, acked := protocol.PlainRow(run, starts)
	require.Zero(t, starts[0])
	rest := run
	for i := range n {
		require.Equal(t, len(run)-len(rest), int(starts[i]))
		payload, after, acks, ok := protocol.NextPlain(rest)
		require.True(t, ok)
		require.Equal(t, acked, acks)
		require.Equal(t, payload, run[int(starts[i])+framing:starts[i+1]])
		rest = after
	}
	require.Equal(t, len(run)-len(rest), int(starts[n]))
	payload, after, acks, ok := protocol.NextPlain(rest)
	if ok && n > 0 && n < len(starts)-1 {
		require.True(t, acks != acked || len(rest)-len(after)-len(payload) != framing, "it ends where they differ")
	}
	return n
}

func TestPlainRowAgreesWithNextPlain(t *testing.T) {
	for _, flags := range []protocol.UnitFlags{0, protocol.UnitAcked} {
		for _, n := range []int{0, 1, 127, 128, 129} {
			for _, other := range [][]byte{
				nil,
				protocol.AppendUnit(nil, flags^protocol.UnitAcked, nil, make([]byte, n)),
				protocol.AppendUnit(nil, flags, nil, make([]byte, (n+128)%256)),
				protocol.AppendUnit(nil, protocol.UnitBase85, nil, make([]byte, 16)),
				{0x80},
				{0x80, 0x80, 0x80},
			} {
				var run []byte
				for range 20 {
					run = protocol.AppendUnit(run, flags, nil, make([]byte, n))
				}
				run = append(run, other...)
				want := 20
				if len(other) == 0 {
					want = 19 // the last one is not of the row
				}
				require.Equal(t, want, requireRow(t, run), "%x", other)
				for cut := range min(len(run), 20) {
					requireRow(t, run[:len(run)-cut])
				}
				for range 300 {
					run = protocol.AppendUnit(run, flags, nil, nil)
				}
				requireRow(t, run)
			}
		}
	}
	full := make([]uint16, 5)
	n, _, _ := protocol.PlainRow(make([]byte, 100), full)
	require.Equal(t, 4, n, "as many as there is room for")
}
