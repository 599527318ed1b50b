//go:build !linux

package transport

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"
)

func lowat() int { return 0 }

func modes() []fs.FileMode { return []fs.FileMode{0} }

// What the system does not have is an error, and not left out silently.
func TestUnsupported(t *testing.T) {
	_, err := Listen(t.Context(), address(t, "127.0.0.1:0"), nil, Options{Congestion: "reno"})
	require.ErrorIs(t, err, errors.ErrUnsupported)
}
