//go:build !linux

package serpy

// A restPlace is where a link rests; here none does.
type restPlace struct{}

// A rest would wait for links that were silent for long; here each has its goroutine.
type rest struct{}

const canRest = false

var resting rest

func (*rest) await(*link) bool { return false }

func (*rest) forget(*link) {}
