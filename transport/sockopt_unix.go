//go:build unix

package transport

import "syscall"

// refused is that nobody listens.
const refused = syscall.ECONNREFUSED

// maxPath is the longest path of a unix socket: sun_path less its NUL.
const maxPath = len(syscall.RawSockaddrUnix{}.Path) - 1

func setReadBuffer(fd uintptr, bytes int) error {
	return syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, bytes)
}

func setWriteBuffer(fd uintptr, bytes int) error {
	return syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, bytes)
}

func setBacklog(fd uintptr, n int) error { return syscall.Listen(int(fd), n) }

func filePath(path string) string { return path }

func slashPath(path string) string { return path }
