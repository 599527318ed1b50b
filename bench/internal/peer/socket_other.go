//go:build !linux

package peer

import "errors"

func setCongestion(uintptr, string) error { return errors.ErrUnsupported }

// Congestions are the names of the congestion controls of the TCP connections that
// this process has; unknown on this system.
func Congestions() []string { return nil }

func forceCongestion(string) {}
