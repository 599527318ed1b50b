//go:build unix && !solaris && !illumos && !aix

package file

import (
	"os"
	"syscall"
)

// lock keeps other processes from a partial, until it is closed, also by the end of this
// process.
func lock(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}
