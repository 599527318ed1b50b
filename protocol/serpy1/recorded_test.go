package serpy1_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/internal/transcript"
	"github.com/serpy-go/serpy/internal/wiretest"
	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/base85"
	"github.com/serpy-go/serpy/protocol/serpy1"
)

// A direction is one of the two of a recorded connection.
type direction struct{ wiretest.Direction }

// directions gives those of all recorded connections, of 32 sessions.
func directions(tb testing.TB) (all []direction) {
	tb.Helper()
	for _, d := range wiretest.Directions(tb, 37) {
		all = append(all, direction{d})
	}
	return all
}

// deviant are the recordings in which the original breaks its own framing, which our
// encoder does not.
var deviant = map[string]bool{
	"v1_payload_with_control_bytes_text": true,
	"v1_mode1_us_in_payload":             true,
	"v1_mode1_eot_in_payload_dies":       true,
	"v1_payload_leading_soh_text":        true,
}

// TestRecordedEncode is the sending original: for what its application sent, our
// encoder gives its bytes, but for the SETMODE to mode 0 before the first message, and
// for payloads that break the framing.
func TestRecordedEncode(t *testing.T) {
	seen, messages := map[string]bool{}, 0
	all := directions(t)
	for _, d := range all {
		sent := d.sent(t)
		got := string(wiretest.Append(t, serpy1.Wire{SendPickles: true}.NewEncoder(), nil, sent...))
		seen[d.Name] = true
		if deviant[d.Name] {
			require.Equal(t, contents(sent), contents(decode(t, got).Messages), d.Name)
			continue
		}
		want, answers := withoutAnswers(string(d.stream(t)))
		if !strings.HasPrefix(want, "\x01SETMODE") {
			got = strings.TrimPrefix(got, "\x01SETMODE0\x1f")
		}
		wiretest.RequireText(t, want, got, "%d %s", d.Conn, d.String())
		require.Equal(t, d.answers(t), answers, "%d %s", d.Conn, d.String())
		messages += len(sent)
	}
	for name := range deviant {
		require.Contains(t, seen, name)
	}
	t.Logf("%d directions, %d messages", len(all), messages)
	require.Greater(t, messages, 500)
}

// withoutAnswers takes what answers the other direction out of a stream, and counts it.
func withoutAnswers(stream string) (rest string, answers [2]int) {
	for block := range strings.SplitAfterSeq(stream, "\x1f") {
		switch block {
		case "\x01ACKMODCG\x1f":
			answers[0]++
		case "\x01ACKEOT!!\x1f":
			answers[1]++
		default:
			rest += block
		}
	}
	return rest, answers
}

// answers are what our decoder and session make of the other direction: an answer for
// each SETMODE, an acknowledgement for each message that asks for one.
func (d *direction) answers(tb testing.TB) (n [2]int) {
	tb.Helper()
	out := decode(tb, string(d.other().stream(tb)))
	n[0] = out.Answers
	for _, m := range out.Messages {
		if m.Mode.IsAcked() {
			n[1]++
		}
	}
	return n
}

// withAnswers adds to a large stream what answers the other direction: the client
// spoke first, and then the server.
func (d *direction) withAnswers(tb testing.TB, b []byte) []byte {
	tb.Helper()
	var answers []byte
	last := 0
	for _, m := range d.other().sent(tb) {
		if mode := wireMode(m); mode != last {
			answers, last = append(answers, "\x01ACKMODCG\x1f"...), mode
		}
		if m.Mode.IsAcked() {
			answers = append(answers, "\x01ACKEOT!!\x1f"...)
		}
	}
	if d.Dir == "c2s" {
		return append(b, answers...)
	}
	return append(answers, b...)
}

func (d *direction) other() *direction { return &direction{d.Other()} }

// stream gives the bytes of the direction, made anew where they were not recorded.
func (d *direction) stream(tb testing.TB) []byte {
	tb.Helper()
	return d.Stream(tb, func() []byte {
		b := string(wiretest.Append(tb, serpy1.Wire{}.NewEncoder(), nil, d.sent(tb)...))
		return d.withAnswers(tb, []byte(strings.TrimPrefix(b, "\x01SETMODE0\x1f")))
	})
}

func wireMode(m message) int {
	mode := int(m.Mode.Flags() & protocol.UnitAcked)
	switch {
	case m.Type == protocol.Pickle:
		return mode + 4
	case m.Mode.IsBase85():
		return mode + 2
	}
	return mode
}

