package pickle_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol/serpy1/pickle"
)

// show writes a value as the vectors do.
func show(v any) string {
	join := func(name string, items []any) string {
		texts := make([]string, len(items))
		for i, item := range items {
			texts[i] = show(item)
		}
		return name + "[" + strings.Join(texts, " ") + "]"
	}
	switch v := v.(type) {
	case nil:
		return "nil"
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return fmt.Sprintf("int64(%d)", v)
	case float64:
		return "float64(" + strconv.FormatFloat(v, 'x', -1, 64) + ")"
	case string:
		return fmt.Sprintf("string(%x)", v)
	case []byte:
		return fmt.Sprintf("bytes(%x)", v)
	case pickle.List:
		return join("List", v)
	case pickle.Tuple:
		return join("Tuple", v)
	case pickle.Set:
		return join("Set", v)
	case pickle.Dict:
		texts := make([]string, len(v))
		for i, item := range v {
			texts[i] = show(item.Key) + ":" + show(item.Value)
		}
		return "Dict[" + strings.Join(texts, " ") + "]"
	}
	return fmt.Sprintf("%T?", v)
}

// A vector is a pickle that Python made of a plain value.
type vector struct {
	Name     string
	Protocol int
	Hex      string
	Value    string
}

func vectors(tb testing.TB) (all []vector) {
	tb.Helper()
	b, err := os.ReadFile("testdata/plain.jsonl")
	require.NoError(tb, err)
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var v vector
		require.NoError(tb, json.Unmarshal(lines.Bytes(), &v))
		all = append(all, v)
	}
	require.Len(tb, all, 164)
	return all
}

// since is the protocol from which on Python pickles a value without a class.
var since = map[string]int{
	"b''": 3, "b'ab'": 3, "bytes300": 3, "bytearray": 5, "mixed": 3, "set": 4, "frozenset": 4,
}

// TestPlainValues reads what Python's picklers, in C and in Python, made of plain
// values in each protocol, and every beginning of it is an error.
func TestPlainValues(t *testing.T) {
	read := 0
	for _, v := range vectors(t) {
		b, err := hex.DecodeString(v.Hex)
		require.NoError(t, err)
		got, err := pickle.Decode(b, pickle.Limits{})
		if v.Protocol < since[v.Name] {
			require.ErrorIs(t, err, pickle.ErrUnsupported, "%s %d", v.Name, v.Protocol)
			continue
		}
		require.NoError(t, err, "%s %d", v.Name, v.Protocol)
		require.Equal(t, same(v.Value), same(show(got)), "%s %d", v.Name, v.Protocol)
		read++
		for cut := range b {
			_, err := pickle.Decode(b[:cut], pickle.Limits{})
			require.Error(t, err, "%s cut at %d", v.Name, cut)
		}
		_, err = pickle.Decode(append(b, '.'), pickle.Limits{})
		require.Error(t, err)
	}
	require.Greater(t, read, 140)
}

// same writes floats in one form.
func same(s string) string {
	before, rest, ok := strings.Cut(s, "float64(")
	if !ok {
		return s
	}
	number, after, _ := strings.Cut(rest, ")")
	v, err := strconv.ParseFloat(number, 64)
	if err != nil && strings.Contains(number, "nf") {
		v = math.Inf(1)
	}
	return before + fmt.Sprint("float64<", v, ">") + same(after)
}

// TestRefused: everything that is more than plain values, and everything malformed.
func TestRefused(t *testing.T) {
	for name, h := range map[string]string{
		"a function, 2":        "800263706f736978706174680a6a6f696e0a71002e",
		"a function, 5":        "80059516000000000000008c09706f73697870617468948c046a6f696e9493942e",
		"an instance, 2":       "800263636f6c6c656374696f6e730a4f726465726564446963740a71002952710158010000006171024b01732e",
		"an instance, 5":       "80059529000000000000008c0b636f6c6c656374696f6e73948c0b4f726465726564446963749493942952948c0161944b01732e",
		"a complex number":     "8005952e000000000000008c086275696c74696e73948c07636f6d706c6578949394470000000000000000473ff0000000000000869452942e",
		"more than 64 bits, 2": "80028a090000000000000080002e",
		"more than 64 bits, 5": "8005950c000000000000008a090000000000000080002e",
		"a list in itself, 2":  "80025d71006800612e",
		"a list in itself, 5":  "80059506000000000000005d946800612e",
		"a list in its tuple":  "8005950b000000000000005d9468008594613068012e",
		"bytes, 2":             "8002635f636f646563730a656e636f64650a71005802000000c3bf710158060000006c6174696e3171028671035271042e",
	} {
		b, err := hex.DecodeString(h)
		require.NoError(t, err)
		_, err = pickle.Decode(b, pickle.Limits{})
		require.ErrorIs(t, err, pickle.ErrUnsupported, name)
	}
	for name, bad := range map[string]string{
		"nothing": "", "protocol 0": "I1\n.", "protocol 1": "\x80\x01N.", "protocol 6": "\x80\x06N.", "no value": "\x80\x02.", "two values": "\x80\x02NN.",
		"no end": "\x80\x02N", "a mark": "\x80\x02(.", "a mark left": "\x80\x02N(.", "not UTF-8": "\x80\x02X\x03\x00\x00\x00\xed\xa0\x80.",
		"no list": "\x80\x02Na.", "an int for a list": "\x80\x02NNa.", "a tuple for a list": "\x80\x02)Na.", "a key alone": "\x80\x02}(Nu.", "no mark": "\x80\x02]e.",
		"across a mark": "\x80\x02N(\x85.", "memo of nothing": "\x80\x02q\x00.", "memo out of order": "\x80\x02Nq\x05.", "no such memo": "\x80\x02h\x00.", "no such memo, long": "\x80\x02j\xff\xff\xff\xff.",
		"a long str": "\x80\x02X\xff\xff\xff\xff.", "very long bytes": "\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\xff.", "a long frame": "\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xffN.", "cut in a number": "\x80\x02J\x00.",
	} {
		_, err := pickle.Decode([]byte(bad), pickle.Limits{})
		require.Error(t, err, name)
		require.NotErrorIs(t, err, pickle.ErrLimit, name)
	}
}

