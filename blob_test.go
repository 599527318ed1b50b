package serpy_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/blob"
)

// blobPair is a session over a real socket: the server's end and the dialler's.
func blobPair(tb testing.TB, network string, o *serpy.Options) (a, c *serpy.Connection) {
	tb.Helper()
	address := "tcp://127.0.0.1:0"
	if network == "unix" {
		address = "unix://" + filepath.Join(tb.TempDir(), "s")
	}
	s, err := serpy.Listen(address, o)
	require.NoError(tb, err)
	tb.Cleanup(func() { assert.NoError(tb, s.Close()) })
	c, err = serpy.Dial(tb.Context(), s.Address(), o)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = c.Close() }) // some tests leave nothing to close
	a, err = s.Accept(tb.Context())
	require.NoError(tb, err)
	return a, c
}

// A reading is how a test takes a blob.
type reading func(t *testing.T, b *serpy.Blob) ([]byte, error)

var readings = map[string]reading{
	"Read": func(_ *testing.T, b *serpy.Blob) ([]byte, error) {
		return io.ReadAll(struct{ io.Reader }{b})
	},
	"WriteTo": func(_ *testing.T, b *serpy.Blob) ([]byte, error) {
		var w bytes.Buffer
		_, err := b.WriteTo(&w)
		return w.Bytes(), err
	},
	"SaveTo": func(t *testing.T, b *serpy.Blob) ([]byte, error) {
		res, err := b.SaveTo(t.Context(), t.TempDir(), nil)
		if err != nil {
			return nil, err
		}
		data, err := os.ReadFile(res.Path)
		require.NoError(t, err)
		require.Equal(t, int64(len(data)), res.Bytes)
		return data, nil
	},
}

// takeBlob receives one blob.
func takeBlob(t *testing.T, c *serpy.Connection, read reading) (blob.Info, []byte, error) {
	b, err := c.ReceiveBlob(within(t, time.Minute))
	if err != nil {
		return blob.Info{}, nil, err
	}
	data, err := read(t, b)
	return b.Info(), data, err
}

// Sources of the same data that can be read in different ways.
var blobSources = map[string]func(data []byte) io.Reader{
	"by place": func(data []byte) io.Reader { return bytes.NewReader(data) },
	"seeker":   func(data []byte) io.Reader { return struct{ io.ReadSeeker }{bytes.NewReader(data)} },
	"stream":   func(data []byte) io.Reader { return struct{ io.Reader }{bytes.NewReader(data)} },
	"buffer":   func(data []byte) io.Reader { return bytes.NewBuffer(data) },
}

// TestBlob moves blobs of all sizes that matter, from all kinds of sources, to all kinds
// of receivers, in both directions.
func TestBlob(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			a, c := blobPair(t, network, nil)
			for source, open := range blobSources {
				for how, read := range readings {
					for _, size := range []int{0, 1, blob.Chunk - 1, blob.Chunk, blob.Chunk + 1, 3*blob.Chunk + 5, 2<<20 + 17} {
						t.Run(fmt.Sprint(source, "/", how, "/", size), func(t *testing.T) {
							data := payload(uint64(size), size)
							for _, way := range [][2]*serpy.Connection{{c, a}, {a, c}} {
								moveBlob(t, way[0], way[1], data, open, read)
							}
						})
					}
				}
			}
			require.NoError(t, c.Close())
		})
	}
}

func moveBlob(t *testing.T, from, to *serpy.Connection, data []byte, open func([]byte) io.Reader, read reading) {
	t.Helper()
	when := time.Unix(1234567890, 123456789)
	info := blob.Info{Name: "a name", MediaType: "text/plain", Attributes: map[string]string{"run": "7"}, Time: when}
	type sent struct {
		res blob.Result
		err error
	}
	done := make(chan sent, 1)
	go func() {
		res, err := from.SendBlob(t.Context(), info, open(data), nil)
		done <- sent{res, err}
	}()
	got, out, err := takeBlob(t, to, read)
	require.NoError(t, err)
	require.True(t, bytes.Equal(data, out), "%d bytes became %d", len(data), len(out))
	s := <-done
	require.NoError(t, s.err)
	require.Equal(t, int64(len(data)), s.res.Bytes)
	require.Zero(t, s.res.Resumed)
	require.Equal(t, "a name", got.Name)
	require.Equal(t, "text/plain", got.MediaType)
	require.Equal(t, info.Attributes, got.Attributes)
	require.True(t, when.Equal(got.Time))
	require.Contains(t, []int64{int64(len(data)), -1}, got.Size)
}

func TestSendFile(t *testing.T) {
	a, c := blobPair(t, "tcp", nil)
	data := payload(5, 1<<20)
	path := filepath.Join(t.TempDir(), "file.bin")
	require.NoError(t, os.WriteFile(path, data, 0o600))
	dir := t.TempDir()
	done := make(chan error, 1)
	var progress []blob.Progress
	go func() {
		res, err := c.SendFile(t.Context(), path, &blob.Options{Progress: func(p blob.Progress) { progress = append(progress, p) }})
		assert.Equal(t, path, res.Path)
		assert.Equal(t, int64(len(data)), res.Bytes)
		done <- err
	}()
	b, err := a.ReceiveBlob(t.Context())
	require.NoError(t, err)
	require.Equal(t, "file.bin", b.Info().Name)
	require.Equal(t, int64(len(data)), b.Info().Size)
	var last blob.Progress
	res, err := b.SaveTo(t.Context(), dir, &blob.Options{Progress: func(p blob.Progress) { last = p }})
	require.NoError(t, err)
	require.Equal(t, int64(len(data)), last.Bytes)
	require.NoError(t, <-done)
	require.NotEmpty(t, progress)
	require.Equal(t, int64(len(data)), progress[len(progress)-1].Bytes)
	got, err := os.ReadFile(res.Path)
	require.NoError(t, err)
	require.True(t, bytes.Equal(data, got))
	require.Equal(t, filepath.Join(dir, "file.bin"), res.Path)
	_, err = c.SendFile(t.Context(), filepath.Join(dir, "absent"), nil)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = c.SendFile(t.Context(), dir, nil)
	require.Error(t, err)
}

// TestManyBlobs has 100 under way at once, and messages beside them.
func TestManyBlobs(t *testing.T) {
	a, c := blobPair(t, "tcp", nil)
	const n = 100
	done := make(chan error, n)
	for i := range n {
		go func() {
			data := payload(uint64(i), 100_000+i*1000)
			_, err := c.SendBlob(t.Context(), blob.Info{Name: fmt.Sprint(i)}, bytes.NewReader(data), nil)
			done <- err
		}()
	}
	for range n {
		b, err := a.ReceiveBlob(t.Context())
		require.NoError(t, err)
		go func() {
			var i int
			_, err := fmt.Sscan(b.Info().Name, &i)
			assert.NoError(t, err)
			data, err := io.ReadAll(b)
			assert.NoError(t, err)
			assert.True(t, bytes.Equal(payload(uint64(i), 100_000+i*1000), data))
		}()
	}
	for range n {
		require.NoError(t, c.SendAcked(t.Context(), []byte("beside")))
		require.NoError(t, <-done)
	}
	require.Zero(t, c.Stats().Blobs.Sending)
	require.Equal(t, uint64(n), c.Stats().Blobs.Sent)
	require.Equal(t, uint64(n), a.Stats().Blobs.Received)
}
