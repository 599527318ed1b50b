package serpy1_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/base85"
	"github.com/serpy-go/serpy/protocol/serpy1"
)

// limit is the largest payload of most tests, in bytes.
const limit = 4 << 20

// A message is what an application would get.
type message struct {
	Mode protocol.Mode
	Type protocol.Type
	Data string
}

func plain(s string) message   { return message{Data: s} }
func acked(s string) message   { return message{Mode: protocol.Acked, Data: s} }
func text85(s string) message  { return message{Mode: protocol.Base85, Data: s} }
func acked85(s string) message { return message{Mode: protocol.Base85Acked, Data: s} }

// An outcome is all that a decoder said.
type outcome struct {
	Messages []message
	Answers  int
	Acks     uint64
	Dropped  []string
	Err      string
	Frames   int
}

// A feed gives a decoder what a link brings, and keeps it to what is promised.
type feed struct {
	tb   testing.TB
	dec  protocol.Decoder
	wait []byte
	out  outcome
}

func newFeed(tb testing.TB, w serpy1.Wire, limit int) *feed {
	tb.Helper()
	return &feed{tb: tb, dec: w.NewDecoder(limit)}
}

// put brings bytes.
func (f *feed) put(b []byte) {
	f.wait = append(f.wait, b...)
	for f.out.Err == "" {
		frame, n, err := f.dec.Decode(slices.Clip(f.wait))
		require.GreaterOrEqual(f.tb, n, 0)
		require.LessOrEqual(f.tb, n, len(f.wait))
		f.wait = f.wait[n:]
		if _, ok := errors.AsType[*protocol.DroppedError](err); ok {
			require.Positive(f.tb, n)
			f.out.Dropped = append(f.out.Dropped, err.Error())
			continue
		}
		switch {
		case errors.Is(err, protocol.ErrShort):
			require.LessOrEqual(f.tb, len(f.wait), protocol.MaxLeft)
			return
		case err != nil:
			f.out.Err = err.Error()
			return
		}
		f.frame(&frame)
	}
}

func (f *feed) frame(frame *protocol.Frame) {
	if f.out.Frames++; frame.Kind == protocol.KindAnswer {
		require.Equal(f.tb, "\x01ACKMODCG\x1f", string(frame.Body))
		f.out.Answers++
		return
	}
	require.Equal(f.tb, protocol.KindData, frame.Kind)
	if frame.Count == 0 {
		require.Empty(f.tb, frame.Body)
		require.Greater(f.tb, frame.Received, f.out.Acks)
		f.out.Acks = frame.Received
		return
	}
	require.LessOrEqual(f.tb, frame.Count, protocol.MaxCount)
	units := unitsOf(f.tb, frame.Body)
	require.Len(f.tb, units, frame.Count)
	f.out.Messages = append(f.out.Messages, units...)
}

// end is the end of the link.
func (f *feed) end() outcome {
	if _, err := f.dec.(protocol.Finisher).Finish(); err != nil {
		f.out.Dropped = append(f.out.Dropped, err.Error())
	}
	return f.out
}

// unitsOf gives the messages of a run.
func unitsOf(tb testing.TB, run []byte) (all []message) {
	tb.Helper()
	for len(run) > 0 {
		u, rest, err := protocol.NextWhole(run)
		require.NoError(tb, err)
		meta, err := protocol.DecodeMeta(u.Meta)
		require.NoError(tb, err)
		data := bytes.Clone(u.Payload)
		if u.Flags&protocol.UnitBase85 != 0 {
			data, err = base85.DecodeInPlace(data)
			require.NoError(tb, err)
		}
		all = append(all, message{Mode: protocol.ModeOf(u.Flags), Type: meta.Type, Data: string(data)})
		run = rest
	}
	return all
}

// decode gives a fresh decoder a stream in parts, as they come, without an end.
func decode(tb testing.TB, parts ...string) outcome {
	tb.Helper()
	f := newFeed(tb, serpy1.Wire{}, limit)
	for _, p := range parts {
		f.put([]byte(p))
	}
	return f.out
}

// appendMessage appends a message to a run, as a queue would.
func appendMessage(run []byte, m message) []byte {
	payload := []byte(m.Data)
	if m.Mode.IsBase85() {
		payload = base85.AppendEncode(nil, payload)
	}
	return protocol.AppendUnit(run, m.Mode.Flags(), (&protocol.Meta{Type: m.Type}).Append(nil), payload)
}

// encode gives what a fresh encoder writes for messages.
func encode(tb testing.TB, messages ...message) string {
	tb.Helper()
	return string(appendMessages(tb, serpy1.Wire{}.NewEncoder(), nil, messages...))
}

func appendMessages(tb testing.TB, enc protocol.Encoder, dst []byte, messages ...message) []byte {
	tb.Helper()
	var run []byte
	for _, m := range messages {
		run = appendMessage(run, m)
	}
	dst, err := enc.Append(dst, &protocol.Frame{Kind: protocol.KindData, Count: len(messages), Body: run})
	require.NoError(tb, err)
	return dst
}

// requireText compares what may be too large to print.
func requireText(tb testing.TB, want, got, format string, args ...any) {
	tb.Helper()
	if want != got {
		require.Failf(tb, "the bytes differ", format+fmt.Sprintf(": %.200q instead of %.200q", got, want), args...)
	}
}

// checks says whether Check lets a message pass.
func checks(tb testing.TB, m message) bool {
	tb.Helper()
	u, _, err := protocol.NextWhole(appendMessage(nil, m))
	require.NoError(tb, err)
	return serpy1.Wire{SendPickles: true}.Check(&protocol.Meta{Mode: m.Mode, Type: m.Type}, u.Payload) == nil
}
