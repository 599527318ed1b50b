package serpy

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// The list that serves all who broadcast has who is there now, oldest first; who has an
// older one goes on with that as it was.
func TestRollAll(t *testing.T) {
	var r roll
	cs := make([]*Connection, 8)
	var want []*Connection
	for i := range cs {
		cs[i] = &Connection{}
		r.add(cs[i])
		before := want
		want = append(slices.Clip(want), cs[i])
		require.Equal(t, want, r.all())
		require.Len(t, before, i)
	}
	old := r.all()
	require.Same(t, &old[0], &r.all()[0], "nobody came or left")
	for len(want) > 0 {
		r.remove(want[0])
		want = want[1:]
		require.Len(t, r.all(), len(want))
		for i, c := range r.all() {
			require.Same(t, want[i], c)
		}
	}
	for i, c := range old {
		require.Same(t, cs[i], c)
	}
}
