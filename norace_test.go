//go:build !race

package serpy_test

const raceEnabled = false
