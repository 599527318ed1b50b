package main

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAddresses(t *testing.T) {
	for _, test := range []struct{ url, network, address, host string }{
		{"lab1:7070", "tcp", "lab1:7070", "lab1"},
		{"tcp://[::1]:7", "tcp", "[::1]:7", "::1"},
		{"tls://:7", "tcp", ":7", ""},
		{"unix:///tmp/s", "unix", "/tmp/s", ""},
	} {
		network, address := split(test.url)
		assert.Equal(t, test.network, network)
		assert.Equal(t, test.address, address)
		assert.Equal(t, test.host, hostOf(test.url))
	}
}

func TestPrivateAddressesLeaveNothingBehind(t *testing.T) {
	made, remove, err := private("tls://lab1:7")
	require.NoError(t, err)
	assert.Equal(t, "tls://127.0.0.1:0", made)
	require.NoError(t, remove())

	made, remove, err = private("unix:///x")
	require.NoError(t, err)
	folder := filepath.Dir(strings.TrimPrefix(made, "unix://"))
	require.DirExists(t, folder)
	require.NoError(t, remove())
	require.NoDirExists(t, folder)
}

func TestCableCuts(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			address, where := "tcp://127.0.0.1:0", "127.0.0.1:0"
			if network == "unix" {
				address, where = "unix://"+filepath.Join(t.TempDir(), "p"), filepath.Join(t.TempDir(), "t")
			}
			var config net.ListenConfig
			target, err := config.Listen(t.Context(), network, where)
			require.NoError(t, err)
			drained := make(chan struct{})
			go func() {
				defer close(drained)
				if c, err := target.Accept(); err == nil {
					_, _ = io.Copy(io.Discard, c)
					c.Close()
				}
			}()
			p, err := newCable(t.Context(), address, network+"://"+target.Addr().String(), 20*time.Millisecond)
			require.NoError(t, err)
			_, where = split(p.url)
			var dialer net.Dialer
			c, err := dialer.DialContext(t.Context(), network, where)
			require.NoError(t, err)
			for err == nil {
				_, err = c.Write(make([]byte, 1000))
			}
			require.NoError(t, c.Close())
			<-drained
			require.NoError(t, p.close())
			require.NoError(t, target.Close())
			assert.Positive(t, p.Cuts())
		})
	}
}

func TestCableNamesTheFlagThatItCannotListenOn(t *testing.T) {
	_, err := newCable(t.Context(), "tcp://192.0.2.1:1", "tcp://127.0.0.1:1", time.Hour)
	require.ErrorContains(t, err, "-addr tcp://192.0.2.1:1")
	_, err = newCable(t.Context(), "unix://"+filepath.Join(t.TempDir(), "no", "folder"), "tcp://127.0.0.1:1", time.Hour)
	require.ErrorIs(t, err, os.ErrNotExist)
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
