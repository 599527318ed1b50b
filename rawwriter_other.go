//go:build !unix

package serpy

import "net"

// A rawWriter would write to a socket without waiting; here nothing does.
type rawWriter struct{}

func newRawWriter(net.Conn) *rawWriter { return nil }

func (*rawWriter) write([]byte) (int, error) { return 0, nil }
