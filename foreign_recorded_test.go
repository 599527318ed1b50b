package serpy_test

import (
	"bytes"
	"math"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/internal/transcript"
	"github.com/serpy-go/serpy/internal/wiretest"
	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/base85"
	"github.com/serpy-go/serpy/protocol/serpy1"
	"github.com/serpy-go/serpy/protocol/serpy2"
)

// A stream is what a decoder makes of one direction of a recorded connection.
type stream struct {
	messages []serpy.Message
	answers  int // that it demands
}

// acked is how many of its messages want an acknowledgement.
func (s stream) acked() (n int) {
	for i := range s.messages {
		if s.messages[i].Mode.IsAcked() {
			n++
		}
	}
	return n
}

func (s stream) contents() (all []string) {
	for i := range s.messages {
		all = append(all, string(s.messages[i].Data))
	}
	return all
}

// streamOf decodes.
func streamOf(t *testing.T, w protocol.Codec, b []byte) (s stream) {
	t.Helper()
	f := wiretest.NewFeed(t, w, 16<<20)
	if w.Name() == "serpy" {
		f.Answer = serpyMode
	}
	f.Put(b)
	require.Empty(t, f.Out.Err)
	require.Empty(t, f.Out.Dropped)
	for _, m := range f.Out.Messages {
		s.messages = append(s.messages, serpy.Message{Data: []byte(m.Data), Mode: m.Mode, Type: m.Type})
	}
	s.answers = f.Out.Answers
	return s
}

// A recording is one connection of a recorded session.
type recording struct {
	wiretest.Recording
	wire protocol.Codec
}

func recordings(t *testing.T) (all []recording) {
	t.Helper()
	for _, of := range []struct {
		dir  string
		wire protocol.Codec
	}{{"serpy1", serpy1.Wire{SendPickles: true}}, {"serpy2", serpy2.Wire{}}} {
		for _, r := range wiretest.Recordings(t, "protocol/"+of.dir+"/testdata/recorded") {
			all = append(all, recording{r, of.wire})
		}
	}
	require.Equal(t, 48, len(all)) //nolint:testifylint // Len prints all of it
	return all
}

// said gives the bytes of a direction without the answers to the other one. Where they
// were too many to be recorded, they are made of what the application sent, and exact is
// false.
func (r *recording) said(t *testing.T, dir, side string) (b []byte, exact bool) {
	t.Helper()
	b, _, sum, err := transcript.Stream(r.Events, r.Conn, dir)
	require.NoError(t, err)
	if sum == "" {
		return withoutAnswers(b), true
	}
	var run []byte
	n := 0
	for i := range r.Events {
		e := &r.Events[i]
		if e.Kind != "send" || e.Conn != r.Conn || e.Side != side {
			continue
		}
		data, err := e.Value.Bytes()
		require.NoError(t, err)
		mode := serpy.Mode(e.Mode)
		if e.Value.T == "bytes" && r.wire.Name() == "serpy" {
			mode |= serpy.Base85
		}
		if mode.IsBase85() {
			data = base85.AppendEncode(nil, data)
		}
		run = protocol.AppendUnit(run, mode.Flags(), nil, data)
		n++
	}
	b, err = r.wire.NewEncoder().Append(nil, &protocol.Frame{Kind: protocol.KindData, Count: n, Body: run})
	require.NoError(t, err)
	return b, false
}

func withoutAnswers(b []byte) []byte {
	b = bytes.ReplaceAll(b, []byte(serpyMode), nil)
	return bytes.ReplaceAll(b, []byte(serpyAck), nil)
}

// An original is the other end of a link: it says what was recorded, and answers what
// it hears as the Python program did.
type original struct {
	conn net.Conn
	mu   sync.Mutex // around each write

	heard  []byte
	mode   byte
	parsed int
}

// hear reads until enough says so.
func (o *original) hear(t *testing.T, enough func() bool) {
	t.Helper()
	require.NoError(t, o.conn.SetReadDeadline(time.Now().Add(time.Minute)))
	for b := make([]byte, 64<<10); !enough(); {
		n, err := o.conn.Read(b)
		require.NoError(t, err, "after %.200q", o.heard)
		o.heard = append(o.heard, b[:n]...)
		o.answer()
	}
}

