package serpy

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Who gives way is the oldest of the address that has most, and nobody who has said who
// he is while there are others.
func TestWhoGivesWay(t *testing.T) {
	one, two, three := &handshake{addr: "a"}, &handshake{addr: "b"}, &handshake{addr: "b"}
	s := &Server{handshakes: []*handshake{one, two, three}}
	require.True(t, s.hear(two))
	require.Same(t, three, s.crowded())
	require.False(t, s.hear(three), "it came too late")
	require.Same(t, one, s.crowded())
	require.Same(t, two, s.crowded(), "the bound holds all the same")
	require.Empty(t, s.handshakes)
}
