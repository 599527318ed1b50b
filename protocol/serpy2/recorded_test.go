package serpy2_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/internal/transcript"
	"github.com/serpy-go/serpy/internal/wiretest"
	"github.com/serpy-go/serpy/protocol/serpy2"
)

// A direction is one of the two of a recorded connection.
type direction struct{ wiretest.Direction }

// directions gives those of all recorded sessions, each of one connection.
func directions(tb testing.TB) (all []direction) {
	tb.Helper()
	for _, d := range wiretest.Directions(tb, 11) {
		all = append(all, direction{d})
	}
	return all
}

// valueOf is a recorded value as a message.
func valueOf(tb testing.TB, v *transcript.Value) message {
	tb.Helper()
	switch v.T {
	case "int":
		n, err := v.Int()
		require.NoError(tb, err)
		return intOf(n)
	case "float":
		x, err := v.Float()
		require.NoError(tb, err)
		return floatOf(x)
	}
	b, err := v.Bytes()
	require.NoError(tb, err)
	if v.T == "str" {
		return textOf(string(b))
	}
	return bytesOf(string(b))
}

// valuesOf gives what an application said, or got.
func valuesOf(tb testing.TB, events []*transcript.Event) (all []message) {
	tb.Helper()
	for _, e := range events {
		all = append(all, valueOf(tb, e.Value))
	}
	return all
}

// stream gives the bytes of the direction, made anew where they were not recorded.
func (d *direction) stream(tb testing.TB) []byte {
	tb.Helper()
	return d.Stream(tb, func() []byte { return []byte(encode(tb, valuesOf(tb, d.Sends())...)) })
}

// TestRecordedEncode is the sending original: for what its application sent, our
// encoder gives its bytes.
func TestRecordedEncode(t *testing.T) {
	messages := 0
	for _, d := range directions(t) {
		sent := valuesOf(t, d.Sends())
		wiretest.RequireText(t, string(d.stream(t)), encode(t, sent...), "%s", d.String())
		messages += len(sent)
	}
	t.Logf("%d messages", messages)
	require.Greater(t, messages, 180)
}

// TestRecordedDecode is the receiving original: our decoder gives its application's
// values.
func TestRecordedDecode(t *testing.T) {
	values := 0
	for _, d := range directions(t) {
		out := decode(t, string(d.stream(t)))
		require.Empty(t, out.Err, d.Name)
		require.Empty(t, out.Dropped, d.Name)
		want := valuesOf(t, d.Receives())
		require.Len(t, out.Messages, len(want), d.Name)
		for i := range want {
			require.Equal(t, want[i].Type, out.Messages[i].Type, d.Name)
			wiretest.RequireText(t, want[i].Data, out.Messages[i].Data, "%s %d", d.Name, i)
		}
		values += len(want)
	}
	t.Logf("%d values", values)
	require.Greater(t, values, 180)
}

// TestRecordedPieces cuts every stream.
func TestRecordedPieces(t *testing.T) {
	cuts := 0
	for _, d := range directions(t) {
		cuts += wiretest.Cut(t, d.String(), func() *wiretest.Feed { return wiretest.NewFeed(t, serpy2.Wire{}, limit) }, d.stream(t))
	}
	t.Logf("%d cuts", cuts)
}
