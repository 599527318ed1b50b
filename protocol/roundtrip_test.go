package protocol_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
)

const rounds = 3000

func metaOf(r *rand.Rand) protocol.Meta {
	m := protocol.Meta{
		Type: protocol.Type(r.UintN(6)), Tag: oneOf(r, uint32(number(r, math.MaxUint32))),
		Time: oneOf(r, int64(r.Uint64())), Size: oneOf(r, 1+int(number(r, math.MaxInt32-1))),
	}
	if n := r.IntN(3); n > 0 {
		m.Header = protocol.AppendHeader(nil, headerOf(r, n))
	}
	if m.Role = protocol.Role(r.UintN(4)); m.Role != protocol.Ordinary {
		m.Correlation = number(r, math.MaxUint64)
	}
	return m
}

func headerOf(r *rand.Rand, n int) map[string]string {
	h := make(map[string]string)
	for len(h) < n {
		h[fmt.Sprint("é", r.UintN(1000))] = strings.Repeat("v", r.IntN(100))
	}
	return h
}

func countsOf(r *rand.Rand) (all []protocol.Counts) {
	for lane := range r.IntN(3) {
		c := protocol.Counts{Lane: uint8(lane * 100)}
		for _, n := range []*uint64{&c.Received, &c.Processed, &c.Taken, &c.LimitUnits, &c.LimitBytes} {
			*n = number(r, protocol.MaxNumber)
		}
		c.LimitBytes -= c.LimitBytes % protocol.LimitBytesUnit
		all = append(all, c)
	}
	return all
}

func helloOf(r *rand.Rand) protocol.Hello {
	h := protocol.Hello{
		MinVersion: uint8(1 + r.UintN(100)), Session: idOf(r), Instance: idOf(r), Link: oneOf(r, r.Uint64()),
		Secret: oneOf(r, idOf(r)), Opening: oneOf(r, idOf(r)), Seen: oneOf(r, idOf(r)),
		Name: oneOf(r, "viewer"), Build: strings.Repeat("b", r.IntN(2)*protocol.MaxText),
		Features: protocol.Feature(oneOf(r, r.Uint64())), MaxMessage: oneOf(r, r.Uint64()), Heartbeat: number(r, protocol.MaxHeartbeat),
		AckWhen: protocol.AckWhen(r.UintN(2)), Resumed: r.IntN(2) == 0,
		BaseID: number(r, protocol.MaxNumber), Redelivered: number(r, protocol.MaxNumber), Lanes: countsOf(r),
	}
	h.MaxVersion = h.MinVersion + uint8(r.UintN(100))
	return h
}

func TestRoundTrips(t *testing.T) {
	r := seeded()
	for range rounds {
		m := metaOf(r)
		gotMeta, err := protocol.DecodeMeta(m.Append(nil))
		require.NoError(t, err)
		require.Equal(t, m, gotMeta)

		h := helloOf(r)
		gotHello, err := protocol.DecodeHello(protocol.AppendHello(nil, &h))
		require.NoError(t, err)
		require.Equal(t, h, gotHello)
		for _, c := range h.Lanes {
			require.Equal(t, c, gotHello.Lane(c.Lane))
		}
		require.Equal(t, protocol.Counts{Lane: 9}, gotHello.Lane(9))

		f := protocol.Refuse{Code: protocol.Code(r.Uint32()), Reason: strings.Repeat("r", r.IntN(2000)), Closed: r.IntN(2) == 0, Lanes: countsOf(r)}
		gotRefuse, err := protocol.DecodeRefuse(protocol.AppendRefuse(nil, &f))
		require.NoError(t, err)
		f.Reason = protocol.Clip(f.Reason)
		require.Equal(t, f, gotRefuse)

		g := protocol.Gap{First: number(r, math.MaxUint64>>1), Reason: uint8(r.UintN(256))}
		g.Last = g.First + number(r, math.MaxUint64>>1)
		g.Count = number(r, g.Last-g.First+1)
		gotGap, err := protocol.DecodeGap(protocol.AppendGap(nil, g))
		require.NoError(t, err)
		require.Equal(t, g, gotGap)

		p := protocol.Pong{Sent: int64(r.Uint64()), Received: oneOf(r, int64(r.Uint64())), Answered: -int64(r.Uint32())}
		gotPong, err := protocol.DecodePong(protocol.AppendPong(nil, p))
		require.NoError(t, err)
		require.Equal(t, p, gotPong)
		gotPing, err := protocol.DecodePing(protocol.AppendPing(nil, protocol.Ping{Sent: p.Sent}))
		require.NoError(t, err)
		require.Equal(t, p.Sent, gotPing.Sent)

		c := protocol.Close{Code: protocol.Code(r.Uint32()), Reason: oneOf(r, "bye")}
		for range r.IntN(3) {
			c.Nacks = append(c.Nacks, protocol.Nack{Unit: 1 + number(r, protocol.MaxNumber-1), Reason: oneOf(r, "full")})
		}
		gotClose, err := protocol.DecodeClose(protocol.AppendClose(nil, c))
		require.NoError(t, err)
		require.Equal(t, c, gotClose)
	}
}

