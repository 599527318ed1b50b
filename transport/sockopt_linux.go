package transport

import "syscall"

// tcpNotSentLowat is TCP_NOTSENT_LOWAT of linux/tcp.h, which package syscall
// does not name.
const tcpNotSentLowat = 25

func setNotSentLowat(fd uintptr, bytes int) error {
	if err := syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotSentLowat, bytes); err != nil {
		return &OptionError{"NotSentLowat", bytes, err}
	}
	return nil
}

func setCongestion(fd uintptr, name string) error {
	return syscall.SetsockoptString(int(fd), syscall.IPPROTO_TCP, syscall.TCP_CONGESTION, name)
}
