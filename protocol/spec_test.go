package protocol_test

import (
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/base85"
)

// A vector is a block of SPEC.md: what it shows, the values, and the bytes.
type vector struct {
	line  int
	info  []string    // the words behind the fence
	pairs [][2]string // key and value, in their order
	hex   []byte
	used  map[string]bool
	t     *testing.T
}

// values gives all values of a key.
func (v *vector) values(key string) (all []string) {
	v.used[key] = true
	for _, p := range v.pairs {
		if p[0] == key {
			all = append(all, p[1])
		}
	}
	return all
}

func (v *vector) word(key string) string {
	all := v.values(key)
	require.LessOrEqual(v.t, len(all), 1, "%s stands twice", key)
	if len(all) == 0 {
		return ""
	}
	return all[0]
}

func (v *vector) uint(key string) uint64 {
	s := v.word(key)
	if s == "" {
		return 0
	}
	n, err := strconv.ParseUint(s, 10, 64)
	require.NoError(v.t, err)
	return n
}

func (v *vector) int(key string) int64 {
	s := v.word(key)
	if s == "" {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 64)
	require.NoError(v.t, err)
	return n
}

func (v *vector) text(key string) string { return unquote(v.t, v.word(key)) }

func (v *vector) bytes(key string) []byte { return unhex(v.t, v.word(key)) }

func (v *vector) id(key string) (id protocol.ID) {
	if b := v.bytes(key); b != nil {
		require.Len(v.t, b, len(id))
		copy(id[:], b)
	}
	return id
}

func (v *vector) lanes() (lanes []protocol.Counts) {
	for _, s := range v.values("lane") {
		var c protocol.Counts
		_, err := fmt.Sscan(s, &c.Lane, &c.Received, &c.Processed, &c.Taken, &c.LimitUnits, &c.LimitBytes)
		require.NoError(v.t, err)
		lanes = append(lanes, c)
	}
	return lanes
}

func (v *vector) nacks() (nacks []protocol.Nack) {
	for _, s := range v.values("unit") {
		unit, reason, _ := strings.Cut(s, " ")
		n, err := strconv.ParseUint(unit, 10, 64)
		require.NoError(v.t, err)
		nacks = append(nacks, protocol.Nack{Unit: n, Reason: unquote(v.t, reason)})
	}
	return nacks
}

var unitFlags = map[string]protocol.UnitFlags{
	"acked": protocol.UnitAcked, "base85": protocol.UnitBase85, "meta": protocol.UnitMeta, "more": protocol.UnitMore,
	"continued": protocol.UnitContinued, "gap": protocol.UnitGap, "end": protocol.UnitEnd,
}

var headFlags = map[string]protocol.Flags{"ack-now": protocol.AckNow, "no-sum": protocol.NoSum, "replies": protocol.Replies}

func flagsOf[F ~uint8](t *testing.T, names map[string]F, s string) (f F) {
	t.Helper()
	for name := range strings.FieldsSeq(s) {
		require.Contains(t, names, name)
		f |= names[name]
	}
	return f
}

func unquote(t *testing.T, s string) string {
	t.Helper()
	if s == "" {
		return ""
	}
	s, err := strconv.Unquote(s)
	require.NoError(t, err)
	return s
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	if s == "" {
		return nil
	}
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	require.NoError(t, err)
	return b
}

// blocks reads the fenced blocks of SPEC.md whose first word is kind, as lines.
func blocks(t *testing.T, kind string) (all []*vector, bodies [][]string) {
	t.Helper()
	text, err := os.ReadFile("SPEC.md")
	require.NoError(t, err)
	var v *vector
	var body []string
	for i, line := range strings.Split(string(text), "\n") {
		info, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && v == nil:
			v, body = &vector{line: i + 1, info: strings.Fields(info), used: make(map[string]bool), t: t}, nil
			require.NotEmpty(t, v.info, "SPEC.md:%d: a block that says not what it is", i+1)
		case fence:
			if v.info[0] == kind {
				all, bodies = append(all, v), append(bodies, body)
			}
			v = nil
		case v != nil:
			body = append(body, line)
		}
	}
	require.Nil(t, v, "a block without an end")
	return all, bodies
}

