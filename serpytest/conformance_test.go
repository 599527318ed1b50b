package serpytest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/serpytest"
)

// tcpPair returns a real TCP connection's two ends.
func tcpPair(t *testing.T) (dialled, accepted net.Conn) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	dialled, err = (&net.Dialer{}).DialContext(t.Context(), "tcp", l.Addr().String())
	require.NoError(t, err)
	accepted, err = l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = dialled.Close(), accepted.Close() })
	return dialled, accepted
}

// kinds are the ways to come by a connection. The first is the measure: what
// a real socket does not pass, the suite asks wrongly.
var kinds = map[string]func(t *testing.T) (a, b net.Conn){
	"tcp": tcpPair,
	"pipe": func(*testing.T) (net.Conn, net.Conn) {
		a, b := serpytest.Pipe(serpytest.Link{})
		return a, b
	},
	"narrow pipe": func(*testing.T) (net.Conn, net.Conn) {
		a, b := serpytest.Pipe(serpytest.Link{Buffer: 100, OneByte: true, Latency: time.Microsecond})
		return a, b
	},
	"listener": func(t *testing.T) (net.Conn, net.Conn) {
		t.Helper()
		l := serpytest.Listen(serpytest.Link{})
		a, err := l.DialAddress(t.Context(), "anything")
		require.NoError(t, err)
		b, err := l.Accept()
		require.NoError(t, err)
		require.Equal(t, l.Addr(), a.RemoteAddr())
		require.NoError(t, l.Close())
		return a, b
	},
	"fault over tcp": func(t *testing.T) (net.Conn, net.Conn) {
		t.Helper()
		a, b := tcpPair(t)
		f := serpytest.Fault(a, serpytest.Link{})
		require.Equal(t, b.LocalAddr(), f.RemoteAddr())
		return f, b
	},
	"proxy": func(t *testing.T) (net.Conn, net.Conn) {
		t.Helper()
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		p, err := serpytest.NewProxy("tcp", l.Addr().String(), nil)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, p.Close()) })
		a, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", p.Addr())
		require.NoError(t, err)
		b, err := l.Accept()
		require.NoError(t, err)
		require.NoError(t, l.Close())
		return a, b
	},
}

// TestConformance holds every kind of connection to net.Conn's contract.
func TestConformance(t *testing.T) {
	suite := map[string]func(t *testing.T, a, b net.Conn){
		"echo":               echo,
		"present timeout":    presentTimeout,
		"past timeout":       pastTimeout,
		"future timeout":     futureTimeout,
		"write timeout":      writeTimeout,
		"close ends waits":   closeEndsWaits,
		"many readers":       manyReaders,
		"writes do not mix":  writesDoNotMix,
		"half close":         halfClose,
		"concurrent methods": concurrentMethods,
		"addresses":          addresses,
	}
	for kind, open := range kinds {
		for name, test := range suite {
			t.Run(kind+"/"+name, func(t *testing.T) {
				a, b := open(t)
				t.Cleanup(func() { _, _ = a.Close(), b.Close() })
				test(t, a, b)
			})
		}
	}
}

func echo(t *testing.T, a, b net.Conn) {
	t.Helper()
	var wg sync.WaitGroup
	wg.Go(func() {
		buf := make([]byte, 1000)
		for {
			n, err := b.Read(buf)
			if _, werr := b.Write(buf[:n]); !assert.NoError(t, werr) || err != nil {
				assert.Equal(t, io.EOF, err)
				assert.NoError(t, b.Close())
				return
			}
		}
	})
	data := bytes.Repeat([]byte("0123456789abcdef"), 2000)
	wg.Go(func() {
		if n, err := a.Write(data); assert.NoError(t, err) {
			assert.Equal(t, len(data), n)
		}
		assert.NoError(t, a.(interface{ CloseWrite() error }).CloseWrite())
	})
	got, err := io.ReadAll(a)
	require.NoError(t, err)
	require.True(t, bytes.Equal(data, got))
	wg.Wait()
}

// isTimeout holds err to what a missed deadline is in package net.
func isTimeout(t *testing.T, err error) {
	t.Helper()
	var ne net.Error
	var oe *net.OpError
	assert.True(t, errors.As(err, &ne) && ne.Timeout() && errors.As(err, &oe) && errors.Is(err, os.ErrDeadlineExceeded), "%v", err)
}

// presentTimeout sets a deadline that is over, amid a Read and a Write.
func presentTimeout(t *testing.T, a, b net.Conn) {
	t.Helper()
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := a.Read(make([]byte, 1))
		isTimeout(t, err)
	})
	wg.Go(func() {
		block := make([]byte, 1<<20)
		for {
			if _, err := a.Write(block); err != nil {
				isTimeout(t, err)
				return
			}
		}
	})
	_, err := io.ReadFull(b, make([]byte, 10))
	require.NoError(t, err, "the writer is at it")
	require.NoError(t, a.SetDeadline(time.Now()))
	wg.Wait()
}

func pastTimeout(t *testing.T, a, b net.Conn) {
	t.Helper()
	_, err := b.Write([]byte("here"))
	require.NoError(t, err)
	require.NoError(t, a.SetDeadline(time.Unix(1, 0)))
	n, err := a.Read(make([]byte, 4))
	isTimeout(t, err)
	require.Zero(t, n)
	n, err = a.Write([]byte("there"))
	isTimeout(t, err)
	require.Zero(t, n)
	require.NoError(t, a.SetDeadline(time.Time{}))
	read(t, a, "here")
	write(t, a, "there")
	read(t, b, "there")
}

