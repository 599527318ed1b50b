package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func lowat() int { return 1 << 15 }

func modes() []fs.FileMode { return []fs.FileMode{0, 0o600} }

// option reads an option of a socket back from the kernel.
func option(t *testing.T, s syscall.Conn, level, name int) int {
	t.Helper()
	value := 0
	require.NoError(t, control(s, func(fd uintptr) (err error) {
		value, err = syscall.GetsockoptInt(int(fd), level, name)
		return err
	}))
	return value
}

// wide reads the first 32 bytes of an option, in numbers of 32 bits; package
// syscall has that under the name of another option only.
func wide(t *testing.T, s syscall.Conn, level, name int) [8]uint32 {
	t.Helper()
	var value [8]uint32
	require.NoError(t, control(s, func(fd uintptr) error {
		filter, err := syscall.GetsockoptICMPv6Filter(int(fd), level, name)
		if err == nil {
			value = filter.Data
		}
		return err
	}))
	return value
}

func congestion(t *testing.T, s syscall.Conn) string {
	t.Helper()
	var name []byte
	for _, word := range wide(t, s, syscall.IPPROTO_TCP, syscall.TCP_CONGESTION) {
		name = append(name, byte(word), byte(word>>8), byte(word>>16), byte(word>>24))
	}
	before, _, _ := strings.Cut(string(name), "\x00")
	return before
}

// backlogOf is the length of the queue of a listening TCP socket, which
// TCP_INFO has in the place of tcpi_sacked.
func backlogOf(t *testing.T, l net.Listener) int {
	t.Helper()
	return int(wide(t, l.(syscall.Conn), syscall.IPPROTO_TCP, syscall.TCP_INFO)[7])
}

func checkOptions(t *testing.T, c net.Conn, o Options) {
	t.Helper()
	s := inner(c).(syscall.Conn)
	const sol, tcp = syscall.SOL_SOCKET, syscall.IPPROTO_TCP
	assert.Equal(t, 2*o.ReadBuffer, option(t, s, sol, syscall.SO_RCVBUF), "the kernel doubles it")
	assert.Equal(t, 2*o.WriteBuffer, option(t, s, sol, syscall.SO_SNDBUF))
	if _, isTCP := s.(*net.TCPConn); !isTCP {
		return
	}
	noDelay, alive := 1, 1
	if o.Nagle {
		noDelay = 0
	}
	if o.KeepAlive < 0 {
		alive = 0
	}
	assert.Equal(t, noDelay, option(t, s, tcp, syscall.TCP_NODELAY))
	assert.Equal(t, alive, option(t, s, sol, syscall.SO_KEEPALIVE))
	if o.KeepAlive > 0 {
		assert.Equal(t, int(o.KeepAlive/time.Second), option(t, s, tcp, syscall.TCP_KEEPIDLE))
		assert.Equal(t, int(o.KeepAlive/time.Second), option(t, s, tcp, syscall.TCP_KEEPINTVL))
	}
	assert.Equal(t, o.NotSentLowat, option(t, s, tcp, tcpNotSentLowat))
	assert.Equal(t, o.Congestion, congestion(t, s))
}

// Every option reaches the kernel: of dialled, accepted and brought
// connections, and through TLS.
func TestOptionsReachTheKernel(t *testing.T) {
	for _, o := range []Options{
		{ReadBuffer: 20000, WriteBuffer: 30000, KeepAlive: 7 * time.Second, NotSentLowat: 12345, Congestion: "reno"},
		{ReadBuffer: 30000, WriteBuffer: 20000, KeepAlive: -1, NotSentLowat: 1, Congestion: "cubic", Nagle: true},
	} {
		for _, at := range []string{"tcp://127.0.0.1:0", "unix://" + socketPath(t)} {
			l := listen(t, at, nil, o)
			dialled, accepted := pair(t, l, plainDial(t, o))
			require.NoError(t, Tune(accepted, o))
			checkOptions(t, dialled, o)
			checkOptions(t, accepted, o)
			talk(t, dialled, accepted)

			l = listen(t, strings.Replace(at, "sock", "sock2", 1), nil, Options{})
			dialled, accepted = pair(t, l, plainDial(t, Options{}))
			require.NoError(t, Tune(tls.Client(dialled, &tls.Config{MinVersion: tls.VersionTLS13}), o))
			require.NoError(t, Tune(struct{ *tls.Conn }{tls.Server(accepted, nil)}, o))
			checkOptions(t, dialled, o)
			checkOptions(t, accepted, o)
		}
	}
}

