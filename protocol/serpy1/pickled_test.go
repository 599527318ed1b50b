package serpy1_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/internal/transcript"
	"github.com/serpy-go/serpy/protocol/serpy1/pickle"
)

// requirePickled holds a pickle to what the original made of it: the value, or the
// bytes where its application does not unpickle.
func requirePickled(t *testing.T, v *transcript.Value, data string) {
	t.Helper()
	got, err := pickle.Decode([]byte(data), pickle.Limits{})
	require.NoError(t, err)
	switch v.T {
	case "bytes":
		b, err := v.Bytes()
		require.NoError(t, err)
		if string(b) != data {
			require.Equal(t, b, got)
		}
	case "repr":
		require.JSONEq(t, `"('t', b'\\x00\\xff')"`, string(v.V))
		require.Equal(t, pickle.Tuple{"t", []byte("\x00\xff")}, got)
	default:
		b, err := json.Marshal(plainJSON(t, got))
		require.NoError(t, err)
		require.JSONEq(t, string(v.V), string(b))
	}
}

// plainJSON turns a value into what JSON has.
func plainJSON(t *testing.T, v any) any {
	t.Helper()
	switch v := v.(type) {
	case pickle.List:
		all := make([]any, len(v))
		for i := range v {
			all[i] = plainJSON(t, v[i])
		}
		return all
	case pickle.Dict:
		all := map[string]any{}
		for _, item := range v {
			key, ok := item.Key.(string)
			require.True(t, ok)
			all[key] = plainJSON(t, item.Value)
		}
		return all
	}
	return v
}
