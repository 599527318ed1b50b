//go:build !cgo || !linux

package peer

import "errors"

// libzmqLink is not there without cgo.
type libzmqLink struct{ link }

func libzmqVersion() string { return "" }

func newLibzmq(string, int) (*libzmqLink, error) { return nil, errors.ErrUnsupported }

func (*libzmqLink) bind() (string, error) { return "", errors.ErrUnsupported }

func (*libzmqLink) connect(string) error { return errors.ErrUnsupported }
