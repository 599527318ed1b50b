//go:build linux && !race

package integration

const raced = false
