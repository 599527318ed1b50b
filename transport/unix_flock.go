//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package transport

import (
	"errors"
	"os"
	"syscall"
)

// tryLock locks an open file for this process, and says whether it has it, and
// whether it is worth another try.
func tryLock(f *os.File) (got, retry bool) {
	err := control(f, func(fd uintptr) error { return syscall.Flock(int(fd), syscall.LOCK_EX|syscall.LOCK_NB) })
	return err == nil, errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR)
}
