//go:build !linux && !darwin

package transport

import "errors"

func setNotSentLowat(_ uintptr, bytes int) error {
	return &OptionError{"NotSentLowat", bytes, errors.ErrUnsupported}
}

func setCongestion(uintptr, string) error { return errors.ErrUnsupported }
