//go:build !linux && !darwin

package transport

import "errors"

func setNotSentLowat(uintptr, int) error { return errors.ErrUnsupported }

func setCongestion(uintptr, string) error { return errors.ErrUnsupported }