// TestHeaderOrder holds a header to the same bytes whatever order a map has.
func TestHeaderOrder(t *testing.T) {
	r := seeded()
	for n := range protocol.MaxHeaderNames + 1 {
		h := headerOf(r, n)
		b := protocol.AppendHeader(nil, h)
		got, err := protocol.DecodeHeader(b)
		require.NoError(t, err)
		require.Equal(t, h, got)
		require.Equal(t, b, protocol.AppendHeader(nil, got))
	}
}

// TestUnits walks over runs of units of all sizes near those where their framing
// grows.
func TestUnits(t *testing.T) {
	r := seeded()
	sizes := []int{0, 1, 5, 127, 128, 129, 16381, 16383, 16384, protocol.FragmentSize - 1, protocol.FragmentSize}
	for range 200 {
		var run []byte
		var want []protocol.Unit
		for range 1 + r.IntN(5) {
			u := protocol.Unit{Flags: protocol.UnitFlags(r.UintN(4)), Payload: bytesOf(r, sizes[r.IntN(len(sizes))])}
			m := metaOf(r)
			if fields := m.Append(nil); r.IntN(2) == 0 && len(fields) > 0 {
				u.Meta, u.Flags = fields, u.Flags|protocol.UnitMeta
			}
			before := len(run)
			run = appendUnit(run, u)
			require.Equal(t, protocol.UnitLen(len(u.Meta), len(u.Payload)), len(run)-before)
			want = append(want, u)
		}
		n, err := protocol.CountUnits(run)
		require.NoError(t, err)
		require.Equal(t, len(want), n)
		for rest := run; len(want) > 0; want = want[1:] {
			var u protocol.Unit
			u, rest, err = protocol.NextUnit(rest)
			require.NoError(t, err)
			require.Equal(t, want[0], u)
			require.Equal(t, len(u.Payload), cap(u.Payload))
			require.Equal(t, len(u.Meta), cap(u.Meta))
		}
	}
	n, err := protocol.CountUnits([]byte("\x01\x00a\x01"))
	require.Error(t, err)
	require.Equal(t, 1, n)
}

// TestMostMetadata holds the largest metadata that there is to the bound of a unit.
func TestMostMetadata(t *testing.T) {
	m := protocol.Meta{
		Type: protocol.Pickle, Role: protocol.Failure, Tag: math.MaxUint32, Time: -1, Correlation: math.MaxUint64,
		Header: make([]byte, protocol.MaxHeader), Size: math.MaxInt32,
	}
	fields := m.Append(nil)
	run := protocol.AppendUnit(nil, protocol.UnitMore, fields, make([]byte, protocol.FragmentSize))
	require.LessOrEqual(t, len(run), protocol.MaxUnit)
	u, rest, err := protocol.NextUnit(run)
	require.NoError(t, err)
	require.Empty(t, rest)
	require.Len(t, u.Meta, len(fields))
	require.Equal(t, protocol.GroupSize+protocol.MaxUnit, protocol.MaxBody)
}

