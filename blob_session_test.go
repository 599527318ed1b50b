package serpy_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/blob"
)

// A shipment is a blob that is sent, and what became of it.
type shipment struct {
	res blob.Result
	err error
}

func ship(t *testing.T, c *serpy.Connection, path string) chan shipment {
	t.Helper()
	done := make(chan shipment, 1)
	go func() {
		res, err := c.SendFile(t.Context(), path, nil)
		done <- shipment{res, err}
	}()
	return done
}

// fileOf makes a file of some size.
func fileOf(t *testing.T, size int) (path string, data []byte) {
	t.Helper()
	path, data = filepath.Join(t.TempDir(), "f"), payload(uint64(size), size)
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path, data
}

// TestBlobOutlivesItsSession kills the server while a file is on its way to it: the
// dialler offers it again in the next session, and only what is missing is sent.
func TestBlobOutlivesItsSession(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		dir := t.TempDir()
		path, data := fileOf(t, 5<<20+3)
		h, a, c := meet(t, nil, nil)
		sent := ship(t, c, path)
		b, err := a.ReceiveBlob(t.Context())
		require.NoError(t, err)
		saved := make(chan error, 1)
		h.net().Refuse(true)
		h.net().Conns()[0].Out().CutAfter(3_000_000)
		go func() {
			_, err := b.SaveTo(t.Context(), dir, nil)
			saved <- err
		}()
		require.NoError(t, waitDown(t, c))
		s := h.restart(t, nil)
		require.ErrorIs(t, <-saved, net.ErrClosed)
		require.FileExists(t, filepath.Join(dir, "f.part"))
		part, err := os.Stat(filepath.Join(dir, "f.part"))
		require.NoError(t, err)
		before := c.Stats().Blobs.SentBytes
		a = accepted(t, s)
		b, err = a.ReceiveBlob(t.Context())
		require.NoError(t, err)
		res, err := b.SaveTo(t.Context(), dir, nil)
		require.NoError(t, err)
		end := <-sent
		require.NoError(t, end.err)
		require.Equal(t, end.res.Digest, res.Digest)
		require.Equal(t, end.res.Resumed, res.Resumed)
		require.Greater(t, res.Resumed, int64(3_000_000-window), "what came and was not yet written is lost with its process")
		require.Equal(t, part.Size()/blob.Chunk*blob.Chunk, res.Resumed)
		require.Equal(t, uint64(len(data))-uint64(res.Resumed), c.Stats().Blobs.SentBytes-before, "only what was missing")
		got, err := os.ReadFile(res.Path)
		require.NoError(t, err)
		require.True(t, bytes.Equal(data, got))
	})
}

// TestBlobGoneOnWithLater sends a file, of which a part was saved, over another connection:
// as after kill -9 of the sender. A file that changed meanwhile is not mixed with it.
func TestBlobGoneOnWithLater(t *testing.T) {
	dir := t.TempDir()
	path, data := fileOf(t, 6<<20)
	half := func() {
		a, c := blobPair(t, "tcp", nil)
		sent := ship(t, c, path)
		b, err := a.ReceiveBlob(t.Context())
		require.NoError(t, err)
		saved := make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			_, err := b.SaveTo(ctx, dir, nil)
			saved <- err
		}()
		eventually(t, func() bool { return a.Stats().Blobs.ReceivedBytes > 3<<20 })
		_ = c.Shutdown(canceled(t.Context())) // at once
		require.Error(t, (<-sent).err)
		if err := <-saved; err != nil {
			return
		}
		require.NoError(t, os.Remove(filepath.Join(dir, "f"))) // it was faster
	}
	half()
	part, err := os.Stat(filepath.Join(dir, "f.part"))
	if errors.Is(err, os.ErrNotExist) {
		t.Log("the whole file was faster than its cut")
	} else {
		require.NoError(t, err)
	}
	a, c := blobPair(t, "tcp", nil)
	sent := ship(t, c, path)
	b, err := a.ReceiveBlob(t.Context())
	require.NoError(t, err)
	res, err := b.SaveTo(t.Context(), dir, nil)
	require.NoError(t, err)
	require.NoError(t, (<-sent).err)
	if part != nil {
		require.Equal(t, part.Size()/blob.Chunk*blob.Chunk, res.Resumed)
	}
	require.Equal(t, uint64(len(data))-uint64(res.Resumed), c.Stats().Blobs.SentBytes)
	got, err := os.ReadFile(res.Path)
	require.NoError(t, err)
	require.True(t, bytes.Equal(data, got))
}

// TestSourceThatChangedMeanwhile has a part of a file saved, changes the file, and sends it
// again: an error the first time, on both sides, and never a mixture.
func TestSourceThatChangedMeanwhile(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		dir := t.TempDir()
		path, _ := fileOf(t, 3<<20)
		h, a, c := meet(t, nil, nil)
		h.net().Refuse(true)
		h.net().Conns()[0].Out().CutAfter(1_500_000)
		sent := ship(t, c, path)
		b, err := a.ReceiveBlob(t.Context())
		require.NoError(t, err)
		go func() { _, _ = b.SaveTo(t.Context(), dir, nil) }()
		require.NoError(t, waitDown(t, c))
		_ = c.Shutdown(canceled(t.Context()))
		require.ErrorIs(t, (<-sent).err, net.ErrClosed)
		s := h.restart(t, nil)
		require.FileExists(t, filepath.Join(dir, "f.part"))

		other := payload(77, 3<<20)
		require.NoError(t, os.WriteFile(path, other, 0o600))
		require.NoError(t, os.Chtimes(path, time.Time{}, time.Unix(1, 0)))
		c = h.dial(t, nil)
		a = accepted(t, s)
		for i := range 2 {
			sent = ship(t, c, path)
			b, err = a.ReceiveBlob(t.Context())
			require.NoError(t, err)
			res, err := b.SaveTo(t.Context(), dir, nil)
			if i == 0 {
				require.ErrorIs(t, err, blob.ErrSourceChanged)
				aborted(t, (<-sent).err, blob.ErrSourceChanged, true)
				continue
			}
			require.NoError(t, err)
			require.Zero(t, res.Resumed)
			require.NoError(t, (<-sent).err)
			got, err := os.ReadFile(res.Path)
			require.NoError(t, err)
			require.True(t, bytes.Equal(other, got))
		}
	})
}

