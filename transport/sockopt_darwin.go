package transport

import (
	"errors"
	"syscall"
)

// tcpNotSentLowat is TCP_NOTSENT_LOWAT of netinet/tcp.h, which package syscall
// does not name.
const tcpNotSentLowat = 0x201

func setNotSentLowat(fd uintptr, bytes int) error {
	return syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotSentLowat, bytes)
}

func setCongestion(uintptr, string) error { return errors.ErrUnsupported }