func TestModes(t *testing.T) {
	for m := protocol.Plain; m.Valid(); m++ {
		assert.Equal(t, m, protocol.ModeOf(m.Flags()))
		assert.Equal(t, m, protocol.ModeOf(m.Flags()|protocol.UnitMeta|protocol.UnitMore))
		assert.Equal(t, m.IsAcked(), m.Flags()&protocol.UnitAcked != 0)
		assert.Equal(t, m.IsBase85(), m.Flags()&protocol.UnitBase85 != 0)
		assert.NotEqual(t, "unknown", m.String())
	}
	assert.Equal(t, "unknown", protocol.Mode(4).String())
	assert.Equal(t, "pickle", protocol.Pickle.String())
	assert.Equal(t, "unknown", protocol.Type(5).String())
	assert.Equal(t, "evicted", protocol.CodeEvicted.String())
	assert.Equal(t, "unknown code", protocol.Code(10).String())
	for c := range protocol.CodeEvicted + 2 {
		assert.Equal(t, c == protocol.CodeRefused || c == protocol.CodeWrongVersion, c.Final(), c)
	}
}

func TestClip(t *testing.T) {
	for n := range 8 {
		s := strings.Repeat("x", protocol.MaxText-n) + strings.Repeat("€", 4)
		got := protocol.Clip(s)
		assert.LessOrEqual(t, len(got), protocol.MaxText)
		assert.Greater(t, len(got), protocol.MaxText-3)
		assert.True(t, utf8.ValidString(got))
		assert.True(t, strings.HasPrefix(s, got))
	}
	assert.Equal(t, "short", protocol.Clip("short"))
	assert.LessOrEqual(t, len(protocol.Clip(strings.Repeat("\x80", 2000))), protocol.MaxText)
}

// TestMemory holds the decoders to memory in proportion to the bytes that came,
// whatever these announce.
func TestMemory(t *testing.T) {
	lanes := minimal
	for lane := range 256 {
		lanes = join(lanes, field(0x90, byte(lane), 0, 0, 0, 0, 0))
	}
	nacks := []byte{}
	for range protocol.MaxControl / 2 {
		nacks = append(nacks, 1, 0)
	}
	for _, row := range []struct {
		kind  string
		name  string
		bytes []byte
		most  uint64 // bytes of memory for a byte
	}{
		{"frame", "a large body that did not come", sealed(&group, length(protocol.MaxBody)), 4},
		{"frame", "16 MiB that did not come", sealed(&group, length(1<<24-1)), 16},
		{"unit", "a length alone", []byte{0xff, 0xff, 0x7f, 0}, 64},
		{"header", "a name of a gigabyte", join(uvarint(1<<30), []byte("a")), 64},
		{"hello", "all lanes", lanes, 32},
		{"hello", "a name of a gigabyte", join(minimal, []byte{7}, uvarint(1<<30)), 16},
		{"meta", "a size of a terabyte", field(0x85, uvarint(1<<40)...), 64},
		{"nacks", "as many as fit", nacks, 64},
		{"close", "a reason of a gigabyte", join([]byte{0}, uvarint(1<<30)), 64},
	} {
		t.Run(row.kind+"/"+row.name, func(t *testing.T) {
			decode := decoders[row.kind]
			if dec := begun(t); row.kind == "frame" {
				decode = func(_ testing.TB, b []byte) error { _, _, err := dec.Decode(b); return err }
			}
			_ = decode(t, row.bytes)
			got := leastMemory(func() { _ = decode(t, row.bytes) })
			assert.LessOrEqual(t, got, row.most*uint64(len(row.bytes)), "for %d bytes", len(row.bytes))
		})
	}
}

// leastMemory is what a call of f takes of the heap, in bytes, by the least of
// some tries: the runtime's own goroutines allocate in between as they like.
func leastMemory(f func()) uint64 {
	const tries, times = 5, 20
	least := uint64(math.MaxUint64)
	for range tries {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range times {
			f()
		}
		runtime.ReadMemStats(&after)
		least = min(least, (after.TotalAlloc-before.TotalAlloc)/times)
	}
	return least
}