// The buffers are the socket's before the connection is made, when TCP agrees
// on the scale of its window.
func TestBuffersAreSetEarly(t *testing.T) {
	o := Options{ReadBuffer: 20000, WriteBuffer: 30000, NotSentLowat: 4096, Congestion: "reno"}
	l := listen(t, "tcp://127.0.0.1:0", nil, o)
	s := l.(syscall.Conn)
	assert.Equal(t, 40000, option(t, s, syscall.SOL_SOCKET, syscall.SO_RCVBUF))
	assert.Equal(t, 60000, option(t, s, syscall.SOL_SOCKET, syscall.SO_SNDBUF))
	assert.Equal(t, syscall.IPPROTO_TCP, option(t, s, syscall.SOL_SOCKET, syscall.SO_PROTOCOL), "not MPTCP")
	_, accepted := pair(t, l, plainDial(t, o))
	assert.Equal(t, 40000, option(t, accepted.(syscall.Conn), syscall.SOL_SOCKET, syscall.SO_RCVBUF), "inherited")
}

func TestDefaults(t *testing.T) {
	l := listen(t, "tcp://127.0.0.1:0", nil, Options{})
	dialled, accepted := pair(t, l, plainDial(t, Options{}))
	require.NoError(t, accepted.(*net.TCPConn).SetNoDelay(false))
	require.NoError(t, accepted.(*net.TCPConn).SetKeepAlive(false))
	require.NoError(t, Tune(accepted, Options{}))
	for _, c := range []net.Conn{dialled, accepted} {
		s := c.(syscall.Conn)
		assert.Equal(t, 1, option(t, s, syscall.IPPROTO_TCP, syscall.TCP_NODELAY))
		assert.Equal(t, 1, option(t, s, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE))
		assert.Equal(t, 15, option(t, s, syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE))
		assert.Equal(t, 15, option(t, s, syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL))
		assert.Zero(t, option(t, s, syscall.IPPROTO_TCP, tcpNotSentLowat))
	}
}

func TestSetNotSentLowat(t *testing.T) {
	l := listen(t, "tcp://127.0.0.1:0", nil, Options{})
	c, _ := pair(t, l, plainDial(t, Options{NotSentLowat: 77}))
	s := c.(syscall.Conn)
	for _, bytes := range []int{1 << 15, 0} {
		require.NoError(t, SetNotSentLowat(tls.Client(c, nil), bytes))
		assert.Equal(t, bytes, option(t, s, syscall.IPPROTO_TCP, tcpNotSentLowat))
	}
	var wrong *OptionError
	require.ErrorAs(t, SetNotSentLowat(c, -1), &wrong)
	u := listen(t, "unix://"+socketPath(t), nil, Options{})
	c, _ = pair(t, u, plainDial(t, Options{}))
	require.ErrorIs(t, SetNotSentLowat(c, 1), errors.ErrUnsupported)
}

func TestUnknownCongestionControl(t *testing.T) {
	o := Options{Congestion: "nonesuch"}
	l := listen(t, "tcp://127.0.0.1:0", nil, Options{})
	a, _ := ListenerAddress(l)
	_, dialErr := Dial(bounded(t), a, nil, o)
	_, listenErr := Listen(bounded(t), address(t, ":0"), nil, o)
	c, _ := pair(t, l, plainDial(t, Options{}))
	for _, err := range []error{dialErr, listenErr, Tune(c, o)} {
		var wrong *OptionError
		require.ErrorAs(t, err, &wrong)
		assert.Equal(t, "Congestion", wrong.Field)
		assert.ErrorIs(t, err, syscall.ENOENT)
	}
}

func TestBacklog(t *testing.T) {
	for _, n := range []int{1, 5} {
		assert.Equal(t, n, backlogOf(t, listen(t, "tcp://127.0.0.1:0", nil, Options{Backlog: n})))
	}
	assert.Greater(t, backlogOf(t, listen(t, "tcp://127.0.0.1:0", nil, Options{})), 5)

	// A unix socket refuses at once what its queue does not take: one more
	// than asked for.
	l := listen(t, "unix://"+socketPath(t), nil, Options{Backlog: 1})
	a, _ := ListenerAddress(l)
	for range 2 {
		c, err := Dial(bounded(t), a, nil, Options{})
		require.NoError(t, err)
		closing(t, c)
	}
	_, err := Dial(bounded(t), a, nil, Options{})
	require.ErrorIs(t, err, syscall.EAGAIN)
	// And such a one is alive: it stays.
	_, err = Listen(bounded(t), a, nil, Options{})
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	_, err = l.Accept()
	require.NoError(t, err)
}