// vectors reads the blocks that have values and bytes.
func vectors(t *testing.T, kind string) []*vector {
	t.Helper()
	all, bodies := blocks(t, kind)
	for i, v := range all {
		inHex := false
		for _, line := range bodies[i] {
			line = strings.TrimSpace(line)
			if inHex {
				digits, _, _ := strings.Cut(line, "  ")
				v.hex = append(v.hex, unhex(t, digits)...)
				continue
			}
			key, value, ok := strings.Cut(line, ":")
			require.True(t, ok, "SPEC.md:%d: %q", v.line, line)
			if inHex = key == "hex"; !inHex {
				v.pairs = append(v.pairs, [2]string{key, strings.TrimSpace(value)})
			}
		}
		require.True(t, inHex, "SPEC.md:%d: a vector without bytes", v.line)
	}
	return all
}

// TestVectors holds the package to the golden vectors of SPEC.md, both ways.
func TestVectors(t *testing.T) {
	checks := map[string]func(*testing.T, *vector){
		"preface": checkPreface, "frame": checkFrame, "unit": checkUnit, "run": checkRun, "meta": checkMeta, "header": checkHeader, "gap": checkGap,
		"hello": checkHello, "refuse": checkRefuse, "ping": checkPing, "pong": checkPong, "nacks": checkNacks, "close": checkClose, "blob": checkBlob,
	}
	seen := make(map[string]bool)
	for _, v := range vectors(t, "vector") {
		t.Run(strings.Join(v.info[1:], "/"), func(t *testing.T) {
			v.t = t
			check := checks[v.info[1]]
			require.NotNil(t, check, "SPEC.md:%d: a vector of a kind that no test knows", v.line)
			check(t, v)
			for _, p := range v.pairs {
				assert.True(t, v.used[p[0]], "SPEC.md:%d: nothing looks at %q", v.line, p[0])
			}
		})
		seen[v.info[1]] = true
	}
	for kind := range checks {
		assert.True(t, seen[kind], "SPEC.md has no vector of a %s", kind)
	}
}

// both holds an encoder and a decoder to a vector.
func both[T any](t *testing.T, v *vector, want T, encode func([]byte, T) []byte, decode func([]byte) (T, error)) {
	t.Helper()
	assert.Equal(t, hex.EncodeToString(v.hex), hex.EncodeToString(encode(nil, want)), "SPEC.md:%d: encoded", v.line)
	got, err := decode(v.hex)
	require.NoError(t, err, "SPEC.md:%d", v.line)
	assert.Equal(t, want, got, "SPEC.md:%d: decoded", v.line)
	assert.Equal(t, "before"+string(v.hex), string(encode([]byte("before"), want)), "appended")
}

func checkPreface(t *testing.T, v *vector) {
	t.Helper()
	assert.Equal(t, protocol.Preface, string(v.hex))
}

func checkFrame(t *testing.T, v *vector) {
	t.Helper()
	f := protocol.Frame{
		Flags: flagsOf(t, headFlags, v.word("flags")), Lane: uint8(v.uint("lane")), Count: int(v.uint("count")),
		First: v.uint("first"), Received: v.uint("received"), Processed: v.uint("processed"),
		LimitUnits: v.uint("limit-units"), LimitBytes: v.uint("limit-bytes"), Body: v.bytes("body"),
	}
	for kind := protocol.KindData; kind.Known(); kind++ {
		if kind.String() == v.word("kind") {
			f.Kind = kind
		}
	}
	require.NotZero(t, f.Kind, v.word("kind"))
	opening := v.word("preface") != ""

	enc := protocol.Native{}.NewEncoder()
	if !opening {
		_, err := enc.Append(nil, &protocol.Frame{Kind: protocol.KindHello})
		require.NoError(t, err)
	}
	b, err := enc.Append(nil, &f)
	require.NoError(t, err)
	assert.Equal(t, hex.EncodeToString(v.hex), hex.EncodeToString(b))

	dec := protocol.Native{}.NewDecoder(0)
	if !opening {
		dec = begun(t)
	}
	got, n, err := dec.Decode(v.hex)
	require.NoError(t, err)
	assert.Equal(t, len(v.hex), n)
	assert.Equal(t, hex.EncodeToString(f.Body), hex.EncodeToString(got.Body))
	// What was cut away comes back, from any number that was near.
	for _, field := range []struct {
		got, want uint64
		bits      uint
	}{
		{got.First, f.First, protocol.FirstBits},
		{got.Received, f.Received, protocol.ReceivedBits},
		{got.Processed, f.Processed, protocol.ProcessedBits},
		{got.LimitUnits, f.LimitUnits, protocol.LimitUnitsBits},
		{got.LimitBytes / protocol.LimitBytesUnit, f.LimitBytes / protocol.LimitBytesUnit, protocol.LimitBytesBits},
	} {
		assert.Less(t, field.got, uint64(1)<<field.bits)
		whole, ok := protocol.Expand(field.got, field.bits, field.want-min(field.want, 1000))
		assert.True(t, ok)
		assert.Equal(t, field.want, whole)
	}
	assert.Equal(t, []any{f.Kind, f.Flags, f.Lane, f.Count}, []any{got.Kind, got.Flags, got.Lane, got.Count})
}

