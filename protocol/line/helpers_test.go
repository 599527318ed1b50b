package line_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/line"
)

// A got is a message, or what was dropped.
type got struct {
	data string
	t    protocol.Type
	tag  uint32
	err  string
}

// A receiver reads a link as a connection does.
type receiver struct {
	t    testing.TB
	dec  protocol.Decoder
	left []byte
	all  []got
	err  error // that ended the link
}

func newReceiver(tb testing.TB, w line.Wire, limit int) *receiver {
	tb.Helper()
	require.NoError(tb, w.Validate())
	return &receiver{t: tb, dec: w.NewDecoder(limit)}
}

// read gives the decoder what the link brought.
func (r *receiver) read(b []byte) {
	r.t.Helper()
	b = append(r.left, b...)
	for r.err == nil {
		f, n, err := r.dec.Decode(b)
		require.LessOrEqual(r.t, n, len(b))
		b = b[n:]
		var dropped *protocol.DroppedError
		switch {
		case errors.Is(err, protocol.ErrShort):
			require.LessOrEqual(r.t, len(b), 16)
			require.Zero(r.t, f.Count)
			r.left = append([]byte(nil), b...)
			return
		case errors.As(err, &dropped):
			require.Positive(r.t, n)
			r.all = append(r.all, got{err: dropped.Error()})
		case err != nil:
			r.err = err
		default:
			require.Positive(r.t, n)
			r.take(f)
		}
	}
}

func (r *receiver) take(f protocol.Frame) {
	r.t.Helper()
	require.Equal(r.t, protocol.KindData, f.Kind)
	n := 0
	for run := f.Body; len(run) > 0; n++ {
		u, rest, err := protocol.NextWhole(run)
		require.NoError(r.t, err)
		m, err := protocol.DecodeMeta(u.Meta)
		require.NoError(r.t, err)
		r.all = append(r.all, got{data: string(u.Payload), t: m.Type, tag: m.Tag})
		run = rest
	}
	require.Equal(r.t, f.Count, n)
}

// finish ends the link.
func (r *receiver) finish() {
	r.t.Helper()
	if r.err != nil {
		return
	}
	f, err := r.dec.(protocol.Finisher).Finish()
	if err != nil {
		var dropped *protocol.DroppedError
		require.ErrorAs(r.t, err, &dropped)
		r.all = append(r.all, got{err: dropped.Error()})
		return
	}
	if f.Count > 0 {
		r.take(f)
	}
}

// received reads a stream in parts that are cut at the places given.
func received(tb testing.TB, w line.Wire, limit int, stream string, cuts ...int) *receiver {
	tb.Helper()
	r := newReceiver(tb, w, limit)
	from := 0
	for _, cut := range append(cuts, len(stream)) {
		r.read([]byte(stream[from:cut]))
		from = cut
	}
	r.finish()
	return r
}

// texts are messages of one type.
func texts(t protocol.Type, list ...string) (all []got) {
	for _, s := range list {
		all = append(all, got{data: s, t: t})
	}
	return all
}

// frame makes a frame of messages.
func frame(m protocol.Meta, payloads ...string) *protocol.Frame {
	f := &protocol.Frame{Kind: protocol.KindData}
	for _, p := range payloads {
		f.Body = protocol.AppendUnit(f.Body, m.Mode.Flags(), m.Append(nil), []byte(p))
		f.Count++
	}
	return f
}