// full is a listener whose queue takes no connection more, so that a dial of
// it hangs. TCP_INFO has how many wait in the place of tcpi_unacked.
func full(t *testing.T) Address {
	t.Helper()
	l := listen(t, "tcp://127.0.0.1:0", nil, Options{Backlog: 1})
	a, _ := ListenerAddress(l)
	waiting := func() int { return int(wide(t, l.(syscall.Conn), syscall.IPPROTO_TCP, syscall.TCP_INFO)[6]) }
	for waiting() <= backlogOf(t, l) { // one more than asked for fits
		c, err := Dial(bounded(t), a, nil, Options{})
		require.NoError(t, err)
		closing(t, c)
	}
	return a
}

func TestDialEndsWithItsContext(t *testing.T) {
	a := full(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer time.AfterFunc(50*time.Millisecond, cancel).Stop()
	_, err := Dial(ctx, a, nil, Options{})
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, t.Context().Err())
}

// umask sets the umask for the length of the test.
func umask(t *testing.T, mask int) {
	t.Helper()
	before := syscall.Umask(mask)
	t.Cleanup(func() { syscall.Umask(before) })
}

func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	file, err := os.Lstat(path)
	require.NoError(t, err)
	require.NotZero(t, file.Mode()&fs.ModeSocket)
	return file.Mode().Perm()
}

func TestUnixMode(t *testing.T) {
	for _, mask := range []int{0, 0o022, 0o077, 0o777} {
		umask(t, mask)
		for _, want := range []fs.FileMode{0o600, 0o660, 0o666, 0o777, 0o200} {
			path := filepath.Join(socketDir(t), "s")
			stale(t, path)
			l := listen(t, "unix://"+path, nil, Options{UnixMode: want})
			assert.Equal(t, want, mode(t, path), "umask %o", mask)
			assert.Zero(t, l.(*unixListener).file.Mode().Perm()&^want, "never more than asked for, from the bind on")
			talk2(t, l)

			// As the other systems do it.
			require.NoError(t, l.Close())
			stale(t, path)
			aside, err := bindAside(bounded(t), path, Options{UnixMode: want})
			require.NoError(t, err)
			assert.Equal(t, want, mode(t, path), "umask %o", mask)
			assert.Equal(t, path, aside.Addr().String())
			talk2(t, aside)
			left, err := os.ReadDir(filepath.Dir(path))
			require.NoError(t, err)
			assert.Len(t, left, 1, "the directory aside is gone")
			require.NoError(t, aside.Close())
			require.NoFileExists(t, path)
		}
	}
}

func TestNoUnixModeIsTheUmask(t *testing.T) {
	umask(t, 0o027)
	path := socketPath(t)
	listen(t, "unix://"+path, nil, Options{})
	assert.Equal(t, fs.FileMode(0o750), mode(t, path))
}

func socketDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Dir(socketPath(t))
	require.NoError(t, os.Chmod(dir, 0o700)) // the umask was here first
	return dir
}

// A link in the place of the socket does not turn the permissions of what it
// points to, be it a socket; nor is a file taken for one.
func TestChmodFollowsNoLink(t *testing.T) {
	path := socketPath(t)
	file, socket := path+"2", path+"3"
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	listen(t, "unix://"+socket, nil, Options{UnixMode: 0o600})
	for _, target := range []string{file, socket} {
		require.NoError(t, os.Symlink(target, path))
		require.Error(t, chmodSocket(path, 0o666))
		require.NoError(t, os.Remove(path))
	}
	require.Error(t, chmodSocket(file, 0o666))
	for _, target := range []string{file, socket} {
		info, err := os.Stat(target)
		require.NoError(t, err)
		assert.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
	}
}

// A datagram socket of somebody's is none that nobody answers on.
func TestASocketOfAnotherKindStays(t *testing.T) {
	path := socketPath(t)
	d, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	closing(t, d)
	_, err = Listen(bounded(t), unixAddress(t, path), nil, Options{})
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.FileExists(t, path)
}
