package serpy2_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/serpy2"
)

// limit is the largest body of most tests, in bytes.
const limit = 4 << 20

// A message is what an application would get.
type message struct {
	Type protocol.Type
	Data string
}

func textOf(s string) message { return message{protocol.Text, s} }
func bytesOf(s string) message {
	return message{protocol.Bytes, s}
}

func intOf(v int64) message {
	return message{protocol.Int, string(binary.LittleEndian.AppendUint64(nil, uint64(v)))}
}

func floatOf(v float64) message {
	return message{protocol.Float, string(binary.LittleEndian.AppendUint64(nil, math.Float64bits(v)))}
}

// An outcome is all that a decoder said.
type outcome struct {
	Messages []message
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

func newFeed(tb testing.TB, w serpy2.Wire, limit int) *feed {
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
		require.Equal(f.tb, protocol.KindData, frame.Kind)
		require.Positive(f.tb, frame.Count)
		f.out.Frames++
		units := unitsOf(f.tb, frame.Body)
		require.Len(f.tb, units, frame.Count)
		f.out.Messages = append(f.out.Messages, units...)
	}
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
		require.Zero(tb, u.Flags&^protocol.UnitMeta)
		meta, err := protocol.DecodeMeta(u.Meta)
		require.NoError(tb, err)
		all = append(all, message{meta.Type, string(u.Payload)})
		run = rest
	}
	return all
}

// decode gives a fresh decoder a stream in parts, as they come, without an end.
func decode(tb testing.TB, parts ...string) outcome {
	tb.Helper()
	f := newFeed(tb, serpy2.Wire{}, limit)
	for _, p := range parts {
		f.put([]byte(p))
	}
	return f.out
}

// encode gives what an encoder writes for messages.
func encode(tb testing.TB, messages ...message) string {
	tb.Helper()
	var run []byte
	for _, m := range messages {
		run = protocol.AppendUnit(run, 0, (&protocol.Meta{Type: m.Type}).Append(nil), []byte(m.Data))
	}
	b, err := serpy2.Wire{}.NewEncoder().Append(nil, &protocol.Frame{Kind: protocol.KindData, Count: len(messages), Body: run})
	require.NoError(tb, err)
	return string(b)
}

// raw makes a message by hand.
func raw(kind byte, body string) string {
	sum := uint32(0)
	for i := range len(body) {
		sum += uint32(body[i])
	}
	b := append([]byte("\xde\xca\xfe\xca\xfe"), kind)
	b = binary.LittleEndian.AppendUint32(b, sum)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(body)))
	return string(b) + body
}

// requireText compares what may be too large to print.
func requireText(tb testing.TB, want, got, format string, args ...any) {
	tb.Helper()
	if want != got {
		require.Failf(tb, "the bytes differ", format+fmt.Sprintf(": %.200q instead of %.200q", got, want), args...)
	}
}

// requireSame compares what may be too large to print.
func requireSame(tb testing.TB, want, got outcome, format string, args ...any) {
	tb.Helper()
	require.True(tb, slices.Equal(want.Messages, got.Messages), append([]any{format}, args...)...)
	want.Messages, got.Messages, got.Frames = nil, nil, want.Frames
	require.Equal(tb, want, got, append([]any{format}, args...)...)
}