func checkUnit(t *testing.T, v *vector) {
	t.Helper()
	u := protocol.Unit{
		Flags: flagsOf(t, unitFlags, v.word("flags")), Meta: v.bytes("meta"), Payload: []byte(v.text("payload")),
	}
	both(t, v, u, appendUnit, func(b []byte) (protocol.Unit, error) {
		u, rest, err := protocol.NextUnit(b)
		assert.Empty(t, rest)
		return u, err
	})
	assert.Equal(t, len(v.hex), protocol.UnitLen(len(u.Meta), len(u.Payload)))
	if plain := v.bytes("decoded"); plain != nil {
		assert.Equal(t, u.Payload, base85.AppendEncode(nil, plain))
		got, err := base85.AppendDecode(nil, u.Payload)
		require.NoError(t, err)
		assert.Equal(t, plain, got)
	}
}

func appendUnit(dst []byte, u protocol.Unit) []byte {
	return protocol.AppendUnit(dst, u.Flags, u.Meta, u.Payload)
}

func checkRun(t *testing.T, v *vector) {
	t.Helper()
	var run []byte
	var units []protocol.Unit
	for _, s := range v.values("unit") {
		part := strings.SplitN(s, ",", 3)
		require.Len(t, part, 3)
		u := protocol.Unit{
			Flags: flagsOf(t, unitFlags, part[0]), Meta: unhex(t, strings.TrimSpace(part[1])),
			Payload: []byte(unquote(t, strings.TrimSpace(part[2]))),
		}
		units = append(units, u)
		run = appendUnit(run, u)
	}
	assert.Equal(t, hex.EncodeToString(v.hex), hex.EncodeToString(run))
	n, err := protocol.CountUnits(v.hex)
	require.NoError(t, err)
	assert.Equal(t, len(units), n)
	for rest := v.hex; len(rest) > 0; units = units[1:] {
		u, after, err := protocol.NextUnit(rest)
		require.NoError(t, err)
		assert.Equal(t, units[0], u)
		rest = after
	}
}

func checkMeta(t *testing.T, v *vector) {
	t.Helper()
	types := []string{"", "text", "int", "float", "pickle"}
	roles := []string{"", "request", "reply", "failure"}
	m := protocol.Meta{
		Type: protocol.Type(slices.Index(types, v.word("type"))), Role: protocol.Role(slices.Index(roles, v.word("role"))),
		Tag: uint32(v.uint("tag")), Time: v.int("time"), Correlation: v.uint("correlation"), Header: v.bytes("header"), Size: int(v.uint("size")),
	}
	both(t, v, m, func(dst []byte, m protocol.Meta) []byte { return m.Append(dst) }, protocol.DecodeMeta)
}

func checkHeader(t *testing.T, v *vector) {
	t.Helper()
	h := make(map[string]string)
	for _, p := range v.pairs {
		h[p[0]] = v.text(p[0])
	}
	both(t, v, h, protocol.AppendHeader, protocol.DecodeHeader)
}

func checkGap(t *testing.T, v *vector) {
	t.Helper()
	g := protocol.Gap{First: v.uint("first"), Last: v.uint("last"), Count: v.uint("count"), Reason: uint8(v.uint("reason"))}
	both(t, v, g, protocol.AppendGap, protocol.DecodeGap)
}

