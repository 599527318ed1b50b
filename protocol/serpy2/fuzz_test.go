package serpy2_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/internal/wiretest"
	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/serpy2"
)

// FuzzDecode reads a link, cut in two anywhere, under a limit: where it was cut makes no
// difference (but to how garbage is counted), nothing is larger than the limit, and
// what was decoded and is written again is decoded to the same. mend gives the messages
// true sums, so that the fuzzer is not stopped by them.
func FuzzDecode(f *testing.F) {
	for _, stream := range []string{
		raw(0x01, "\x05") + raw(0x11, "0x1.8p+1") + raw(0x21, "text") + raw(0x81, "\x00\xff"), raw(0x11, "inf") + raw(0x11, "one"), raw(0x77, "what") + raw(0x21, "\xff"),
		"garbage" + raw(0x21, "a"), raw(0x21, "cut")[:15],
	} {
		f.Add([]byte(stream), uint16(20), uint16(100), false)
		f.Add([]byte(stream), uint16(3), uint16(2), true)
	}
	f.Fuzz(func(t *testing.T, b []byte, cut, limit uint16, mend bool) {
		if mend {
			b = mendSums(b)
		}
		for _, w := range []serpy2.Wire{{}, {Resync: true}} {
			whole := wiretest.NewFeed(t, w, int(limit))
			whole.Put(b)
			parts := wiretest.NewFeed(t, w, int(limit))
			at := int(cut) % (len(b) + 1)
			parts.Put(b[:at])
			parts.Put(b[at:])
			require.Equal(t, whole.Out.Messages, parts.Out.Messages)
			require.Equal(t, whole.Out.Err == "", parts.Out.Err == "")
			if !w.Resync {
				require.Equal(t, whole.Out.Dropped, parts.Out.Dropped)
			}
			for _, m := range whole.Out.Messages {
				require.LessOrEqual(t, len(m.Data), max(int(limit), 8))
				require.NoError(t, serpy2.Wire{}.Check(&protocol.Meta{Type: m.Type}, []byte(m.Data)))
			}
			again := wiretest.NewFeed(t, w, int(limit))
			again.Put([]byte(encode(t, whole.Out.Messages...)))
			require.Equal(t, whole.Out.Messages, again.Out.Messages)
			require.Empty(t, again.Out.Dropped)
			require.Empty(t, again.Out.Err)
		}
	})
}

// mendSums gives each message of a stream the sum that it should have.
func mendSums(b []byte) []byte {
	mended := []byte{}
	for len(b) >= 14 && string(b[:5]) == "\xde\xca\xfe\xca\xfe" && b[12]|b[13] == 0 {
		size := min(int(b[10])|int(b[11])<<8, len(b)-14)
		m := []byte(raw(b[5], string(b[14:14+size])))
		copy(m[10:14], b[10:14])
		mended, b = append(mended, m...), b[14+size:]
	}
	return append(mended, b...)
}
