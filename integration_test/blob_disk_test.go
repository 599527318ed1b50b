//go:build linux

package integration

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/blob"
)

// smallDisk is a disk of so many bytes, and what makes it larger. It needs root: in CI
// the test fails without, on a developer's machine it is skipped.
func smallDisk(t *testing.T, size string) (dir string, grow func(size string)) {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("missing in CI: root")
		}
		t.Skip("needs root")
	}
	dir = t.TempDir()
	require.NoError(t, syscall.Mount("serpy", dir, "tmpfs", 0, "size="+size))
	t.Cleanup(func() { assert.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	return dir, func(size string) {
		require.NoError(t, syscall.Mount("serpy", dir, "tmpfs", syscall.MS_REMOUNT, "size="+size))
	}
}

// TestFullDisk fills the receiver's disk: both sides are told which blob it was, the
// connection lives, and with more room the same file is gone on with.
func TestFullDisk(t *testing.T) {
	dir, grow := smallDisk(t, "3m")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	content := bytes.Repeat([]byte("0123456789abcdefghijklmnopqrstuvwxyz\n"), 200_000)
	path := filepath.Join(t.TempDir(), "run.dat")
	require.NoError(t, os.WriteFile(path, content, 0o600))

	s, err := serpy.Listen("tcp://127.0.0.1:0", nil)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	c, err := serpy.Dial(ctx, s.Address(), nil)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.Close()) })
	peer, err := s.Accept(ctx)
	require.NoError(t, err)

	type saved struct {
		blob.Result
		err error
	}
	take := func() chan saved {
		done := make(chan saved, 1)
		go func() {
			b, err := peer.ReceiveBlob(ctx)
			if err != nil {
				done <- saved{err: err}
				return
			}
			r, err := b.SaveTo(ctx, dir, nil)
			done <- saved{r, err}
		}()
		return done
	}
	done := take()
	_, err = c.SendFile(ctx, path, nil)
	got := <-done
	for side, err := range map[string]error{"sender": err, "receiver": got.err} {
		require.ErrorIs(t, err, blob.ErrDiskFull, side)
		require.ErrorContains(t, err, "run.dat", side)
	}
	require.NoFileExists(t, filepath.Join(dir, "run.dat"))
	require.FileExists(t, filepath.Join(dir, "run.dat.part"))

	// The connection lives: messages pass, and so does what still has room.
	require.NoError(t, c.SendAcked(ctx, []byte("still there?")))
	m, err := peer.Receive(ctx)
	require.NoError(t, err)
	require.Equal(t, "still there?", m.String())
	assert.Equal(t, 1, c.Stats().Links)

	grow("20m")
	done = take()
	r, err := c.SendFile(ctx, path, nil)
	require.NoError(t, err)
	got = <-done
	require.NoError(t, got.err)
	assert.Greater(t, r.Resumed, int64(2<<20), "what fitted is not sent again")
	assert.Equal(t, r.Resumed, got.Resumed)
	assert.Equal(t, r.Digest, got.Digest)
	there, err := os.ReadFile(got.Path)
	require.NoError(t, err)
	require.True(t, bytes.Equal(content, there))
}