func futureTimeout(t *testing.T, a, _ net.Conn) {
	t.Helper()
	start := time.Now()
	require.NoError(t, a.SetReadDeadline(start.Add(20*time.Millisecond)))
	for range 2 {
		_, err := a.Read(make([]byte, 1))
		isTimeout(t, err)
		require.GreaterOrEqual(t, time.Since(start), 20*time.Millisecond)
	}
}

func writeTimeout(t *testing.T, a, b net.Conn) {
	t.Helper()
	require.NoError(t, a.SetWriteDeadline(time.Now().Add(50*time.Millisecond)))
	written, err := 0, error(nil)
	for err == nil {
		var n int
		n, err = a.Write(bytes.Repeat([]byte("x"), 1<<20))
		written += n
	}
	isTimeout(t, err)
	require.NoError(t, a.SetWriteDeadline(time.Time{}))
	require.NoError(t, a.(interface{ CloseWrite() error }).CloseWrite())
	got, err := io.Copy(io.Discard, b)
	require.NoError(t, err)
	require.Equal(t, int64(written), got, "what Write says it took, and no more")
}

func closeEndsWaits(t *testing.T, a, b net.Conn) {
	t.Helper()
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := a.Read(make([]byte, 1))
		assert.ErrorIs(t, err, net.ErrClosed)
	})
	wg.Go(func() {
		var err error
		for err == nil {
			_, err = a.Write(make([]byte, 1<<20))
		}
		assert.ErrorIs(t, err, net.ErrClosed)
	})
	_, err := io.ReadFull(b, make([]byte, 10))
	require.NoError(t, err, "the writer is at it")
	require.NoError(t, a.Close())
	wg.Wait()
	_, err = a.Read(make([]byte, 1))
	require.ErrorIs(t, err, net.ErrClosed)
	_, err = a.Write([]byte("x"))
	require.ErrorIs(t, err, net.ErrClosed)
}

// manyReaders shares a stream: each byte goes to one of them.
func manyReaders(t *testing.T, a, b net.Conn) {
	t.Helper()
	const total = 20_000
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := 0
	for range 4 {
		wg.Go(func() {
			buf := make([]byte, 300)
			for {
				n, err := b.Read(buf)
				mu.Lock()
				got += n
				mu.Unlock()
				if err != nil {
					assert.Equal(t, io.EOF, err)
					return
				}
			}
		})
	}
	for range 4 {
		wg.Go(func() {
			for range total / 4 / 10 {
				_, err := a.Write(make([]byte, 10))
				assert.NoError(t, err)
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	require.Eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return got == total
	}, time.Minute, time.Millisecond)
	require.NoError(t, a.(interface{ CloseWrite() error }).CloseWrite())
	<-done
}

func writesDoNotMix(t *testing.T, a, b net.Conn) {
	t.Helper()
	const writers, each, size = 4, 20, 5000
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for range each {
				_, err := a.Write(bytes.Repeat([]byte{byte('a' + w)}, size))
				assert.NoError(t, err)
			}
		})
	}
	block := make([]byte, size)
	for range writers * each {
		_, err := io.ReadFull(b, block)
		require.NoError(t, err)
		require.Equal(t, size, bytes.Count(block, block[:1]), "a Write in one piece")
	}
	wg.Wait()
}

func halfClose(t *testing.T, a, b net.Conn) {
	t.Helper()
	write(t, a, "request")
	require.NoError(t, a.(interface{ CloseWrite() error }).CloseWrite())
	got, err := readAll(b)
	require.NoError(t, err)
	require.Equal(t, "request", got)
	write(t, b, "reply")
	require.NoError(t, b.Close())
	got, err = readAll(a)
	require.NoError(t, err)
	require.Equal(t, "reply", got)
	_, err = a.Write([]byte("x"))
	require.Error(t, err)
	require.NotErrorIs(t, err, net.ErrClosed, "a is only half-closed")
}

// concurrentMethods is for the race detector.
func concurrentMethods(t *testing.T, a, b net.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	for _, c := range []net.Conn{a, b} {
		for _, f := range []func(){
			func() { _, _ = c.Read(make([]byte, 100)) },
			func() { _, _ = c.Write(make([]byte, 100)) },
			func() { _ = c.SetDeadline(time.Now().Add(time.Millisecond)) },
			func() { _ = c.SetReadDeadline(time.Now().Add(time.Millisecond)) },
			func() { _ = c.SetWriteDeadline(time.Now().Add(time.Millisecond)) },
			func() { _, _ = c.LocalAddr().String(), c.RemoteAddr().Network() },
		} {
			wg.Go(func() {
				for ctx.Err() == nil {
					f()
				}
			})
		}
	}
	<-ctx.Done()
	require.NoError(t, a.SetDeadline(time.Now())) // For who began before all others.
	require.NoError(t, b.SetDeadline(time.Now()))
	wg.Wait()
}

func addresses(t *testing.T, a, b net.Conn) {
	t.Helper()
	for _, addr := range []net.Addr{a.LocalAddr(), a.RemoteAddr(), b.LocalAddr(), b.RemoteAddr()} {
		require.NotEmpty(t, addr.Network())
		require.NotEmpty(t, addr.String())
	}
	require.NotEqual(t, a.LocalAddr().String(), b.LocalAddr().String())
}
