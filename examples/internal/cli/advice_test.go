package cli

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/transport"
)

// TestAddressesThatAreNamed holds the help of -addr to what the errors name, which the
// library's are, and to what can be listened at.
func TestAddressesThatAreNamed(t *testing.T) {
	_, err := transport.Parse("http://x")
	require.ErrorContains(t, err, "; want "+Dials)

	_, err = serpy.Dial(t.Context(), "http://x", nil)
	require.EqualError(t, CannotReach(err, "http://x", "it"), `-addr "http://x": no such scheme: "http"; want `+Dials)
	_, err = serpy.Listen("http://x", nil)
	require.EqualError(t, CannotListen(err, "http://x"), `-addr "http://x": no such scheme: "http"; want `+Listens)
	_, err = serpy.Listen("tls://127.0.0.1:0", nil)
	require.Error(t, err, "which is why tls is not among them")
	assert.NotContains(t, Listens, "tls")
}
