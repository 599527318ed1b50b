package peer

import (
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

func setCongestion(fd uintptr, name string) error {
	return unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, name)
}

// Congestions are the names of the congestion controls of the TCP connections that
// this process has, each once.
func Congestions() []string {
	var names []string
	eachTCP(func(fd int) {
		if listens, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || listens != 0 {
			return
		}
		if name, err := unix.GetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION); err == nil && !slices.Contains(names, name) {
			names = append(names, name)
		}
	})
	slices.Sort(names)
	return names
}

// eachTCP calls f with each TCP socket of this process.
func eachTCP(f func(fd int)) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if p, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL); err == nil && p == unix.IPPROTO_TCP {
			f(fd)
		}
	}
}

// forceCongestion sets the congestion control of all TCP sockets of this process, for
// peers that make their own. Connections that a listener accepts afterwards inherit
// it; one that is connected already changes over, but goes on being paced if it was.
func forceCongestion(name string) {
	if name == "" {
		return
	}
	eachTCP(func(fd int) { _ = unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, name) })
}