// answer acknowledges modes and ends of texts, of which serpy2 has none.
func (o *original) answer() {
	var answers strings.Builder
	for {
		end := bytes.IndexByte(o.heard[o.parsed:], 0x1f)
		if end < 0 {
			break
		}
		block := o.heard[o.parsed : o.parsed+end]
		o.parsed += end + 1
		switch {
		case bytes.HasPrefix(block, []byte("\x01SETMODE")):
			o.mode = block[len(block)-1] - '0'
			answers.WriteString(serpyMode)
		case o.mode&1 != 0 && !bytes.HasPrefix(block, []byte("\x01ACK")):
			answers.WriteString(strings.Repeat(serpyAck, bytes.Count(block, []byte{4})))
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	_, _ = o.conn.Write([]byte(answers.String()))
}

// broken are the recordings in which the original breaks its own framing, or sends what
// is lost, which ours does not.
var broken = map[string]bool{
	"v1_empty_payloads":                  true,
	"v1_payload_with_control_bytes_text": true,
	"v1_mode1_us_in_payload":             true,
	"v1_mode1_eot_in_payload_dies":       true,
	"v1_payload_leading_soh_text":        true,
}

// Each recorded connection, with a Connection of ours in the place of its client, and of
// its server: our application gets what theirs got, what it says leaves in the bytes
// that were recorded, and everything is answered and acknowledged as it was.
func TestRecordedConnections(t *testing.T) {
	for _, r := range recordings(t) {
		t.Run(r.Name+"/as client", func(t *testing.T) { r.replay(t, "client", "c2s", "server", "s2c") })
		t.Run(r.Name+"/as server", func(t *testing.T) { r.replay(t, "server", "s2c", "client", "c2s") })
	}
}

func (r *recording) replay(t *testing.T, side, dir, theirSide, theirDir string) {
	theirs, _ := r.said(t, theirDir, theirSide)
	due, exact := r.said(t, dir, side)
	ours, told := streamOf(t, r.wire, due), streamOf(t, r.wire, theirs)
	c, o := r.link(t, side == "client")
	o.mu.Lock()
	go func() { _, _ = o.conn.Write(theirs); o.mu.Unlock() }()

	var got stream
	for range told.messages {
		got.messages = append(got.messages, get(t, c))
	}
	require.Equal(t, told.contents(), got.contents())
	r.hasValues(t, side, got.messages)

	var receipts []serpy.Receipt
	for i := range ours.messages {
		receipt, err := c.SendMessage(t.Context(), ours.messages[i])
		require.NoError(t, err)
		receipts = append(receipts, receipt)
	}
	if exact = exact && !broken[r.Name]; exact {
		due = r.with0(due, side)
	}
	o.hear(t, func() bool {
		return (!exact || len(o.heard) >= len(due)) && len(streamOf(t, r.wire, o.heard).messages) == len(ours.messages) &&
			bytes.Count(o.heard, []byte(serpyMode)) == told.answers && bytes.Count(o.heard, []byte(serpyAck)) == told.acked()
	})
	if exact {
		require.Equal(t, string(due), string(withoutAnswers(o.heard)))
	} else {
		requireSame(t, ours.contents(), streamOf(t, r.wire, o.heard).contents())
	}
	for i := range receipts {
		if ours.messages[i].Mode.IsAcked() {
			require.NoError(t, receipts[i].Wait(within(t, time.Minute)))
		}
	}
	require.NoError(t, o.conn.Close())
	<-c.Done()
	require.NoError(t, c.Err())
	for e := range c.Events(t.Context()) {
		_, bad := e.(serpy.WireFault)
		require.False(t, bad, "%+v", e)
	}
}

// with0 adds the SETMODE that the original forgets, and that ours says as soon as a link
// is made, or before its first message.
func (r *recording) with0(b []byte, side string) []byte {
	const mode0 = "\x01SETMODE0\x1f"
	first := mode0[:len(mode0)-2] // any mode
	if side == "client" {
		first = mode0
	}
	if r.wire.Name() != "serpy" || side == "server" && len(b) == 0 || bytes.HasPrefix(b, []byte(first)) {
		return b
	}
	return append([]byte(mode0), b...)
}

// link joins a Connection of ours and an original.
func (r *recording) link(t *testing.T, dialled bool) (*serpy.Connection, *original) {
	t.Helper()
	if !dialled {
		s, err := serpy.Listen("tcp://127.0.0.1:0", on(r.wire))
		require.NoError(t, err)
		t.Cleanup(func() { _ = s.Close() })
		conn := raw(t, s, "")
		return accepted(t, s), &original{conn: conn}
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	opt := on(r.wire)
	opt.Reconnect.Off = true
	c, err := serpy.Dial(t.Context(), listener.Addr().String(), opt)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	conn, err := listener.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return c, &original{conn: conn}
}

// hasValues compares with what the recorded application got, as far as it lived.
func (r *recording) hasValues(t *testing.T, side string, got []serpy.Message) {
	t.Helper()
	n := 0
	for i := range r.Events {
		e := &r.Events[i]
		if e.Kind != "recv" || e.Conn != r.Conn || e.Side != side {
			continue
		}
		require.Less(t, n, len(got))
		m := got[n]
		n++
		if m.Type == serpy.Pickle {
			continue
		}
		v, err := m.Value()
		require.NoError(t, err)
		switch e.Value.T {
		case "int":
			want, err := e.Value.Int()
			require.NoError(t, err)
			require.Equal(t, want, v)
		case "float":
			want, err := e.Value.Float()
			require.NoError(t, err)
			require.True(t, want == v || math.IsNaN(want) && math.IsNaN(v.(float64)), "%v instead of %v", v, want)
		case "str":
			want, err := e.Value.Bytes()
			require.NoError(t, err)
			if r.wire.Name() == "serpy" { // Q3: a text that begins with 01 is a str without it
				want = append([]byte{1}, want...)
			}
			requireSame(t, []string{string(want)}, []string{string(m.Data)})
		default:
			want, err := e.Value.Bytes()
			require.NoError(t, err)
			requireSame(t, []string{string(want)}, []string{string(m.Data)})
		}
	}
	if r.Name != "v1_mode1_eot_in_payload_dies" { // Q2: there it died, and ours goes on
		require.Len(t, got, n)
	}
}

// requireSame compares what may be too large to print.
func requireSame(t *testing.T, want, got []string) {
	t.Helper()
	require.Len(t, got, len(want))
	for i := range want {
		if want[i] != got[i] {
			assert.Failf(t, "another message", "%d: %.100q instead of %.100q", i, got[i], want[i])
		}
	}
}
