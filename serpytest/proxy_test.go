package serpytest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/serpytest"
)

// echoServer echoes on a real listener until the test ends.
func echoServer(t *testing.T, network, address string) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), network, address)
	require.NoError(t, err)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				assert.ErrorIs(t, err, net.ErrClosed)
				return
			}
			wg.Go(func() {
				_, _ = io.Copy(c, c)
				assert.NoError(t, c.Close())
			})
		}
	})
	t.Cleanup(func() {
		assert.NoError(t, l.Close())
		wg.Wait()
	})
	return l.Addr().String()
}

// newProxy is NewProxy for the life of a test.
func newProxy(t *testing.T, network, target string, o *serpytest.ProxyOptions) *serpytest.Proxy {
	t.Helper()
	p, err := serpytest.NewProxy(network, target, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

func dial(t *testing.T, network, address string) net.Conn {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), network, address)
	require.NoError(t, err)
	require.NoError(t, c.SetDeadline(time.Now().Add(time.Minute)))
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// flood writes and reads until the connection breaks, and returns how much
// came back, which it holds to be what was sent.
func flood(t *testing.T, c net.Conn) int {
	t.Helper()
	block := bytes.Repeat([]byte("0123456789"), 1000)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			if _, err := c.Write(block); err != nil {
				return
			}
		}
	})
	buf := make([]byte, len(block))
	total := 0
	for {
		n, err := c.Read(buf)
		for i, b := range buf[:n] {
			if b != byte('0'+(total+i)%10) {
				require.Fail(t, "corrupted", "at %d", total+i)
			}
		}
		total += n
		if err != nil {
			var ne net.Error
			require.False(t, errors.As(err, &ne) && ne.Timeout(), "was not cut")
			break
		}
	}
	require.NoError(t, c.Close())
	wg.Wait()
	return total
}

func TestProxyCut(t *testing.T) {
	p := newProxy(t, "tcp", echoServer(t, "tcp", "127.0.0.1:0"), nil)
	one, two := dial(t, "tcp", p.Addr()), dial(t, "tcp", p.Addr())
	for _, c := range []net.Conn{one, two} {
		write(t, c, "hello")
		read(t, c, "hello")
	}
	require.Len(t, p.Links(), 2)
	require.Equal(t, 2, p.Cut())
	for _, c := range []net.Conn{one, two} {
		_, err := c.Read(make([]byte, 1))
		isReset(t, err)
	}
	require.Eventually(t, func() bool { return len(p.Links()) == 0 }, time.Minute, time.Millisecond)

	p.Refuse(true)
	refused, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", p.Addr())
	if err == nil { // The reset comes amid the connecting, or after.
		_, err = refused.Read(make([]byte, 1))
		require.NoError(t, refused.Close())
	}
	isReset(t, err)
	p.Refuse(false)

	p.SetLink(serpytest.Link{Latency: 10 * time.Millisecond})
	three := dial(t, "tcp", p.Addr())
	start := time.Now()
	write(t, three, "slow")
	read(t, three, "slow")
	require.GreaterOrEqual(t, time.Since(start), 20*time.Millisecond)
	p.Links()[0].In().CutAfter(6)
	write(t, three, "link")
	got, _ := readAll(three)
	require.Equal(t, "li", got, "the faults of a Direction work in the middle, too")
	require.Equal(t, 3, p.Opened())
	require.Equal(t, 2, p.Cuts(), "those of its own")
	require.NoError(t, p.Close())
	require.NoError(t, p.Close())
}

func TestProxyCutsByCount(t *testing.T) {
	p := newProxy(t, "tcp", echoServer(t, "tcp", "127.0.0.1:0"), &serpytest.ProxyOptions{CutBytes: 100_000, Seed: 7})
	const rounds = 10
	for range rounds {
		require.Less(t, flood(t, dial(t, "tcp", p.Addr())), 200_000)
	}
	require.Eventually(t, func() bool { return p.Cuts() == rounds }, time.Minute, time.Millisecond)
	require.Equal(t, rounds, p.Opened())
}

func TestProxyCutsByTime(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	target := echoServer(t, "unix", socket)
	p := newProxy(t, "unix", target, &serpytest.ProxyOptions{CutEvery: 20 * time.Millisecond})
	require.Equal(t, socket+".proxy", p.Addr())
	for range 5 {
		start := time.Now()
		flood(t, dial(t, "unix", p.Addr()))
		require.GreaterOrEqual(t, time.Since(start), 9*time.Millisecond)
	}
	// One that says nothing is cut as well.
	_, err := dial(t, "unix", p.Addr()).Read(make([]byte, 1))
	require.Error(t, err)
	require.Eventually(t, func() bool { return p.Cuts() == 6 }, time.Minute, time.Millisecond)
	p.SetCuts(0, 0)
	c := dial(t, "unix", p.Addr())
	write(t, c, "alive")
	read(t, c, "alive")
}

func TestProxyWithoutTarget(t *testing.T) {
	_, err := serpytest.NewProxy("nonsense", "x", nil)
	require.ErrorContains(t, err, "serpytest: proxy: ")

	l := serpytest.Listen(serpytest.Link{})
	p := newProxy(t, "", "", &serpytest.ProxyOptions{
		Listener: l,
		Dial:     func(context.Context) (net.Conn, error) { return nil, errors.New("nobody there") },
	})
	require.Equal(t, l.Addr().String(), p.Addr())
	c, err := l.Dial(t.Context())
	require.NoError(t, err)
	_, err = c.Read(make([]byte, 1))
	isReset(t, err)
	require.Zero(t, p.Opened())
}
