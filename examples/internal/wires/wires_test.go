package wires_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/examples/internal/wires"
)

func TestParseList(t *testing.T) {
	all, err := wires.ParseList(wires.All)
	require.NoError(t, err)
	require.Len(t, all, 3)
	all, err = wires.ParseList("serpy2, native")
	require.NoError(t, err)
	assert.Equal(t, "serpy2", all[0].Name())
	for _, bad := range []string{"", "native,", "line", "serpy,serpy"} {
		_, err := wires.ParseList(bad)
		require.Error(t, err, bad)
	}
}

func TestShow(t *testing.T) {
	number, err := serpy.ValueMessage(int64(-5))
	require.NoError(t, err)
	half, err := serpy.ValueMessage(0.5)
	require.NoError(t, err)
	for want, m := range map[string]serpy.Message{
		"ada : hi": serpy.TextMessage("ada : hi\n"), "-5": number, "0.5": half, "héllo": {Data: []byte("héllo")},
		"(2 bytes, bytes)": {Data: []byte("\xff\xfe")}, "(1 bytes, pickle)": {Data: []byte("."), Type: serpy.Pickle},
		"a\uFFFD[2Jb c": serpy.TextMessage("a\x1b[2Jb\rc"), "\uFFFD": serpy.TextMessage("\u202e"),
		"serpy: a text message is not UTF-8: \"\\xff\"": serpy.TextMessage("\xff"),
	} {
		assert.Equal(t, want, wires.Show(&m))
	}
}

func TestIsBye(t *testing.T) {
	assert.True(t, wires.IsBye(&serpy.Message{Data: []byte("/KTHXBYE")}))
	bye := serpy.TextMessage("/KTHXBYE\n")
	assert.True(t, wires.IsBye(&bye))
	other := serpy.TextMessage("ada : /KTHXBYE")
	assert.False(t, wires.IsBye(&other))
}
