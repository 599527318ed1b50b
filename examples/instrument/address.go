package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
)

// split gives the network and the address that the net package wants for a URL;
// what runs over tls is bytes over tcp to a proxy.
func split(url string) (network, address string) {
	scheme, rest, ok := strings.Cut(url, "://")
	switch {
	case !ok:
		return "tcp", url
	case scheme == "unix":
		return "unix", rest
	}
	return "tcp", rest
}

// hostOf is the host in a URL, or "".
func hostOf(url string) string {
	network, address := split(url)
	host, _, err := net.SplitHostPort(address)
	if err != nil || network != "tcp" {
		return ""
	}
	return host
}

// private makes a URL of the same scheme that only this machine reaches: a free
// port, or a unix socket in a folder of its own, which remove takes away.
func private(url string) (made string, remove func() error, err error) {
	scheme, _, _ := strings.Cut(url, "://")
	if scheme != "unix" {
		return scheme + "://127.0.0.1:0", func() error { return nil }, nil
	}
	folder, err := os.MkdirTemp("", "instrument")
	if err != nil {
		return "", nil, err
	}
	return "unix://" + filepath.Join(folder, "s"), func() error { return os.RemoveAll(folder) }, nil
}
