//go:build unix

package transport

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// Who gives up before it has connected must not take the pipe away from those who come
// after it: its maker would wait for ever.
func TestWhoGivesUpTakesNoPipeAway(t *testing.T) {
	a, o := pipe(t)
	meeting := o
	meeting.PipeMeet = true
	l, err := listenPipe(bounded(t), a, meeting)
	require.NoError(t, err)
	closing(t, l)
	_, err = l.take(bounded(t)) // as accept does
	require.NoError(t, err)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = openPipe(gone, a, o)
	require.ErrorIs(t, err, context.Canceled)
	dialled := openedPipe(t, a, o)
	talk(t, dialled, acceptedPipe(t, l))
}
