package transport

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const (
	lockWait = 5 * time.Second       // for the directory of a socket
	lockPoll = 10 * time.Millisecond // between two tries
)

// checkPath says clearly what the kernel would call an invalid argument.
func checkPath(path string) error {
	if len(path) > maxPath {
		return fmt.Errorf("the path has %d bytes, and a unix socket's at most %d here", len(path), maxPath)
	}
	return nil
}

// unixListener removes its file when it is closed, unless another socket has
// taken its place since.
type unixListener struct {
	*net.UnixListener
	path string
	file fs.FileInfo // of our socket
	once sync.Once
}

// Addr is the path that was asked for, also where the socket was bound under
// another.
func (l *unixListener) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: "unix"} }

// Close removes the file first: afterwards the path could be a successor's.
func (l *unixListener) Close() error {
	l.once.Do(func() {
		if same(l.path, l.file) {
			_ = os.Remove(l.path) // gone already, or in a directory that is not ours any more
		}
	})
	return l.UnixListener.Close()
}

// same tells whether path still is that file. The time guards against a number
// of an inode that serves again.
func same(path string, file fs.FileInfo) bool {
	now, err := os.Lstat(path)
	return err == nil && os.SameFile(now, file) && now.ModTime().Equal(file.ModTime())
}

func listenUnix(ctx context.Context, a Address, o Options) (net.Listener, error) {
	path := a.Path()
	if err := checkPath(path); err != nil {
		return nil, failed("listen", a, err)
	}
	// Between its bind and its listen another server's socket looks like one
	// that nobody answers on; the lock keeps two of us from that.
	unlock, err := lock(ctx, filepath.Dir(path))
	if err != nil {
		return nil, failed("listen", a, err)
	}
	defer unlock()
	if err := removeStale(ctx, path); err != nil {
		return nil, failed("listen", a, err)
	}
	var l *unixListener
	if o.UnixMode != 0 {
		l, err = bindWithMode(ctx, path, o)
	} else {
		l, err = bind(ctx, path, o, nil)
	}
	if err != nil {
		return nil, err // and no nil listener in an interface
	}
	return l, nil
}

// bind makes the socket at path and listens; prepare, if any, gets the
// descriptor before it is bound.
func bind(ctx context.Context, path string, o Options, prepare func(fd uintptr) error) (*unixListener, error) {
	lc := listenConfig(o, false)
	if prepare != nil {
		options := lc.Control
		lc.Control = func(network, address string, raw syscall.RawConn) error {
			if err := options(network, address, raw); err != nil {
				return err
			}
			return rawControl(raw, prepare)
		}
	}
	listener, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	l, ok := listener.(*net.UnixListener)
	if !ok {
		return nil, errors.Join(fmt.Errorf("listen unix %s: got a %T", path, listener), listener.Close())
	}
	file, err := os.Lstat(path)
	if err == nil {
		_ = os.SameFile(file, file) // Windows reads the file's number only now
		err = backlog(l, o)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	l.SetUnlinkOnClose(false)
	return &unixListener{UnixListener: l, path: path, file: file}, nil
}

// removeStale removes a socket file on which nobody answers. Anything else
// that stands at path is an error, and stays.
func removeStale(ctx context.Context, path string) error {
	file, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case file.Mode()&fs.ModeSocket == 0:
		return fmt.Errorf("a file that is no socket stands there: %w", syscall.EADDRINUSE)
	}
	_ = os.SameFile(file, file) // Windows reads the file's number only now
	c, err := new(net.Dialer).DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		_ = c.Close() // it has shown what it was for
		return fmt.Errorf("somebody answers on the socket that stands there: %w", syscall.EADDRINUSE)
	case ctx.Err() != nil:
		return err
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case !errors.Is(err, refused) || !same(path, file): // its queue is full, we may not connect, it is of another kind …
		return fmt.Errorf("a socket stands there: %w: %w", syscall.EADDRINUSE, err)
	}
	return os.Remove(path)
}

// lock takes the lock of a directory, which holds off other processes that
// make a socket in it by this package, and leaves no file behind. A directory
// that cannot be locked (it is missing, may be written but not read, or its
// file system has no locks) goes without.
func lock(ctx context.Context, dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return func() {}, nil // bind says it better
	}
	patience := time.NewTimer(lockWait)
	defer patience.Stop()
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	for {
		got, retry := tryLock(d)
		if got || !retry {
			return func() { _ = d.Close() }, nil // which unlocks
		}
		select {
		case <-tick.C:
		case <-patience.C:
			return nil, errors.Join(fmt.Errorf("directory %s: locked by another process for %v", dir, lockWait), d.Close())
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), d.Close())
		}
	}
}
