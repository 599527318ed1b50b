//go:build !unix

package serpy

import "net"

// A rawReader would wait for a socket without memory to read into; here nothing does.
type rawReader struct{ rest bool }

func newRawReader(net.Conn) *rawReader { return nil }

func (*rawReader) read(*readBuffer, *spinner) (int, error) { return 0, nil }
