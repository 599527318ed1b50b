package serpy_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/blob"
	"github.com/serpy-go/serpy/protocol"
)

// A pattern is a source in memory of any size: a MiB, again and again.
type pattern struct {
	data []byte
	size int64
	at   int64
}

func newPattern(size int64) *pattern { return &pattern{data: payload(1, 1<<20), size: size} }

func (p *pattern) Read(b []byte) (int, error) {
	n, err := p.ReadAt(b, p.at)
	p.at += int64(n)
	return n, err
}

func (p *pattern) ReadAt(b []byte, at int64) (n int, err error) {
	for n < len(b) && at < p.size {
		k := copy(b[n:min(int64(len(b)), int64(n)+p.size-at)], p.data[at%int64(len(p.data)):])
		n += k
		at += int64(k)
	}
	if n < len(b) {
		err = io.EOF
	}
	return n, err
}

func (p *pattern) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += p.at
	case io.SeekEnd:
		offset += p.size
	}
	if offset < 0 {
		return p.at, errors.New("before the start")
	}
	p.at = offset
	return p.at, nil
}

// A checker sums what it is given, and keeps nothing.
type checker struct {
	sum uint32
	n   int64
}

func (w *checker) Write(p []byte) (int, error) {
	w.sum = protocol.Sum(w.sum, p)
	w.n += int64(len(p))
	return len(p), nil
}

// BenchmarkBlob is a GiB from memory to a receiver that sums it, beside io.Copy over TCP
// with the same sum on both sides. Run it with -benchtime=1x -count=5, and compare in pairs.
func BenchmarkBlob(b *testing.B) {
	const size = 1 << 30
	b.Run("copy", func(b *testing.B) {
		b.SetBytes(size)
		b.ReportAllocs()
		for b.Loop() {
			copyOverTCP(b, size)
		}
	})
	b.Run("serpy", func(b *testing.B) {
		b.SetBytes(size)
		b.ReportAllocs()
		a, c := blobPair(b, "tcp", nil)
		for b.Loop() {
			blobOverTCP(b, a, c, size)
		}
	})
}

func copyOverTCP(b *testing.B, size int64) {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	got := make(chan checker, 1)
	go func() {
		var w checker
		if conn, err := l.Accept(); err == nil {
			_, _ = io.Copy(&w, conn)
			_ = conn.Close()
		}
		got <- w
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	require.NoError(b, err)
	var w checker
	_, err = io.Copy(io.MultiWriter(&w, conn), newPattern(size))
	require.NoError(b, err)
	require.NoError(b, conn.Close())
	require.Equal(b, w, <-got)
	require.NoError(b, l.Close())
}

func blobOverTCP(b *testing.B, a, c *serpy.Connection, size int64) {
	b.Helper()
	got := make(chan checker, 1)
	go func() {
		var w checker
		if r, err := a.ReceiveBlob(context.Background()); err == nil {
			_, _ = r.WriteTo(&w)
		}
		got <- w
	}()
	_, err := c.SendBlob(context.Background(), blob.Info{}, newPattern(size), nil)
	require.NoError(b, err)
	require.Equal(b, size, (<-got).n)
}

// BenchmarkSmallBlobs sends blobs of 100 bytes, 64 at once: -benchtime=100000x is a hundred
// thousand.
func BenchmarkSmallBlobs(b *testing.B) {
	a, c := blobPair(b, "tcp", nil)
	data := make([]byte, 100)
	var next atomic.Int64
	var running sync.WaitGroup
	b.ReportAllocs()
	for range 64 {
		running.Go(func() {
			for next.Add(1) <= int64(b.N) {
				if _, err := c.SendBlob(context.Background(), blob.Info{}, bytes.NewReader(data), nil); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	for range b.N {
		r, err := a.ReceiveBlob(context.Background())
		require.NoError(b, err)
		n, err := r.WriteTo(io.Discard)
		require.NoError(b, err)
		require.Equal(b, int64(len(data)), n)
	}
	running.Wait()
}
