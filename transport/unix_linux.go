package transport

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"syscall"
)

// oPath is O_PATH of linux/fcntl.h, which package syscall does not name.
const oPath = 0x200000

// bindWithMode binds a socket whose permissions are set before: Linux gives
// the file those of the descriptor, less the umask. What the umask took is
// given back afterwards, so that at no moment more may connect than asked for.
func bindWithMode(ctx context.Context, path string, o Options) (*unixListener, error) {
	mode := uint32(o.UnixMode.Perm())
	l, err := bind(ctx, path, o, func(fd uintptr) error {
		if err := syscall.Fchmod(int(fd), mode); err != nil {
			return &OptionError{"UnixMode", o.UnixMode, err}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if l.file.Mode().Perm() == o.UnixMode.Perm() {
		return l, nil
	}
	if err := chmodSocket(path, o.UnixMode); err != nil {
		return nil, errors.Join(&OptionError{"UnixMode", o.UnixMode, err}, l.Close())
	}
	return l, nil
}

// chmodSocket changes the permissions of a socket file, and never of what a
// link that somebody put in its place points to.
func chmodSocket(path string, mode fs.FileMode) error {
	fd, err := syscall.Open(path, oPath|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = syscall.Close(fd) }()
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&syscall.S_IFMT != syscall.S_IFSOCK {
		return syscall.ENOTSOCK
	}
	return os.Chmod("/proc/self/fd/"+strconv.Itoa(fd), mode)
}
