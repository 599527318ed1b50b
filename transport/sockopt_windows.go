package transport

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"syscall"
)

// refused is WSAECONNREFUSED: that nobody listens.
const refused = syscall.Errno(10061)

// maxPath is the longest path of a unix socket: sun_path less its NUL.
const maxPath = 107

func setReadBuffer(fd uintptr, bytes int) error {
	return syscall.SetsockoptInt(syscall.Handle(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, bytes)
}

func setWriteBuffer(fd uintptr, bytes int) error {
	return syscall.SetsockoptInt(syscall.Handle(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, bytes)
}

// A second listen(2) succeeds here and changes nothing.
func setBacklog(uintptr, int) error { return errors.ErrUnsupported }

// filePath takes the slash off /C:/dir/file.
func filePath(path string) string {
	if len(path) > 2 && path[2] == ':' {
		path = path[1:]
	}
	return filepath.FromSlash(path)
}

func slashPath(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return path
}

// bindWithMode: a socket file has an access control list here, which it
// inherits from its directory.
func bindWithMode(_ context.Context, _ string, o Options) (*unixListener, error) {
	return nil, &OptionError{"UnixMode", o.UnixMode, errors.ErrUnsupported}
}
