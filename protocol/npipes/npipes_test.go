package npipes_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/charset"
	"github.com/serpy-go/serpy/protocol/npipes"
)

// unit makes a run of one message.
func unit(m protocol.Meta, payload []byte) []byte {
	return protocol.AppendUnit(nil, m.Mode.Flags(), m.Append(nil), payload)
}

func data(run []byte) *protocol.Frame {
	return &protocol.Frame{Kind: protocol.KindData, Count: 1, Body: run}
}

func TestOneMessageALink(t *testing.T) {
	enc := npipes.Wire{CRC: true}.NewEncoder()
	b, err := enc.Append(nil, &protocol.Frame{Kind: protocol.KindPing})
	require.NoError(t, err)
	require.Empty(t, b, "there is no other thing to say")
	b, err = enc.Append(nil, &protocol.Frame{Kind: protocol.KindData, Received: 7})
	require.NoError(t, err)
	require.Empty(t, b)
	gap := protocol.AppendUnit(nil, protocol.UnitGap, nil, protocol.AppendGap(nil, protocol.Gap{First: 1, Last: 1}))
	b, err = enc.Append(nil, data(append(gap, unit(protocol.Meta{Tag: 7}, []byte("Hello"))...)))
	require.NoError(t, err)
	assert.Equal(t, "0000000d0000000548656c6c6ff7d18982", hex.EncodeToString(b))
	more, err := enc.Append(b, data(unit(protocol.Meta{}, []byte("again"))))
	require.ErrorContains(t, err, "second message")
	assert.Equal(t, b, more)
	_, err = npipes.Wire{}.NewEncoder().Append(nil, data([]byte{9, 9}))
	require.Error(t, err, "no run")
}

func TestValuesTravelAsText(t *testing.T) {
	number := func(v uint64) []byte { return binary.LittleEndian.AppendUint64(nil, v) }
	for _, test := range []struct {
		t    protocol.Type
		data []byte
		want string
	}{
		{protocol.Int, number(^uint64(41)), "-42"},
		{protocol.Float, number(math.Float64bits(2.5)), "2.5"},
		{protocol.Float, number(math.Float64bits(math.Inf(-1))), "-Inf"},
		{protocol.Text, []byte("a"), "a"},
		{protocol.Bytes, nil, ""},
	} {
		w := npipes.Wire{}
		m := protocol.Meta{Type: test.t}
		require.NoError(t, w.Check(&m, test.data))
		b, err := w.NewEncoder().Append(nil, data(unit(m, test.data)))
		require.NoError(t, err)
		f, n, err := w.NewDecoder(0).Decode(b)
		require.NoError(t, err)
		assert.Equal(t, len(b), n)
		assert.Equal(t, test.want, textOf(t, f))
	}
}

func TestWhatCannotTravel(t *testing.T) {
	w := npipes.Wire{}
	for _, test := range []struct {
		m    protocol.Meta
		data []byte
	}{
		{protocol.Meta{Mode: protocol.Base85}, []byte("a")},
		{protocol.Meta{Type: protocol.Pickle}, []byte("a")},
		{protocol.Meta{Type: protocol.Int}, []byte("1234567")},
		{protocol.Meta{}, []byte("é")},
		{protocol.Meta{}, []byte{0x80}},
	} {
		require.ErrorIs(t, w.Check(&test.m, test.data), errors.ErrUnsupported, test)
		_, err := w.NewEncoder().Append(nil, data(unit(test.m, test.data)))
		require.ErrorIs(t, err, errors.ErrUnsupported, test)
	}
	// What a payload of any bytes needs.
	raw := npipes.Wire{CRC: true, Charset: charset.Raw}
	assert.True(t, raw.Caps().CleanBinary)
	assert.False(t, w.Caps().CleanBinary)
	b, err := raw.Append(nil, []byte{0x80, 0xff})
	require.NoError(t, err)
	f, _, err := raw.NewDecoder(0).Decode(b)
	require.NoError(t, err)
	u, _, err := protocol.NextUnit(f.Body)
	require.NoError(t, err)
	assert.Equal(t, []byte{0x80, 0xff}, u.Payload)
	assert.Nil(t, u.Meta, "bytes")
}

func TestTheLargestMessage(t *testing.T) {
	w := npipes.Wire{CRC: true, Charset: charset.UTF8}
	text := bytes.Repeat([]byte("ü"), npipes.MaxPayload/2)
	b, err := w.Append(nil, text)
	require.NoError(t, err)
	require.Len(t, b, npipes.MaxMessage)
	require.NoError(t, w.Check(&protocol.Meta{}, text))
	got, err := w.Parse(b)
	require.NoError(t, err)
	require.Equal(t, text, got)
	assert.Equal(t, npipes.MaxPayload, w.Caps().MaxPayload)

	_, err = w.Append(nil, append(text, '!'))
	require.ErrorContains(t, err, "at most 65524 fit")
	require.Error(t, w.Check(&protocol.Meta{}, append(text, '!')))
	_, _, err = w.NewDecoder(len(text) - 1).Decode(b)
	require.ErrorContains(t, err, "too large")
	head := []byte{0, 0, 0xff, 0xfd, 0, 0, 0xff, 0xf5}
	_, _, err = w.NewDecoder(0).Decode(head)
	require.ErrorContains(t, err, "too large", "before any of it is there")

	// A charset that grows in UTF-8 does not get past the limit either.
	latin := npipes.Wire{Charset: charset.Latin1}
	b, err = latin.Append(nil, []byte("éé"))
	require.NoError(t, err)
	_, _, err = latin.NewDecoder(3).Decode(b)
	require.ErrorContains(t, err, "too large")
}