// TestLimits holds pickles to their size, their depth, and their values by reference:
// 250 bytes may refer to a million million.
func TestLimits(t *testing.T) {
	_, err := pickle.Decode([]byte("\x80\x02N."), pickle.Limits{Bytes: 3})
	require.ErrorIs(t, err, pickle.ErrLimit)

	for depth, want := range map[int]bool{1: true, 64: true, 65: false, 1000: false, 100_000: false} {
		b := "\x80\x02" + strings.Repeat("]", depth) + strings.Repeat("a", depth-1) + "."
		_, err := pickle.Decode([]byte(b), pickle.Limits{})
		require.Equal(t, want, err == nil, "%d deep: %v", depth, err)
		if !want {
			require.ErrorIs(t, err, pickle.ErrLimit)
		}
	}
	laugh := "\x80\x02]q\x00"
	for i := range 40 {
		laugh += fmt.Sprintf("](h%ch%ceq%c", i, i, i+1)
	}
	// Of the 41 lists on the stack the last is the value.
	laugh = "\x80\x02(" + laugh[2:] + "t."
	_, err = pickle.Decode([]byte(laugh), pickle.Limits{})
	require.ErrorIs(t, err, pickle.ErrLimit)

	_, err = pickle.Decode([]byte("\x80\x02("+strings.Repeat("N", 200)+"t."), pickle.Limits{Values: 100})
	require.ErrorIs(t, err, pickle.ErrLimit)
	v, err := pickle.Decode([]byte("\x80\x02("+strings.Repeat("N", 200)+"t."), pickle.Limits{Values: 300})
	require.NoError(t, err)
	require.Len(t, v, 200)
}

// TestSharedDepth: a container that was read at one depth is refused where it would go
// too deep at another.
func TestSharedDepth(t *testing.T) {
	b := "\x80\x02(]q\x00]q\x01a" + strings.Repeat("]", 63) + "h\x00" + strings.Repeat("a", 63) + "t."
	_, err := pickle.Decode([]byte(b), pickle.Limits{})
	require.ErrorIs(t, err, pickle.ErrLimit)
}

func TestGet(t *testing.T) {
	d := pickle.Dict{{"a", int64(1)}, {pickle.Tuple{}, nil}, {"a", int64(2)}}
	v, ok := d.Get("a")
	require.True(t, ok)
	require.Equal(t, int64(2), v)
	_, ok = d.Get("b")
	require.False(t, ok)
}

func ExampleDecode() {
	// What Python's pickle.dumps makes of {"gain": 2.5, "on": True}.
	data := []byte("\x80\x04\x95\x1b\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x04gain\x94G@\x04\x00\x00\x00\x00\x00\x00\x8c\x02on\x94\x88u.")
	v, err := pickle.Decode(data, pickle.Limits{})
	if err != nil {
		fmt.Println(err)
		return
	}
	if settings, ok := v.(pickle.Dict); ok {
		gain, _ := settings.Get("gain")
		fmt.Println(gain)
	}
	_, err = pickle.Decode([]byte("\x80\x02cos\nsystem\n."), pickle.Limits{})
	fmt.Println(err)
	// Output:
	// 2.5
	// pickle: more than plain values: operation 0x63 before byte 3
}

// FuzzDecode: whatever the bytes, no panic, and no more values than allowed.
func FuzzDecode(f *testing.F) {
	for i, v := range vectors(f) {
		if b, err := hex.DecodeString(v.Hex); err == nil && len(b) < 200 && i%3 == 0 {
			f.Add(b)
		}
	}
	f.Add([]byte("\x80\x02]q\x00h\x00a."))
	f.Add([]byte("\x80\x02(]q\x00](h\x00h\x00et."))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := pickle.Decode(b, pickle.Limits{Values: 1000, Depth: 10})
		if err != nil {
			require.Nil(t, v)
			return
		}
		values, depth := walk(v)
		require.LessOrEqual(t, values, 1000)
		require.LessOrEqual(t, depth, 10)
	})
}

// walk counts a value's values and depth.
func walk(v any) (values, depth int) {
	var items []any
	switch v := v.(type) {
	case pickle.List:
		items = v
	case pickle.Tuple:
		items = v
	case pickle.Set:
		items = v
	case pickle.Dict:
		for _, item := range v {
			items = append(items, item.Key, item.Value)
		}
	default:
		return 1, 0
	}
	values = 4
	for _, item := range items {
		n, d := walk(item)
		values, depth = values+n, max(depth, d)
	}
	return values, depth + 1
}
