//go:build linux && race

package integration

// raced says that the race detector watches, whose own memory is many times that of
// what it watches.
const raced = true
