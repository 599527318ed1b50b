//go:build !unix && !windows

package file

func isFull(error) bool { return false }