func TestPoliciesOfTheCRC(t *testing.T) {
	message := func(sum uint32) []byte {
		return binary.BigEndian.AppendUint32([]byte("\x00\x00\x00\x0d\x00\x00\x00\x05Hello"), sum)
	}
	const right, wrong = 0xf7d18982, 0xf7d18900
	for verify, want := range map[npipes.Verify][3]bool{ // right, 0, wrong
		npipes.ByCRC: {true, false, false}, npipes.Ignore: {true, true, true},
		npipes.Require: {true, false, false}, npipes.Present: {true, true, false},
	} {
		for i, sum := range []uint32{right, 0, wrong} {
			_, err := npipes.Wire{CRC: true, Verify: verify}.Parse(message(sum))
			assert.Equal(t, want[i], err == nil, "%d %x", verify, sum)
		}
	}
	_, err := npipes.Wire{}.Parse(message(wrong))
	require.NoError(t, err, "as the original with crc=False")
	_, err = npipes.Wire{Verify: npipes.Require}.Parse(message(0))
	require.ErrorContains(t, err, "CRC")
}

func TestMatch(t *testing.T) {
	w := npipes.Wire{CRC: true}
	hello, err := w.Append(nil, []byte("Hello"))
	require.NoError(t, err)
	for n := range hello {
		want := protocol.Yes
		if n < 8 {
			want = protocol.More
		}
		assert.Equal(t, want, w.Match(hello[:n]), n)
	}
	assert.Equal(t, protocol.Yes, w.Match(make8(8, 0)), "the empty text")
	assert.Equal(t, protocol.No, w.Match(make8(8, 1)))
	assert.Equal(t, protocol.No, w.Match(make8(65533, 65525)))
	for _, other := range []string{"\x89SPY\r\n\x1a\n", "\x01SETMODE0\x1f", "\xde\xca\xfe\xca\xfe", "*IDN?\n", "\x00\x00\x00\x0d\x01"} {
		assert.Equal(t, protocol.No, w.Match([]byte(other)), other)
	}
	lax := npipes.Wire{AnyLength: true}
	assert.Equal(t, protocol.Yes, lax.Match([]byte("\xff\xff\xff\xff\x00\x00\x00\x05")))
	assert.Equal(t, protocol.More, lax.Match([]byte("\xff\xff\xff\xff\x00")))
	little := npipes.Wire{Order: npipes.Little}
	assert.Equal(t, protocol.More, little.Match([]byte{0x0d}))
	assert.Equal(t, protocol.No, little.Match(hello[:4]))
}

func make8(message, data uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, message), data)
}

func TestByteOrders(t *testing.T) {
	for word, want := range map[string]npipes.Order{"BIG": npipes.Big, "network": npipes.Big, "Little": npipes.Little, "native": npipes.Machine} {
		got, err := npipes.OrderOf(word)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	_, err := npipes.OrderOf("middle")
	require.Error(t, err)
	b, err := npipes.Wire{Order: npipes.Machine}.Append(nil, []byte("a"))
	require.NoError(t, err)
	assert.Equal(t, uint32(9), binary.NativeEndian.Uint32(b))
	text, err := npipes.Wire{Order: npipes.Machine}.Parse(b)
	require.NoError(t, err)
	assert.Equal(t, "a", string(text))
}

// FuzzParse holds the decoder to: no panic, nothing beyond the limit, the same by the
// link as by the message, and what is read is written to the same meaning.
func FuzzParse(f *testing.F) {
	for i, v := range vectors(f) {
		if v.Error == "" && len(v.Hex) < 400 {
			f.Add(v.bytes(f), uint8(i))
		}
	}
	names := []*charset.Charset{nil, charset.UTF8, charset.Latin1, charset.Raw}
	f.Fuzz(func(t *testing.T, b []byte, how uint8) {
		w := npipes.Wire{
			CRC: how&1 != 0, AnyLength: how&2 != 0, Charset: names[how>>2&3],
			Order: npipes.Order(how >> 4 & 1), Verify: npipes.Verify(how >> 5 & 3), CRCOf: npipes.CRCOf(how >> 7),
		}
		w.Match(b)
		text, err := w.Parse(b)
		frame, n, failed := w.NewDecoder(100).Decode(b)
		if err != nil {
			require.Error(t, failed)
			require.Nil(t, text)
			require.LessOrEqual(t, n, len(b))
			return
		}
		require.NotNil(t, text)
		if len(text) > 100 || len(b) > 112 {
			require.Error(t, failed)
			return
		}
		require.NoError(t, failed)
		require.Equal(t, len(b), n)
		u, _, err := protocol.NextUnit(frame.Body)
		require.NoError(t, err)
		require.Equal(t, string(text), string(u.Payload))
		again, err := w.Append(nil, text)
		require.NoError(t, err)
		require.Len(t, again, len(b))
		w.Verify = npipes.Ignore
		back, err := w.Parse(again)
		require.NoError(t, err)
		require.Equal(t, text, back)
	})
}
