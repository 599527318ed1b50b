package transport

import (
	"errors"
	"fmt"
	"syscall"
)

// tcpNotSentLowat is TCP_NOTSENT_LOWAT of linux/tcp.h, which package syscall
// does not name.
const tcpNotSentLowat = 25

func setNotSentLowat(fd uintptr, bytes int) error {
	return syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotSentLowat, bytes)
}

func setCongestion(fd uintptr, name string) error {
	err := syscall.SetsockoptString(int(fd), syscall.IPPROTO_TCP, syscall.TCP_CONGESTION, name)
	if errors.Is(err, syscall.ENOENT) {
		return fmt.Errorf("the kernel does not have it: %w", err)
	}
	return err
}