// TestBlobsOfALostSession: of what cannot be read again, and of what a listener sends, the
// end of the session is the end.
func TestBlobsOfALostSession(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		h, a, c := meet(t, nil, nil)
		sent := make(chan error, 2)
		for _, from := range []*serpy.Connection{a, c} {
			go func() {
				_, err := from.SendBlob(t.Context(), blob.Info{}, struct{ io.Reader }{newPattern(1 << 30)}, nil)
				sent <- err
			}()
		}
		there, err := a.ReceiveBlob(t.Context())
		require.NoError(t, err)
		here, err := c.ReceiveBlob(t.Context())
		require.NoError(t, err)
		for _, b := range []*serpy.Blob{there, here} {
			_, err = io.CopyN(io.Discard, b, 1<<20)
			require.NoError(t, err)
		}
		s := h.restart(t, nil)
		a = accepted(t, s)
		require.ErrorIs(t, <-sent, net.ErrClosed)
		require.ErrorIs(t, <-sent, net.ErrClosed)
		require.ErrorIs(t, readAll(there), net.ErrClosed)
		var lost *serpy.SessionLostError
		require.ErrorAs(t, readAll(here), &lost)
		e, r := bothEnds(t, a, c, blob.Info{}, strings.NewReader("in the next session"), readAll)
		require.NoError(t, errors.Join(e, r))
	})
}

// TestCloseWithBlobs ends connections with blobs under way.
func TestCloseWithBlobs(t *testing.T) {
	// begin has one blob under way in each direction.
	begin := func(t *testing.T) (a, c *serpy.Connection, sent chan error, in [2]*serpy.Blob) {
		t.Helper()
		_, a, c = meet(t, nil, nil)
		sent = make(chan error, 2)
		for _, from := range []*serpy.Connection{a, c} {
			go func() {
				_, err := from.SendBlob(t.Context(), blob.Info{}, newPattern(8<<20), nil)
				sent <- err
			}()
		}
		for i, to := range []*serpy.Connection{a, c} {
			b, err := to.ReceiveBlob(t.Context())
			require.NoError(t, err)
			_, err = io.CopyN(io.Discard, b, 1<<20)
			require.NoError(t, err)
			in[i] = b
		}
		return a, c, sent, in
	}
	bubble(t, "Close waits for CloseTimeout, then both sides see why", func(t *testing.T) {
		_, c, sent, in := begin(t)
		began := time.Now()
		require.NoError(t, c.Close())
		require.InDelta(t, 3, time.Since(began).Seconds(), 0.5)
		for range 2 {
			require.Error(t, <-sent)
		}
		aborted(t, readAll(in[0]), blob.ErrCancelled, true)
		require.ErrorIs(t, readAll(in[1]), serpy.ErrClosed)
		_, err := c.SendBlob(t.Context(), blob.Info{}, strings.NewReader(""), nil)
		require.ErrorIs(t, err, serpy.ErrClosed)
		_, err = c.ReceiveBlob(t.Context())
		require.ErrorIs(t, err, serpy.ErrClosed)
	})
	bubble(t, "Shutdown waits for what is sent", func(t *testing.T) {
		_, c, sent, in := begin(t)
		var sum checker
		read := make(chan error, 1)
		go func() {
			bubbleSleep(time.Minute)
			_, err := in[0].WriteTo(&sum)
			read <- err
		}()
		require.NoError(t, c.Shutdown(t.Context()))
		require.NoError(t, <-read)
		require.Equal(t, int64(7<<20), sum.n)
		one, two := <-sent, <-sent
		require.NotEqual(t, one == nil, two == nil, "ours came, the peer's did not: %v, %v", one, two)
	})
	bubble(t, "a peer that closes", func(t *testing.T) {
		a, c, sent, in := begin(t)
		require.NoError(t, a.Shutdown(canceled(t.Context())))
		for range 2 {
			require.Error(t, <-sent)
		}
		require.Error(t, readAll(in[0]))
		require.Error(t, readAll(in[1]))
		<-c.Done()
		_, err := c.ReceiveBlob(t.Context())
		require.ErrorIs(t, err, net.ErrClosed)
	})
	bubble(t, "what came whole is read behind the end", func(t *testing.T) {
		_, a, c := meet(t, nil, nil)
		sent := make(chan error, 1)
		go func() {
			_, err := c.SendBlob(t.Context(), blob.Info{}, strings.NewReader("whole"), nil)
			sent <- err
		}()
		b, err := a.ReceiveBlob(t.Context())
		require.NoError(t, err)
		first := make([]byte, 1)
		_, err = b.Read(first)
		require.NoError(t, err)
		bubbleSleep(time.Second) // its end has come
		require.NoError(t, a.Close())
		aborted(t, <-sent, blob.ErrRejected, true) // a application that closed has not taken it
		require.Error(t, readAll(b))
	})
}
