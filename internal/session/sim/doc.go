// Package sim runs the session, its registry and the native codec against faults:
// a dialler and a listener talk over pipes that are cut at any byte, processes
// crash, applications sleep, links overtake each other and clocks jump, and an
// oracle that saw everything compares what each side believes with what happened.
//
// All of it is tests. A schedule is a string of bytes: the first ones make a world,
// the others are steps. Random runs, fuzzing and regressions share that one driver.
//
//	go test ./internal/session/sim                              10 million steps
//	SERPY_SIM_STEPS=1e9 go test -timeout 0 -run Random ./internal/session/sim
//	SERPY_SIM_SEED=7 go test -run Random ./internal/session/sim   other steps
//	go test -fuzz Schedule -fuzzminimizetime 1x ./internal/session/sim
//
// A failure prints its schedule, cut down; put it into testdata/schedules, where it
// is run for ever.
package sim
