package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// arrival is what came over one connection, and how it ended.
type arrival struct {
	data []byte
	err  error
}

// sink listens on address until the test ends.
func sink(t *testing.T, address string) (string, <-chan arrival) {
	t.Helper()
	network, where := split(address)
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), network, where)
	require.NoError(t, err)
	arrivals := make(chan arrival)
	done := make(chan struct{})
	t.Cleanup(func() {
		l.Close()
		for range arrivals {
		}
		<-done
	})
	go func() {
		defer close(done)
		defer close(arrivals)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			data, err := io.ReadAll(c)
			c.Close()
			arrivals <- arrival{data, err}
		}
	}()
	return network + "://" + l.Addr().String(), arrivals
}

func dialProxy(t *testing.T, p *proxy) net.Conn {
	t.Helper()
	network, where := split(p.address())
	var d net.Dialer
	c, err := d.DialContext(t.Context(), network, where)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func addresses(t *testing.T) map[string][2]string {
	t.Helper()
	folder := t.TempDir()
	return map[string][2]string{
		"tcp":  {"tcp://127.0.0.1:0", "tcp://127.0.0.1:0"},
		"unix": {"unix://" + filepath.Join(folder, "p"), "unix://" + filepath.Join(folder, "t")},
	}
}

func TestProxyPassesBytesOn(t *testing.T) {
	for name, address := range addresses(t) {
		t.Run(name, func(t *testing.T) {
			target, arrivals := sink(t, address[1])
			p, err := newProxy(address[0], target, time.Hour)
			require.NoError(t, err)
			content := bytes.Repeat([]byte("0123456789"), 100_000)
			c := dialProxy(t, p)
			_, err = c.Write(content)
			require.NoError(t, err)
			require.NoError(t, c.(interface{ CloseWrite() error }).CloseWrite())
			got := <-arrivals
			require.NoError(t, got.err)
			assert.True(t, bytes.Equal(content, got.data))
			require.NoError(t, p.close())
			assert.Zero(t, p.cuts.Load())
		})
	}
}

func TestProxyCutsAmidTheBytes(t *testing.T) {
	for name, address := range addresses(t) {
		t.Run(name, func(t *testing.T) {
			target, arrivals := sink(t, address[1])
			p, err := newProxy(address[0], target, 20*time.Millisecond)
			require.NoError(t, err)
			c := dialProxy(t, p)
			sent := 0
			start := time.Now()
			for err == nil {
				var n int
				n, err = c.Write(make([]byte, 1000))
				sent += n
			}
			got := <-arrivals
			assert.GreaterOrEqual(t, time.Since(start), 10*time.Millisecond, "a link lives for half of every, at least")
			assert.Less(t, len(got.data), sent, "what was on its way is lost")
			assert.NotEmpty(t, got.data)
			if name == "tcp" {
				require.Error(t, got.err, "a reset, no orderly end")
			}
			assert.EqualValues(t, 1, p.cuts.Load())
			require.NoError(t, p.close())
		})
	}
}

func TestProxyCutsASilentLink(t *testing.T) {
	target, arrivals := sink(t, "tcp://127.0.0.1:0")
	p, err := newProxy("tcp://127.0.0.1:0", target, 10*time.Millisecond)
	require.NoError(t, err)
	c := dialProxy(t, p)
	_, err = c.Read(make([]byte, 1))
	require.Error(t, err)
	assert.Empty(t, (<-arrivals).data)
	require.NoError(t, p.close())
	assert.EqualValues(t, 1, p.cuts.Load())
}

func TestProxyWithoutATargetResets(t *testing.T) {
	p, err := newProxy("tcp://127.0.0.1:0", "tcp://127.0.0.1:1", time.Hour)
	require.NoError(t, err)
	var d net.Dialer
	c, err := d.DialContext(t.Context(), "tcp", p.listener.Addr().String())
	if err == nil { // Else the reset was faster than the dial.
		_, err = c.Read(make([]byte, 1))
		c.Close()
	}
	require.Error(t, err)
	require.NotErrorIs(t, err, io.EOF)
	require.NoError(t, p.close())
}

func TestProxyCloseEndsItsLinks(t *testing.T) {
	target, arrivals := sink(t, "tcp://127.0.0.1:0")
	p, err := newProxy("tcp://127.0.0.1:0", target, time.Hour)
	require.NoError(t, err)
	c := dialProxy(t, p)
	_, err = c.Write([]byte("x"))
	require.NoError(t, err)
	require.NoError(t, p.close())
	_, err = c.Read(make([]byte, 1))
	require.Error(t, err)
	<-arrivals
}

func TestProxyNamesTheFlagThatItCannotListenOn(t *testing.T) {
	_, err := newProxy("tcp://192.0.2.1:1", "tcp://127.0.0.1:1", time.Hour)
	require.ErrorContains(t, err, "-addr tcp://192.0.2.1:1")
}

func TestLingeringOutlivesItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	late, stop := lingering(ctx, 10*time.Millisecond)
	defer stop()
	cancel()
	require.NoError(t, late.Err())
	<-late.Done()
	assert.ErrorIs(t, late.Err(), context.Canceled)
}
