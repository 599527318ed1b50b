package serpy1_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/internal/wiretest"
	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/serpy1"
)

// limit is the largest payload of most tests, in bytes.
const limit = 4 << 20

type message = wiretest.Message

func plain(s string) message   { return message{Data: s} }
func acked(s string) message   { return message{Mode: protocol.Acked, Data: s} }
func text85(s string) message  { return message{Mode: protocol.Base85, Data: s} }
func acked85(s string) message { return message{Mode: protocol.Base85Acked, Data: s} }

func newFeed(tb testing.TB, w serpy1.Wire, limit int) *wiretest.Feed {
	tb.Helper()
	f := wiretest.NewFeed(tb, w, limit)
	f.Answer = "\x01ACKMODCG\x1f"
	return f
}

// decode gives a fresh decoder a stream in parts, as they come, without an end.
func decode(tb testing.TB, parts ...string) wiretest.Outcome {
	tb.Helper()
	f := newFeed(tb, serpy1.Wire{}, limit)
	for _, p := range parts {
		f.Put([]byte(p))
	}
	return f.Out
}

// encode gives what a fresh encoder writes for messages.
func encode(tb testing.TB, messages ...message) string {
	tb.Helper()
	return string(wiretest.Append(tb, serpy1.Wire{}.NewEncoder(), nil, messages...))
}

// checks says whether Check lets a message pass.
func checks(tb testing.TB, m message) bool {
	tb.Helper()
	u, _, err := protocol.NextWhole(m.AppendUnit(nil))
	require.NoError(tb, err)
	return serpy1.Wire{SendPickles: true}.Check(&protocol.Meta{Mode: m.Mode, Type: m.Type}, u.Payload) == nil
}
