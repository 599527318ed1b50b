package serpy1_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/internal/transcript"
	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/base85"
	"github.com/serpy-go/serpy/protocol/serpy1"
)

// recordings gives each recorded session by its name.
func recordings(tb testing.TB) map[string][]transcript.Event {
	tb.Helper()
	files, err := filepath.Glob("testdata/recorded/*.jsonl")
	require.NoError(tb, err)
	require.Len(tb, files, 32)
	all := map[string][]transcript.Event{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(tb, err)
		events, err := transcript.Parse(b)
		require.NoError(tb, err, file)
		all[strings.TrimSuffix(filepath.Base(file), ".jsonl")] = events
	}
	return all
}

// A direction is one of the two of a recorded connection.
type direction struct {
	events   []transcript.Event
	conn     int
	dir      string
	sender   string
	receiver string
}

func directions(events []transcript.Event) (all []direction) {
	conns := 0
	for i := range events {
		if events[i].Kind == "conn" {
			conns++
		}
	}
	for conn := range conns {
		all = append(all, direction{events, conn, "c2s", "client", "server"}, direction{events, conn, "s2c", "server", "client"})
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
	for name := range deviant {
		require.Contains(t, recordings(t), name)
	}
	directionsSeen, messages := 0, 0
	for name, events := range recordings(t) {
		for _, d := range directions(events) {
			sent := d.sent(t, name)
			got := appendMessages(t, serpy1.Wire{SendPickles: true}.NewEncoder(), nil, sent...)
			if deviant[name] {
				require.Equal(t, contents(sent), contents(decode(t, string(got)).Messages), name)
				continue
			}
			stream, size, sum, err := transcript.Stream(events, d.conn, d.dir)
			require.NoError(t, err)
			want, answers := withoutAnswers(string(stream))
			if !strings.HasPrefix(want, "\x01SETMODE") {
				got = []byte(strings.TrimPrefix(string(got), "\x01SETMODE0\x1f"))
			}
			if sum != "" {
				got = d.withAnswers(t, got)
				got256 := sha256.Sum256(got)
				require.Equal(t, size, len(got), name) //nolint:testifylint // Len prints all of it
				require.Equal(t, sum, hex.EncodeToString(got256[:]), "%s %d %s", name, d.conn, d.dir)
			} else {
				requireText(t, want, string(got), "%s %d %s", name, d.conn, d.dir)
				require.Equal(t, d.answers(t), answers, "%s %d %s", name, d.conn, d.dir)
			}
			directionsSeen++
			messages += len(sent)
		}
	}
	t.Logf("%d directions, %d messages", directionsSeen, messages)
	require.GreaterOrEqual(t, directionsSeen, 60)
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

// other is the direction that this one answers.
func (d direction) other() direction {
	for _, o := range directions(d.events) {
		if o.conn == d.conn && o.dir != d.dir {
			return o
		}
	}
	panic("no other direction")
}

// answers are what our decoder and session make of the other direction: an answer for
// each SETMODE, an acknowledgement for each message that asks for one.
func (d direction) answers(tb testing.TB) (n [2]int) {
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
func (d direction) withAnswers(tb testing.TB, b []byte) []byte {
	tb.Helper()
	var answers []byte
	last := 0
	for _, m := range d.other().sent(tb, "") {
		if mode := wireMode(m); mode != last {
			answers, last = append(answers, "\x01ACKMODCG\x1f"...), mode
		}
		if m.Mode.IsAcked() {
			answers = append(answers, "\x01ACKEOT!!\x1f"...)
		}
	}
	if d.dir == "c2s" {
		return append(b, answers...)
	}
	return append(answers, b...)
}

// stream gives the bytes of the direction, made anew where they were not recorded.
func (d direction) stream(tb testing.TB) []byte {
	tb.Helper()
	b, size, sum, err := transcript.Stream(d.events, d.conn, d.dir)
	require.NoError(tb, err)
	if sum == "" {
		return b
	}
	b = appendMessages(tb, serpy1.Wire{}.NewEncoder(), nil, d.sent(tb, "")...)
	b = d.withAnswers(tb, []byte(strings.TrimPrefix(string(b), "\x01SETMODE0\x1f")))
	require.Equal(tb, size, len(b)) //nolint:testifylint // Len prints all of it
	return b
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
func (d direction) sent(tb testing.TB, name string) (all []message) {
	tb.Helper()
	var pickles []message
	if b, _, sum, _ := transcript.Stream(d.events, d.conn, d.dir); sum == "" {
		for _, m := range decode(tb, string(b)).Messages {
			if m.Type == protocol.Pickle {
				pickles = append(pickles, m)
			}
		}
	}
	for i := range d.events {
		e := &d.events[i]
		if e.Kind != "send" || e.Conn != d.conn || e.Side != d.sender || d.failed(i) {
			continue
		}
		m, isPickle := sentMessage(tb, e, name == "v1_latin1_encoding")
		if isPickle {
			require.NotEmpty(tb, pickles)
			require.Equal(tb, m.Mode.IsAcked(), pickles[0].Mode.IsAcked())
			m, pickles = pickles[0], pickles[1:]
		}
		if all = append(all, m); name == "v1_close_right_after_send" {
			return all // the others were queued when the application closed: they are lost
		}
	}
	require.Empty(tb, pickles)
	return all
}

// failed says that the application was refused.
func (d direction) failed(i int) bool {
	for _, e := range d.events[i+1:] {
		if e.Kind == "sendret" && e.Conn == d.conn && e.Side == d.sender {
			return e.Error != ""
		}
	}
	return false
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
		m.Type, m.Data = protocol.Int, string(binary.LittleEndian.AppendUint64(nil, uint64(n)))
	case "float":
		x, err := v.Float()
		require.NoError(tb, err)
		m.Type, m.Data = protocol.Float, string(binary.LittleEndian.AppendUint64(nil, math.Float64bits(x)))
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
	for name, events := range recordings(t) {
		for _, d := range directions(events) {
			out := decode(t, string(d.stream(t)))
			require.Empty(t, out.Err, name)
			require.Empty(t, out.Dropped, name)
			i := 0
			for j := range events {
				e := &events[j]
				if e.Kind != "recv" || e.Conn != d.conn || e.Side != d.receiver {
					continue
				}
				require.Less(t, i, len(out.Messages), "%s %s", name, d.dir)
				requireValue(t, name, e, out.Messages[i])
				i++
			}
			if name == "v1_mode1_eot_in_payload_dies" && d.dir == "c2s" { // Q2: where it died, we go on
				require.Equal(t, []message{acked("ok"), acked("a"), acked("b"), acked("after")}, out.Messages)
				i = 4
			}
			require.Len(t, out.Messages, i, "%s %s", name, d.dir)
			values += i
		}
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
	requireText(t, want, m.Data, "%s", name)
}

// TestRecordedPieces cuts every stream at every byte, the largest at some: what came before the cut is a
// beginning of the whole, nothing in it is wrong, and the rest completes it.
func TestRecordedPieces(t *testing.T) {
	cuts := 0
	for name, events := range recordings(t) {
		for _, d := range directions(events) {
			b := d.stream(t)
			want := decode(t, string(b))
			step := 1
			if len(b) > 100_000 {
				step = len(b) / 60
			} else if testing.Short() {
				step = 1 + len(b)/200
			}
			for cut := 0; cut <= len(b); cut += step {
				f := newFeed(t, serpy1.Wire{}, limit)
				f.put(b[:cut:cut])
				require.Empty(t, f.out.Err, "%s cut at %d", name, cut)
				require.Empty(t, f.out.Dropped, "%s cut at %d", name, cut)
				require.LessOrEqual(t, len(f.out.Messages), len(want.Messages))
				require.True(t, slices.Equal(want.Messages[:len(f.out.Messages)], f.out.Messages), "%s cut at %d", name, cut)
				f.put(b[cut:])
				requireSame(t, want, f.out, "%s cut at %d", name, cut)
				cuts++
			}
			if len(b) < 100_000 {
				f := newFeed(t, serpy1.Wire{}, limit)
				for i := range b {
					f.put(b[i : i+1])
				}
				requireSame(t, want, f.out, "%s, byte by byte", name)
			}
		}
	}
	t.Logf("%d cuts", cuts)
}

// requireSame compares what may be too large to print.
func requireSame(t *testing.T, want, got outcome, format string, args ...any) {
	t.Helper()
	require.True(t, slices.Equal(want.Messages, got.Messages), format, args)
	want.Messages, got.Messages, got.Frames = nil, nil, want.Frames
	require.Equal(t, want, got, format, args)
}
