//go:build !linux

package main

import (
	"errors"
	"os/exec"
	"runtime"
	"time"
)

func processTime() time.Duration { return 0 }

func othersTime() time.Duration { return 0 }

func resident() int64 { return 0 }

func raiseFiles() {}

func cpus() []int { return nil }

func startOn(cmd *exec.Cmd, cpu int) error {
	if cpu >= 0 {
		return errors.New("pinned to a CPU on Linux only")
	}
	return cmd.Start()
}

func systemCongestion() string { return "" }

func availableCongestion() []string { return nil }

func kernel() string { return runtime.GOOS }
