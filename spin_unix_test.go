//go:build unix

package serpy

import (
	"errors"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A spinner that spins in vain pauses, for twice as long each time, up to a bound; one
// that does not goes on.
func TestSpinnerPauses(t *testing.T) {
	var s spinner
	for range spinMisses {
		require.True(t, s.wanted())
		s.ended(false)
	}
	for pause := minPause; pause <= 4*maxPause; pause *= 2 {
		for range min(pause, maxPause) {
			require.False(t, s.wanted())
		}
		require.True(t, s.wanted())
		s.ended(false)
	}
	for range maxPause {
		require.False(t, s.wanted())
	}
	require.True(t, s.wanted())
	s.ended(true)
	for range spinMisses {
		require.True(t, s.wanted(), "it begins anew")
		s.ended(false)
	}
	require.False(t, s.wanted())
}

// A reader that spins in vain sleeps as any other, and one that finds something has it.
func TestSpinningReader(t *testing.T) {
	a, b := pairOf(t, "tcp", "127.0.0.1:0")
	r := newRawReader(b)
	var in readBuffer
	defer in.close()
	r.in, r.spin = &in, &spinner{}
	control := func(f func(fd uintptr)) { require.NoError(t, r.raw.Control(f)) }
	control(func(fd uintptr) {
		for range spinMisses {
			require.False(t, r.tryRead(fd), "nothing is there")
		}
	})
	require.False(t, r.spin.wanted(), "it was in vain")
	require.Nil(t, in.chunk.buf, "it will sleep")

	go func() { _, _ = a.Write([]byte("hello")) }()
	control(func(fd uintptr) {
		n, err := 0, error(syscall.EAGAIN)
		for errors.Is(err, syscall.EAGAIN) {
			n, err = r.spinning(fd, in.space())
		}
		require.NoError(t, err)
		require.Equal(t, 5, n)
	})
	require.True(t, r.spin.wanted(), "it was not in vain")

	go func() { _, _ = a.Write([]byte("again")) }()
	n, err := r.read(&in, r.spin)
	require.NoError(t, err)
	require.Equal(t, 5, n)
}
