package transport

import (
	"errors"
	"path/filepath"
	"strings"
	"syscall"
)

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
