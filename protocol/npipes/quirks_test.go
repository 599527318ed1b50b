package npipes_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/charset"
	"github.com/serpy-go/serpy/protocol/npipes"
)

// A test for each oddity of the original in its messages, by the numbers of
// docs/pipes.md. Those of opening pipes are in package transport.

var hello = []byte("\x00\x00\x00\x0d\x00\x00\x00\x05Hello\xf7\xd1\x89\x82")

func TestN1TheCRCIsAlwaysThere(t *testing.T) {
	for _, test := range []struct {
		crc  bool
		want string
	}{{true, "\xf7\xd1\x89\x82"}, {false, "\x00\x00\x00\x00"}} {
		b, err := npipes.Wire{CRC: test.crc}.Append(nil, []byte("Hello"))
		require.NoError(t, err)
		assert.Equal(t, string(hello[:13])+test.want, string(b))
	}
	_, err := npipes.Wire{}.Parse(hello[:13])
	require.ErrorContains(t, err, "cut short", "without it there is no message, whether it counts or not")
}

func TestN2TheMessageLengthIsNotItsOwn(t *testing.T) {
	strict, lax := npipes.Wire{CRC: true}, npipes.Wire{CRC: true, AnyLength: true}
	for first := range 256 { // the length counts what follows it, and the original takes any
		b := bytes.Clone(hello)
		b[3] = byte(first)
		text, err := lax.Parse(b)
		require.NoError(t, err)
		require.Equal(t, "Hello", string(text))
		_, err = strict.Parse(b)
		require.Equal(t, first == 13, err == nil, first)
	}
}

func TestN3TheCRCIsOfCodePoints(t *testing.T) {
	w := npipes.Wire{CRC: true, Charset: charset.UTF8}
	b, err := w.Append(nil, []byte("é"))
	require.NoError(t, err)
	assert.Equal(t, "\x00\x00\x00\x0a\x00\x00\x00\x02\xc3\xa9\x0b\xd4\xb5\x51", string(b))
	text, err := w.Parse(b)
	require.NoError(t, err)
	assert.Equal(t, "é", string(text))
	// Of a code point the low eight bits count, so that these two have one sum.
	x, err := w.Append(nil, []byte{0xc4, 0x81}) // U+0101
	require.NoError(t, err)
	y, err := w.Append(nil, []byte{1})
	require.NoError(t, err)
	assert.Equal(t, x[len(x)-4:], y[len(y)-4:])

	w.CRCOf = npipes.Payload
	_, err = w.Parse(b)
	require.ErrorContains(t, err, "CRC")
}

func TestN4AFailureIsNoEmptyMessage(t *testing.T) {
	empty := []byte("\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00")
	for _, w := range []npipes.Wire{{}, {CRC: true}} { // its sum is 0, too
		text, err := w.Parse(empty)
		require.NoError(t, err)
		assert.NotNil(t, text)
		assert.Empty(t, text)
		f, _, err := w.NewDecoder(0).Decode(empty)
		require.NoError(t, err)
		assert.Empty(t, textOf(t, f))
	}
	unsummed := append(bytes.Clone(hello[:13]), 0, 0, 0, 0)
	for name, bad := range map[string][]byte{
		"nothing": nil, "cut short": hello[:16], "no sum": unsummed,
		"one more": append(bytes.Clone(hello), 0), "no text": append([]byte("\x00\x00\x00\x09\x00\x00\x00\x01\xff"), 0, 0, 0, 0),
	} {
		text, err := npipes.Wire{CRC: true}.Parse(bad)
		require.Error(t, err, name)
		assert.Nil(t, text, name)
	}
}

func TestN5WhatIsNoTextOfTheCharsetIsRefused(t *testing.T) {
	w := npipes.Wire{CRC: true}
	err := w.Check(&protocol.Meta{Type: protocol.Text}, []byte("naïve"))
	require.ErrorIs(t, err, errors.ErrUnsupported, "before anything is written")
	b, err := w.Append([]byte("before"), []byte("naïve"))
	require.ErrorIs(t, err, errors.ErrUnsupported)
	assert.Equal(t, "before", string(b))
}

func TestN6TheOriginalReadsOnce(t *testing.T) {
	w := npipes.Wire{CRC: true}
	largest := bytes.Repeat([]byte("x"), npipes.MaxPayload)
	b, err := w.Append(nil, largest)
	require.NoError(t, err)
	require.Len(t, b, 65536)
	_, err = w.Append(nil, append(largest, 'x'))
	require.ErrorIs(t, err, protocol.ErrTooLarge)
	require.ErrorIs(t, w.Check(&protocol.Meta{}, append(largest, 'x')), protocol.ErrTooLarge)
}

func TestN7NothingStandsBehindAMessage(t *testing.T) {
	w := npipes.Wire{CRC: true}
	_, _, err := w.NewDecoder(0).Decode(append(bytes.Clone(hello), hello...))
	require.ErrorContains(t, err, "behind")
	dec := w.NewDecoder(0)
	_, _, err = dec.Decode(hello)
	require.NoError(t, err)
	_, _, err = dec.Decode(hello)
	require.ErrorContains(t, err, "second message")
}

func TestN8AByteOrderHasToBeKnown(t *testing.T) {
	_, err := npipes.OrderOf("bigg")
	require.Error(t, err, "the original takes it for the machine's")
	little, err := npipes.Wire{CRC: true, Order: npipes.Little}.Append(nil, []byte("Hello"))
	require.NoError(t, err)
	_, err = npipes.Wire{CRC: true}.Parse(little)
	require.Error(t, err)
}
