package serpy2_test

import (
	"encoding/binary"
	"testing"

	"github.com/serpy-go/serpy/internal/wiretest"
	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/serpy2"
)

// limit is the largest body of most tests, in bytes.
const limit = 4 << 20

type message = wiretest.Message

func textOf(s string) message   { return message{Type: protocol.Text, Data: s} }
func bytesOf(s string) message  { return message{Type: protocol.Bytes, Data: s} }
func intOf(v int64) message     { return wiretest.Int(v) }
func floatOf(v float64) message { return wiretest.Float(v) }

// decode gives a fresh decoder a stream in parts, as they come, without an end.
func decode(tb testing.TB, parts ...string) wiretest.Outcome {
	tb.Helper()
	f := wiretest.NewFeed(tb, serpy2.Wire{}, limit)
	for _, p := range parts {
		f.Put([]byte(p))
	}
	return f.Out
}

// encode gives what an encoder writes for messages.
func encode(tb testing.TB, messages ...message) string {
	tb.Helper()
	return string(wiretest.Append(tb, serpy2.Wire{}.NewEncoder(), nil, messages...))
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
