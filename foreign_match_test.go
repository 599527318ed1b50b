package serpy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/charset"
	wireline "github.com/serpy-go/serpy/protocol/line"
)

func TestWiresAreToldApart(t *testing.T) {
	last := counts()
	last.name, last.last = "anything", true
	o := &serpy.Options{Wires: []protocol.Codec{serpy.Native, counts(), last}, SilentWire: -1}
	s, err := serpy.Listen("tcp://127.0.0.1:0", o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	o.SilentWire = 50 * time.Millisecond
	patient, err := serpy.Listen("tcp://127.0.0.1:0", o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = patient.Close() })

	native := dial(t, s, nil)
	assert.Equal(t, "native", accepted(t, s).Peer().Wire)
	opens := counts()
	opens.opens = true
	spoke := dial(t, s, on(opens))
	assert.Equal(t, "tally", accepted(t, s).Peer().Wire, "it says something first")
	raw(t, s, "GET")
	assert.Equal(t, "anything", accepted(t, s).Peer().Wire)
	conn := raw(t, patient, "")
	silent := accepted(t, patient)
	assert.Equal(t, "tally", silent.Peer().Wire, "the first that lets us begin")
	require.NoError(t, silent.Send(t.Context(), []byte("welcome")))
	hears(t, conn, said('P', "welcome"))

	piecewise := raw(t, s, protocol.Preface[:3])
	eventually(t, func() bool { return s.Stats().Handshaking == 1 })
	_, _ = piecewise.Write([]byte("P"))
	assert.Equal(t, "anything", accepted(t, s).Peer().Wire, "it is none of the preface")
	_, _ = native, spoke
}

func TestAStrangerIsToldFromAllWires(t *testing.T) {
	s := serve(t, &serpy.Options{Wires: []protocol.Codec{serpy.Native, counts()}, HandshakeTimeout: 200 * time.Millisecond, SilentWire: -1}, deaf)
	raw(t, s, "GET / HTTP/1.1\r\n")
	raw(t, s, "")
	raw(t, s, protocol.Preface[:3])
	for _, r := range refusals(t, s, 3) {
		require.Error(t, r.Err)
	}
	only := serve(t, &serpy.Options{Wires: []protocol.Codec{counts(), tally{name: "other"}}, SilentWire: -1}, deaf)
	raw(t, only, "GET / HTTP/1.1\r\n")
	require.ErrorContains(t, refusals(t, only, 1)[0].Err, "no wire of this server")
}

func TestMisuseOfWires(t *testing.T) {
	for _, o := range []*serpy.Options{
		{SilentWire: time.Second},
		{Wires: []protocol.Codec{counts()}, SilentWire: time.Second},
		{Wires: []protocol.Codec{serpy.Native, counts()}, SilentWire: 5 * time.Second},
		{Wires: []protocol.Codec{counts(), counts()}},
		{Wires: []protocol.Codec{}},
		{Wires: []protocol.Codec{nil}},
		{Wires: []protocol.Codec{wireline.Wire{MaxLine: -1, EOL: "\xff", Charset: charset.ASCII}}},
	} {
		_, err := serpy.Listen("tcp://127.0.0.1:0", o)
		var bad *serpy.OptionError
		require.ErrorAs(t, err, &bad, "%+v", o)
	}
	_, err := serpy.Dial(t.Context(), "tcp://127.0.0.1:1", &serpy.Options{Wires: []protocol.Codec{serpy.Native, counts()}})
	var bad *serpy.OptionError
	require.ErrorAs(t, err, &bad)
	s, err := serpy.Listen("tcp://127.0.0.1:0", &serpy.Options{Wires: []protocol.Codec{serpy.Native, counts()}, HandshakeTimeout: 100 * time.Millisecond})
	require.NoError(t, err, "a default gives way")
	require.NoError(t, s.Close())
}

func TestBroadcastAcrossWires(t *testing.T) {
	text := tally{name: "text", caps: protocol.Caps{Acks: protocol.Counted}}
	binary := tally{name: "binary", caps: protocol.Caps{CleanBinary: true, MaxPayload: 100}, last: true}
	s, err := serpy.Listen("tcp://127.0.0.1:0", &serpy.Options{Wires: []protocol.Codec{serpy.Native, text, binary}, SilentWire: -1})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	native := dial(t, s, nil)
	accepted(t, s)
	texts := raw(t, s, said('Q', ""))
	hears(t, texts, said('R', ""))
	accepted(t, s)
	binaries := raw(t, s, said('R', ""))
	accepted(t, s)

	cast := func(data string, mode serpy.Mode) (missed int) {
		missed, err := s.Broadcast(serpy.Message{Data: []byte(data), Mode: mode, Tag: 3})
		require.NoError(t, err)
		m := get(t, native)
		assert.Equal(t, data, m.String())
		assert.Equal(t, mode, m.Mode)
		assert.EqualValues(t, 3, m.Tag)
		return missed
	}
	assert.Zero(t, cast("plain", serpy.Plain))
	assert.Zero(t, cast("acked", serpy.Acked))
	assert.Zero(t, cast("\x00", serpy.Plain))
	assert.Zero(t, cast("four", serpy.Base85Acked))
	hears(t, texts, said('P', "plain")+said('A', "acked")+said('p', "00")+said('a', "W^Z+J"))
	hears(t, binaries, said('P', "plain")+said('P', "acked")+said('P', "\x00")+said('P', "four"))
	assert.Equal(t, 1, cast(strings.Repeat("x", 101), serpy.Plain), "too large for one wire")
	require.NoError(t, s.BroadcastWait(t.Context(), serpy.Message{Data: []byte("\x00\x00"), Mode: serpy.Acked}))
	hears(t, texts, said('P', strings.Repeat("x", 101))+said('a', "000"))
	hears(t, binaries, said('P', "\x00\x00"))
}
