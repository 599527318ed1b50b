package serpy1_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol/serpy1"
)

// FuzzDecode reads a link, cut in two anywhere, in a mode that it may begin in, under
// a limit: where it was cut makes no difference, nothing is larger than the limit, and
// what was decoded and is written again is decoded to the same.
func FuzzDecode(f *testing.F) {
	for _, stream := range []string{
		"a\x1fb\x1f", mode1 + "a\x04b\x1fc\x04\x1f", mode2 + "bTR\x1f|NsC1\x1f", mode3 + "bTR\x04\x1f" + gotIt, mode4 + "fCW2\x1f", mode5 + "fCY#y\x04\x1f",
		"\x01SETMODE9\x1f", "\x01SETMODE\x1f\x01\x1f\x01ACKMODCG\x1f", gotIt + gotIt + "\x1f\x1f" + mode0 + "x",
	} {
		f.Add([]byte(stream), uint16(5), uint8(0), uint16(100))
		f.Add([]byte(stream), uint16(9), uint8(3), uint16(2))
	}
	f.Fuzz(func(t *testing.T, b []byte, cut uint16, mode uint8, limit uint16) {
		w := serpy1.Wire{ReceiveMode: mode}
		whole := newFeed(t, w, int(limit))
		whole.Put(b)
		parts := newFeed(t, w, int(limit))
		at := int(cut) % (len(b) + 1)
		parts.Put(b[:at])
		parts.Put(b[at:])
		require.Equal(t, whole.Out.Messages, parts.Out.Messages)
		require.Equal(t, whole.Out.Err, parts.Out.Err)
		require.Equal(t, whole.Out.Dropped, parts.Out.Dropped)
		require.Equal(t, whole.Out.Answers, parts.Out.Answers)
		require.Equal(t, whole.Out.Acks, parts.Out.Acks)

		var sendable []message
		for _, m := range whole.Out.Messages {
			require.LessOrEqual(t, len(m.Data), int(limit))
			if len(m.Data) > 0 || m.Mode.IsAcked() && m.Type == 0 {
				sendable = append(sendable, m)
			}
		}
		again := newFeed(t, serpy1.Wire{}, int(limit))
		again.Put([]byte(encode(t, sendable...)))
		require.Empty(t, again.Out.Err)
		require.Len(t, again.Out.Messages, len(sendable))
		for i, m := range again.Out.Messages {
			require.Equal(t, sendable[i].Data, m.Data)
			require.Equal(t, sendable[i].Mode.IsAcked(), m.Mode.IsAcked())
		}
	})
}

// FuzzRoundTrip sends a payload in every mode: what Check lets pass comes as it went.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("hello"))
	f.Add([]byte("\x01\x04\x1f"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, payload []byte) {
		var want []message
		for _, m := range []message{plain(string(payload)), acked(string(payload)), text85(string(payload)), acked85(string(payload))} {
			if checks(t, m) {
				want = append(want, m)
			} else if len(payload) > 0 {
				m.Mode |= 2
				require.True(t, checks(t, m))
				want = append(want, m)
			}
		}
		require.Equal(t, want, decode(t, encode(t, want...)).Messages)
	})
}
