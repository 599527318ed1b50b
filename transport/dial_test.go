package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// listen listens for the length of the test.
func listen(t *testing.T, at string, config *tls.Config, o Options) net.Listener {
	t.Helper()
	l, err := Listen(bounded(t), address(t, at), config, o)
	require.NoError(t, err)
	return closing(t, l)
}

// plainDial dials without TLS.
func plainDial(t *testing.T, o Options) func(a Address) (net.Conn, error) {
	t.Helper()
	return func(a Address) (net.Conn, error) { return Dial(bounded(t), a, nil, o) }
}

func TestDialAndListen(t *testing.T) {
	for _, at := range []string{"tcp://127.0.0.1:0", ":0", "localhost:0", "tcp://[::1]:0", "unix://" + slashPath(socketPath(t))} {
		t.Run(at, func(t *testing.T) {
			l := listen(t, at, nil, Options{})
			a, ok := ListenerAddress(l)
			require.True(t, ok)
			require.Equal(t, address(t, at).Scheme(), a.Scheme())
			require.Equal(t, a, address(t, a.String()), "as Dial takes it")
			dialled, accepted := pair(t, l, plainDial(t, Options{}))
			require.NoError(t, Tune(accepted, Options{}))
			talk(t, dialled, accepted)
			require.NoError(t, l.Close())
			_, err := l.Accept()
			require.ErrorIs(t, err, net.ErrClosed)
			_, err = plainDial(t, Options{})(a)
			require.Error(t, err)
		})
	}
}

func TestListenerAddressOfOthers(t *testing.T) {
	l := listen(t, "tcp://127.0.0.1:0", nil, Options{})
	_, ok := ListenerAddress(struct{ net.Listener }{l})
	assert.False(t, ok, "it may speak anything")
	path := socketPath(t)
	u, err := new(net.ListenConfig).Listen(t.Context(), "unix", path)
	require.NoError(t, err)
	closing(t, u)
	a, ok := ListenerAddress(u)
	require.True(t, ok)
	assert.Equal(t, "unix://"+slashPath(path), a.String())
}

func TestNobodyAnswers(t *testing.T) {
	l := listen(t, "tcp://127.0.0.1:0", nil, Options{})
	a, _ := ListenerAddress(l)
	require.NoError(t, l.Close())
	_, err := plainDial(t, Options{})(a)
	var op *net.OpError
	require.ErrorAs(t, err, &op)
	_, err = plainDial(t, Options{})(unixAddress(t, socketPath(t)))
	require.ErrorIs(t, err, syscall.ENOENT)
}

func TestWhatThereIsNot(t *testing.T) {
	for _, a := range []Address{{}, address(t, "npipe://elsewhere/pipe/name")} {
		if a.Scheme() == NPipe && runtime.GOOS == "windows" {
			_, err := Listen(t.Context(), a, nil, Options{}) // there are none on another machine
			require.ErrorIs(t, err, errors.ErrUnsupported)
			continue
		}
		_, err := Dial(t.Context(), a, nil, Options{})
		require.ErrorIs(t, err, errors.ErrUnsupported)
		_, err = Listen(t.Context(), a, nil, Options{})
		require.ErrorIs(t, err, errors.ErrUnsupported)
	}
	_, err := Dial(t.Context(), address(t, "127.0.0.1:0"), nil, Options{})
	require.ErrorContains(t, err, "port 0")
	long := unixAddress(t, "/"+longName)
	_, err = Dial(t.Context(), long, nil, Options{})
	require.ErrorContains(t, err, "at most")
	_, err = Listen(t.Context(), long, nil, Options{})
	require.ErrorContains(t, err, "at most")
}

// longName is longer than any sun_path.
const longName = "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789" + "0123456789"

func TestADoneContextWins(t *testing.T) {
	l := listen(t, "tcp://127.0.0.1:0", nil, Options{})
	a, _ := ListenerAddress(l)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Dial(ctx, a, nil, Options{})
	require.ErrorIs(t, err, context.Canceled)
	_, err = Listen(ctx, address(t, "127.0.0.1:0"), nil, Options{})
	require.ErrorIs(t, err, context.Canceled)
}
