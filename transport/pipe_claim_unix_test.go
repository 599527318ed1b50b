//go:build unix

package transport

import (
	"context"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// claimed is a pipe that waits for who meets it, as accept does.
func claimed(t *testing.T) (Address, Options, *pipeListener) {
	t.Helper()
	a, o := pipe(t)
	meeting := o
	meeting.PipeMeet = true
	l, err := listenPipe(bounded(t), a, meeting)
	require.NoError(t, err)
	closing(t, l)
	_, err = l.take(bounded(t))
	require.NoError(t, err)
	return a, o, l
}

// Who gives up before it has connected must not take the pipe away from those who come
// after it: its maker would wait for ever.
func TestWhoGivesUpTakesNoPipeAway(t *testing.T) {
	a, o, l := claimed(t)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := openPipe(gone, a, o)
	require.ErrorIs(t, err, context.Canceled)
	dialled := openedPipe(t, a, o)
	talk(t, dialled, acceptedPipe(t, l))
}

// Who cannot connect, for want of a file descriptor, must not take the pipe away either.
func TestWhoCannotConnectTakesNoPipeAway(t *testing.T) {
	a, o, l := claimed(t)
	var limit syscall.Rlimit
	var err error
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	none := limit
	none.Cur = 3 // stdin, stdout and stderr; what is open stays so
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none))
	_, err = openPipe(t.Context(), a, o)
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
	require.ErrorIs(t, err, syscall.EMFILE)

	dialled := openedPipe(t, a, o)
	talk(t, dialled, acceptedPipe(t, l))
}