func contents(all []message) (data []string) {
	for _, m := range all {
		data = append(data, m.Data)
	}
	return data
}

// sent are the messages of the direction as our application would send them. A pickle
// is taken from the recording: nothing here makes one.
func (d *direction) sent(tb testing.TB) (all []message) {
	tb.Helper()
	var pickles []message
	if b, _, sum, _ := transcript.Stream(d.Events, d.Conn, d.Dir); sum == "" {
		for _, m := range decode(tb, string(b)).Messages {
			if m.Type == protocol.Pickle {
				pickles = append(pickles, m)
			}
		}
	}
	for _, e := range d.Sends() {
		m, isPickle := sentMessage(tb, e, d.Name == "v1_latin1_encoding")
		if isPickle {
			require.NotEmpty(tb, pickles)
			require.Equal(tb, m.Mode.IsAcked(), pickles[0].Mode.IsAcked())
			m, pickles = pickles[0], pickles[1:]
		}
		all = append(all, m)
	}
	require.Empty(tb, pickles)
	return all
}

// sentMessage chooses the mode as the original does, by value and asked-for mode.
func sentMessage(tb testing.TB, e *transcript.Event, latin1 bool) (m message, isPickle bool) {
	tb.Helper()
	mode := protocol.Mode(e.Mode)
	ack := protocol.Mode(e.Mode & 1)
	switch v := e.Value; v.T {
	case "str":
		b, err := v.Bytes()
		require.NoError(tb, err)
		if m.Data = string(b); latin1 {
			m.Data = ""
			for _, r := range string(b) {
				m.Data += string([]byte{byte(r)})
			}
		}
	case "int":
		n, err := v.Int()
		require.NoError(tb, err)
		m = wiretest.Int(n)
	case "float":
		x, err := v.Float()
		require.NoError(tb, err)
		m = wiretest.Float(x)
	case "bytes":
		b, err := v.Bytes()
		require.NoError(tb, err)
		switch m.Data = string(b); {
		case e.Force && e.Mode < 4:
			if e.Mode < 2 {
				m.Data = string(base85.AppendEncode(nil, b)) // labelled as what it is not
			}
			m.Mode = mode
			return m, false
		case e.Force:
			return message{Mode: ack}, true
		}
		m.Mode = protocol.Base85 + ack
		return m, false
	default: // an object
		return message{Mode: ack}, true
	}
	m.Mode = mode
	return message{Mode: mode & 3, Type: m.Type, Data: m.Data}, e.Mode >= 4
}

// TestRecordedDecode is the receiving original: our decoder gives its application's
// values, in their modes, whatever the pieces in which they come.
func TestRecordedDecode(t *testing.T) {
	values := 0
	for _, d := range directions(t) {
		out := decode(t, string(d.stream(t)))
		require.Empty(t, out.Err, d.Name)
		require.Empty(t, out.Dropped, d.Name)
		got := d.Receives()
		require.GreaterOrEqual(t, len(out.Messages), len(got), d.String())
		for i, e := range got {
			requireValue(t, d.Name, e, out.Messages[i])
		}
		n := len(got)
		if d.String() == "v1_mode1_eot_in_payload_dies c2s" { // Q2: where it died, we go on
			require.Equal(t, []message{acked("ok"), acked("a"), acked("b"), acked("after")}, out.Messages)
			n = 4
		}
		require.Len(t, out.Messages, n, d.String())
		values += n
	}
	t.Logf("%d values", values)
	require.Greater(t, values, 500)
}

func requireValue(t *testing.T, name string, e *transcript.Event, m message) {
	t.Helper()
	require.Equal(t, e.InMode, wireMode(m), name)
	if m.Type == protocol.Pickle {
		requirePickled(t, e.Value, m.Data)
		return
	}
	b, err := e.Value.Bytes()
	require.NoError(t, err, name)
	want := string(b)
	if e.Value.T == "str" { // Q3: a text that begins with 01 is a str without it; ours keeps it
		want = "\x01" + want
	}
	wiretest.RequireText(t, want, m.Data, "%s", name)
}

// TestRecordedPieces cuts every stream.
func TestRecordedPieces(t *testing.T) {
	cuts := 0
	for _, d := range directions(t) {
		cuts += wiretest.Cut(t, d.String(), func() *wiretest.Feed { return newFeed(t, serpy1.Wire{}, limit) }, d.stream(t))
	}
	t.Logf("%d cuts", cuts)
}