func checkHello(t *testing.T, v *vector) {
	t.Helper()
	h := protocol.Hello{
		Session: v.id("session"), Secret: v.id("secret"), Instance: v.id("instance"), Opening: v.id("opening"), Seen: v.id("seen"), Link: v.uint("link"),
		Name: v.text("name"), Build: v.text("build"), Features: protocol.Feature(v.uint("features")),
		MaxMessage: v.uint("largest-message"), Heartbeat: v.uint("heartbeat"), AckWhen: protocol.AckWhen(v.uint("ack-when")),
		Resumed: v.uint("resumed") == 1, BaseID: v.uint("base"), Redelivered: v.uint("redelivered"), Lanes: v.lanes(),
	}
	_, err := fmt.Sscan(v.word("versions"), &h.MinVersion, &h.MaxVersion)
	require.NoError(t, err)
	both(t, v, h, func(dst []byte, h protocol.Hello) []byte { return protocol.AppendHello(dst, &h) }, protocol.DecodeHello)
}

func checkRefuse(t *testing.T, v *vector) {
	t.Helper()
	r := protocol.Refuse{Code: protocol.Code(v.uint("code")), Reason: v.text("reason"), Closed: v.uint("closed") == 1, Lanes: v.lanes()}
	both(t, v, r, func(dst []byte, r protocol.Refuse) []byte { return protocol.AppendRefuse(dst, &r) }, protocol.DecodeRefuse)
}

func checkPing(t *testing.T, v *vector) {
	t.Helper()
	both(t, v, protocol.Ping{Sent: v.int("sent")}, protocol.AppendPing, protocol.DecodePing)
}

func checkPong(t *testing.T, v *vector) {
	t.Helper()
	p := protocol.Pong{Sent: v.int("sent"), Received: v.int("received"), Answered: v.int("answered")}
	both(t, v, p, protocol.AppendPong, protocol.DecodePong)
}

func checkNacks(t *testing.T, v *vector) {
	t.Helper()
	both(t, v, v.nacks(), func(dst []byte, nacks []protocol.Nack) []byte {
		for _, n := range nacks {
			dst = protocol.AppendNack(dst, n)
		}
		return dst
	}, protocol.DecodeNacks)
}

func checkClose(t *testing.T, v *vector) {
	t.Helper()
	c := protocol.Close{Code: protocol.Code(v.uint("code")), Reason: v.text("reason"), Nacks: v.nacks()}
	both(t, v, c, protocol.AppendClose, protocol.DecodeClose)
}

// TestRefusedVectors holds the decoders to refuse what SPEC.md says, for the rule
// that it names.
func TestRefusedVectors(t *testing.T) {
	all := vectors(t, "refused")
	require.NotEmpty(t, all)
	for _, v := range all {
		t.Run(strings.Join(v.info[1:], "/"), func(t *testing.T) {
			decode := decoders[v.info[1]]
			require.NotNil(t, decode, "SPEC.md:%d", v.line)
			requireSection(t, v.info[2], decode(t, v.hex))
		})
	}
}

// TestExpandVectors holds Expand to the table of SPEC.md 3.2.
func TestExpandVectors(t *testing.T) {
	_, bodies := blocks(t, "expand")
	require.Len(t, bodies, 1)
	require.Greater(t, len(bodies[0]), 5)
	for _, row := range bodies[0][1:] {
		cell := strings.Fields(row)
		require.Len(t, cell, 4)
		var n [3]uint64
		for i := range n {
			var err error
			n[i], err = strconv.ParseUint(cell[i], 10, 64)
			require.NoError(t, err)
		}
		got, ok := protocol.Expand(n[2], uint(n[0]), n[1])
		if cell[3] == "backwards" {
			assert.False(t, ok, row)
			continue
		}
		assert.True(t, ok, row)
		assert.Equal(t, cell[3], strconv.FormatUint(got, 10), row)
	}
}

// TestSpecSections: the numbers of the sections have no hole, since errors and comments
// cite them, and the contents name each chapter.
func TestSpecSections(t *testing.T) {
	text, err := os.ReadFile("SPEC.md")
	require.NoError(t, err)
	chapter, section, seen := 0, 0, 0
	for line := range strings.Lines(string(text)) {
		title, isChapter := strings.CutPrefix(line, "## ")
		if isChapter {
			chapter, section = chapter+1, 0
			require.True(t, strings.HasPrefix(title, fmt.Sprintf("%d ", chapter)), line)
			require.Contains(t, string(text), fmt.Sprintf("[%s](#", strings.TrimSpace(title)))
		} else if title, ok := strings.CutPrefix(line, "### "); ok {
			section++
			seen++
			require.True(t, strings.HasPrefix(title, fmt.Sprintf("%d.%d ", chapter, section)), line)
		}
	}
	require.Equal(t, 10, chapter)
	require.Greater(t, seen, 30)
}
