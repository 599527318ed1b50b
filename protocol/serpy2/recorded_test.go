package serpy2_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/internal/transcript"
	"github.com/serpy-go/serpy/protocol/serpy2"
)

// A direction is one of the two of a recorded connection.
type direction struct {
	name             string
	events           []transcript.Event
	dir              string
	sender, receiver string
}

// directions gives those of all recorded sessions, each of one connection.
func directions(tb testing.TB) (all []direction) {
	tb.Helper()
	files, err := filepath.Glob("testdata/recorded/*.jsonl")
	require.NoError(tb, err)
	require.Len(tb, files, 11)
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(tb, err)
		events, err := transcript.Parse(b)
		require.NoError(tb, err, file)
		name := strings.TrimSuffix(filepath.Base(file), ".jsonl")
		all = append(all, direction{name, events, "c2s", "client", "server"}, direction{name, events, "s2c", "server", "client"})
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

// sent are the messages that the original's application sent in a direction.
func (d direction) sent(tb testing.TB) (all []message) {
	tb.Helper()
	for i := range d.events {
		e := &d.events[i]
		if e.Kind != "send" || e.Side != d.sender || d.refused(i) {
			continue
		}
		if all = append(all, valueOf(tb, e.Value)); d.name == "v2_close_right_after_send" {
			return all // the others were queued when the application closed: they are lost
		}
	}
	return all
}

// refused says that the application was told at once that its value cannot be sent.
func (d direction) refused(i int) bool {
	for _, e := range d.events[i+1:] {
		if e.Kind == "sendret" && e.Side == d.sender {
			return e.Error != ""
		}
	}
	return false
}

// stream gives the bytes of the direction, made anew where they were not recorded.
func (d direction) stream(tb testing.TB) []byte {
	tb.Helper()
	b, size, sum, err := transcript.Stream(d.events, 0, d.dir)
	require.NoError(tb, err)
	if sum == "" {
		return b
	}
	b = []byte(encode(tb, d.sent(tb)...))
	got := sha256.Sum256(b)
	require.Equal(tb, size, len(b), d.name) //nolint:testifylint // Len prints all of it
	require.Equal(tb, sum, hex.EncodeToString(got[:]), d.name)
	return b
}

// TestRecordedEncode is the sending original: for what its application sent, our
// encoder gives its bytes.
func TestRecordedEncode(t *testing.T) {
	messages := 0
	for _, d := range directions(t) {
		sent := d.sent(t)
		requireText(t, string(d.stream(t)), encode(t, sent...), "%s %s", d.name, d.dir)
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
		require.Empty(t, out.Err, d.name)
		require.Empty(t, out.Dropped, d.name)
		var want []message
		for i := range d.events {
			if e := &d.events[i]; e.Kind == "recv" && e.Side == d.receiver {
				want = append(want, valueOf(t, e.Value))
			}
		}
		require.Len(t, out.Messages, len(want), d.name)
		for i := range want {
			require.Equal(t, want[i].Type, out.Messages[i].Type, d.name)
			requireText(t, want[i].Data, out.Messages[i].Data, "%s %d", d.name, i)
		}
		values += len(want)
	}
	t.Logf("%d values", values)
	require.Greater(t, values, 180)
}

// TestRecordedPieces cuts every stream at every byte, the largest at some: what came
// before the cut is a beginning of the whole, nothing in it is wrong, and the rest
// completes it.
func TestRecordedPieces(t *testing.T) {
	cuts := 0
	for _, d := range directions(t) {
		b := d.stream(t)
		want := decode(t, string(b))
		step := 1
		if len(b) > 100_000 {
			step = len(b) / 60
		} else if testing.Short() {
			step = 1 + len(b)/200
		}
		for cut := 0; cut <= len(b); cut += step {
			f := newFeed(t, serpy2.Wire{}, limit)
			f.put(b[:cut:cut])
			require.Empty(t, f.out.Err, "%s cut at %d", d.name, cut)
			require.Empty(t, f.out.Dropped, "%s cut at %d", d.name, cut)
			require.LessOrEqual(t, len(f.out.Messages), len(want.Messages))
			require.True(t, slices.Equal(want.Messages[:len(f.out.Messages)], f.out.Messages), "%s cut at %d", d.name, cut)
			f.put(b[cut:])
			requireSame(t, want, f.out, "%s cut at %d", d.name, cut)
			cuts++
		}
		if len(b) < 100_000 {
			f := newFeed(t, serpy2.Wire{}, limit)
			for i := range b {
				f.put(b[i : i+1])
			}
			requireSame(t, want, f.out, "%s, byte by byte", d.name)
		}
	}
	t.Logf("%d cuts", cuts)
}
