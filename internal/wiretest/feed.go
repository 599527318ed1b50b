// Package wiretest holds the codecs of foreign wires to what the session expects of
// them, and to the recorded sessions of the programs whose wires they are. Only tests
// import it.
package wiretest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/base85"
)

// A Message is what an application would get.
type Message struct {
	Mode protocol.Mode
	Type protocol.Type
	Data string // without base85
}

// Int is a number as messages have it.
func Int(v int64) Message {
	return Message{Type: protocol.Int, Data: string(binary.LittleEndian.AppendUint64(nil, uint64(v)))} //nolint:gosec // the bits are meant
}

// Float is a number as messages have it.
func Float(v float64) Message {
	return Message{Type: protocol.Float, Data: string(binary.LittleEndian.AppendUint64(nil, math.Float64bits(v)))}
}

// AppendUnit appends the message to a run, as a queue would.
func (m Message) AppendUnit(run []byte) []byte {
	payload := []byte(m.Data)
	if m.Mode.IsBase85() {
		payload = base85.AppendEncode(nil, payload)
	}
	return protocol.AppendUnit(run, m.Mode.Flags(), (&protocol.Meta{Type: m.Type}).Append(nil), payload)
}

// Append appends what an encoder writes for messages.
func Append(tb testing.TB, enc protocol.Encoder, dst []byte, messages ...Message) []byte {
	tb.Helper()
	var run []byte
	for i := range messages {
		run = messages[i].AppendUnit(run)
	}
	dst, err := enc.Append(dst, &protocol.Frame{Kind: protocol.KindData, Count: len(messages), Body: run})
	require.NoError(tb, err)
	return dst
}

// An Outcome is all that a decoder said.
type Outcome struct {
	Messages []Message
	Answers  int    // that it demands
	Acks     uint64 // that it got
	Dropped  []string
	Err      string // that ended the link
	Frames   int
}

// A Feed gives a decoder what a link brings, and keeps it to what is promised.
type Feed struct {
	Out    Outcome
	Answer string // what the decoder demands as an answer; "": nothing

	tb    testing.TB
	dec   protocol.Decoder
	acks  bool
	flags protocol.UnitFlags // that units of this wire may have
	wait  []byte
}

// NewFeed begins a link with a decoder for payloads of at most limit bytes.
func NewFeed(tb testing.TB, w protocol.Codec, limit int) *Feed {
	tb.Helper()
	f := &Feed{tb: tb, dec: w.NewDecoder(limit), acks: w.Caps().Acks != protocol.NoAcks, flags: protocol.UnitMeta}
	if f.acks {
		f.flags |= protocol.UnitAcked
	}
	if !w.Caps().CleanBinary {
		f.flags |= protocol.UnitBase85
	}
	return f
}

// Put brings bytes.
func (f *Feed) Put(b []byte) {
	f.wait = append(f.wait, b...)
	for f.Out.Err == "" {
		frame, n, err := f.dec.Decode(slices.Clip(f.wait))
		require.GreaterOrEqual(f.tb, n, 0)
		require.LessOrEqual(f.tb, n, len(f.wait))
		f.wait = f.wait[n:]
		if _, ok := errors.AsType[*protocol.DroppedError](err); ok {
			require.Positive(f.tb, n)
			f.Out.Dropped = append(f.Out.Dropped, err.Error())
			continue
		}
		switch {
		case errors.Is(err, protocol.ErrShort):
			require.LessOrEqual(f.tb, len(f.wait), protocol.MaxLeft)
			return
		case err != nil:
			f.Out.Err = err.Error()
			return
		}
		f.frame(&frame)
	}
}

func (f *Feed) frame(frame *protocol.Frame) {
	if f.Out.Frames++; frame.Kind == protocol.KindAnswer && f.Answer != "" {
		require.Equal(f.tb, f.Answer, string(frame.Body))
		f.Out.Answers++
		return
	}
	require.Equal(f.tb, protocol.KindData, frame.Kind)
	if f.acks && frame.Count == 0 {
		require.Empty(f.tb, frame.Body)
		require.Greater(f.tb, frame.Received, f.Out.Acks)
		f.Out.Acks = frame.Received
		return
	}
	require.Positive(f.tb, frame.Count)
	require.LessOrEqual(f.tb, frame.Count, protocol.MaxCount)
	before := len(f.Out.Messages)
	f.units(frame.Body)
	require.Len(f.tb, f.Out.Messages[before:], frame.Count)
}

// units takes the messages of a run.
func (f *Feed) units(run []byte) {
	for len(run) > 0 {
		u, rest, err := protocol.NextWhole(run)
		require.NoError(f.tb, err)
		require.Zero(f.tb, u.Flags&^f.flags)
		meta, err := protocol.DecodeMeta(u.Meta)
		require.NoError(f.tb, err)
		data := bytes.Clone(u.Payload)
		if u.Flags&protocol.UnitBase85 != 0 {
			data, err = base85.DecodeInPlace(data)
			require.NoError(f.tb, err)
		}
		f.Out.Messages = append(f.Out.Messages, Message{Mode: protocol.ModeOf(u.Flags), Type: meta.Type, Data: string(data)})
		run = rest
	}
}

// End is the end of the link.
func (f *Feed) End() Outcome {
	if _, err := f.dec.(protocol.Finisher).Finish(); err != nil { //nolint:forcetypeassert // a test
		f.Out.Dropped = append(f.Out.Dropped, err.Error())
	}
	return f.Out
}

// Cut feeds a stream cut at every byte, a large one at some: what came before the cut
// is a beginning of the whole, nothing in it is wrong, and the rest completes it. It
// says how many cuts it made.
func Cut(tb testing.TB, name string, feed func() *Feed, stream []byte) (cuts int) {
	tb.Helper()
	const large = 100_000
	whole := feed()
	whole.Put(stream)
	want := whole.Out
	step := 1
	if len(stream) > large {
		step = len(stream) / 60
	} else if testing.Short() {
		step = 1 + len(stream)/200
	}
	for cut := 0; cut <= len(stream); cut += step {
		f := feed()
		f.Put(stream[:cut:cut])
		require.Empty(tb, f.Out.Err, "%s cut at %d", name, cut)
		require.Empty(tb, f.Out.Dropped, "%s cut at %d", name, cut)
		require.LessOrEqual(tb, len(f.Out.Messages), len(want.Messages))
		require.True(tb, slices.Equal(want.Messages[:len(f.Out.Messages)], f.Out.Messages), "%s cut at %d", name, cut)
		f.Put(stream[cut:])
		requireSame(tb, want, f.Out, "%s cut at %d", name, cut)
		cuts++
	}
	if len(stream) < large {
		f := feed()
		for i := range stream {
			f.Put(stream[i : i+1])
		}
		requireSame(tb, want, f.Out, "%s, byte by byte", name)
	}
	return cuts
}

// requireSame compares what may be too large to print. In how many frames messages
// come is the decoder's own affair.
func requireSame(tb testing.TB, want, got Outcome, format string, args ...any) {
	tb.Helper()
	about := append([]any{format}, args...)
	require.True(tb, slices.Equal(want.Messages, got.Messages), about...)
	want.Messages, got.Messages, got.Frames = nil, nil, want.Frames
	require.Equal(tb, want, got, about...)
}

// RequireText compares what may be too large to print.
func RequireText(tb testing.TB, want, got, format string, args ...any) {
	tb.Helper()
	if want != got {
		require.Failf(tb, "the bytes differ", format+fmt.Sprintf(": %.200q instead of %.200q", got, want), args...)
	}
}
