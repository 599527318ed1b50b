package proctest

import (
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// Uses gives what runs a program in this process, with arguments that should give this
// exit code, and say want on stderr.
func Uses(t *testing.T, run func(ctx context.Context, args []string, stdout, stderr io.Writer) int) func(code int, want string, args ...string) {
	t.Helper()
	return func(code int, want string, args ...string) {
		t.Helper()
		var out, errOut bytes.Buffer
		require.Equal(t, code, run(t.Context(), args, &out, &errOut), "%q: %s", args, &errOut)
		require.Contains(t, errOut.String(), want, args)
	}
}
