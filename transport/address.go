package transport

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Scheme says which transport an address is of.
type Scheme string

// The transports. The zero Scheme is that of the zero Address, which is not
// an address that can be dialled.
const (
	TCP   Scheme = "tcp"   // tcp://host:port
	TLS   Scheme = "tls"   // tls://host:port: TLS 1.3 over TCP
	Unix  Scheme = "unix"  // unix:///path: a stream socket in the file system
	NPipe Scheme = "npipe" // npipe://./pipe/name: a named pipe of Windows
)

// accepted ends every error of Parse, so that whoever mistyped an address sees
// what would have been right.
const accepted = "want host:port, tcp://host:port, tls://host:port, unix:///path or npipe://./pipe/name"

// Address is where to dial or to listen. It is a value: comparable, and safe
// to copy. Parse makes one.
type Address struct {
	scheme Scheme
	host   string // TCP, TLS: name or IP without brackets, "" for the local system; NPipe: the server
	port   uint16 // TCP, TLS
	path   string // Unix: absolute; NPipe: the name behind pipe/
}

// AddressError is an address that Parse does not understand.
type AddressError struct {
	Address string // as it was given
	Reason  string // what is wrong with it
}

// Error says what is wrong, and what is accepted.
func (e *AddressError) Error() string {
	return fmt.Sprintf("address %q: %s; %s", e.Address, e.Reason, accepted)
}

// Parse reads an address:
//
//	tcp://host:port         TCP
//	host:port               the same
//	tls://host:port         TLS 1.3 over TCP
//	unix:///path            a unix socket; the path is absolute
//	npipe://./pipe/name     a named pipe of Windows
//
// A host is a name, an IPv4 address or an IPv6 address in brackets, with a
// zone if need be ([fe80::1%eth0]:8000). Without one (:8000) it is every
// interface for Listen and this machine for Dial. A port is a number from 0 to
// 65535; 0 lets Listen choose.
//
// Nothing is unescaped: a percent sign, a space or a question mark in a path
// stands for itself. The error is an *AddressError.
func Parse(s string) (Address, error) {
	a, err := parse(s)
	if err != nil {
		return Address{}, &AddressError{Address: s, Reason: err.Error()}
	}
	return a, nil
}

func parse(s string) (Address, error) {
	name, rest, found := strings.Cut(s, "://")
	if !found {
		return parseHostPort(TCP, s)
	}
	switch scheme := Scheme(strings.ToLower(name)); scheme {
	case TCP, TLS:
		return parseHostPort(scheme, rest)
	case Unix:
		return parseUnix(rest)
	case NPipe:
		return parseNPipe(rest)
	default:
		return Address{}, fmt.Errorf("no such scheme: %q", name)
	}
}

func parseHostPort(scheme Scheme, s string) (Address, error) {
	switch {
	case s == "":
		return Address{}, errors.New("no host and no port")
	case strings.ContainsAny(s, `/\`):
		return Address{}, errors.New("a path has no place here")
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		if reason, ok := errors.AsType[*net.AddrError](err); ok {
			return Address{}, errors.New(reason.Err)
		}
		return Address{}, err
	}
	if err := checkHost(host); err != nil {
		return Address{}, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return Address{}, fmt.Errorf("port %q is not a number from 0 to 65535", port)
	}
	return Address{scheme: scheme, host: host, port: uint16(n)}, nil
}

func checkHost(host string) error {
	if strings.ContainsRune(host, ':') {
		if _, err := netip.ParseAddr(host); err != nil {
			return fmt.Errorf("%q is not an IPv6 address", host)
		}
		return nil
	}
	if !utf8.ValidString(host) {
		return fmt.Errorf("host %q is not UTF-8", host)
	}
	for _, r := range host {
		if unicode.IsSpace(r) || !unicode.IsPrint(r) || strings.ContainsRune(`"#%<>?@[]^{|}`+"`", r) {
			return fmt.Errorf("host %q holds %q", host, r)
		}
	}
	return nil
}

func parseUnix(path string) (Address, error) {
	switch {
	case !strings.HasPrefix(path, "/"):
		return Address{}, errors.New("the path of a unix socket starts with a slash, which makes three of them: unix:///run/my.sock")
	case strings.HasSuffix(path, "/"):
		return Address{}, errors.New("the path of a unix socket names a file, not a directory")
	case strings.ContainsRune(path, 0):
		return Address{}, errors.New("a path holds no NUL")
	}
	return Address{scheme: Unix, path: path}, nil
}

func parseNPipe(s string) (Address, error) {
	server, rest, _ := strings.Cut(s, "/")
	name, found := strings.CutPrefix(rest, "pipe/")
	switch {
	case server == "" || strings.ContainsRune(server, ':') || !found || name == "":
		return Address{}, errors.New("a named pipe is npipe://./pipe/name, with the name of a machine in place of the dot if need be")
	case strings.ContainsAny(s, "\\\x00"):
		return Address{}, errors.New("the name of a pipe holds no backslash and no NUL")
	case len(name) > 200:
		return Address{}, errors.New("the name of a pipe has at most 200 bytes")
	}
	if err := checkHost(server); err != nil {
		return Address{}, err
	}
	return Address{scheme: NPipe, host: server, path: name}, nil
}

// Scheme says which transport a is of; "" for the zero Address.
func (a Address) Scheme() Scheme { return a.scheme }

// Host is the host of a TCP or TLS address, without brackets, "" where none
// was given; for a named pipe the machine, "." being this one; else "".
func (a Address) Host() string { return a.host }

// Port is the port of a TCP or TLS address, and else 0.
func (a Address) Port() uint16 { return a.port }

// Path is the file of a unix socket as this system names it, the name of a
// named pipe behind pipe/, and else "".
func (a Address) Path() string {
	if a.scheme == Unix {
		return filePath(a.path)
	}
	return a.path
}

// String gives the address in the form that Parse takes, always with its
// scheme; "" for the zero Address.
func (a Address) String() string {
	switch a.scheme {
	case TCP, TLS:
		return string(a.scheme) + "://" + a.hostPort()
	case Unix:
		return "unix://" + a.path
	case NPipe:
		return "npipe://" + a.host + "/pipe/" + a.path
	default:
		return ""
	}
}

func (a Address) hostPort() string {
	return net.JoinHostPort(a.host, strconv.FormatUint(uint64(a.port), 10))
}
