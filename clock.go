package serpy

import "time"

// A clock gives the time as time.Now does, and mostly at a third of the cost: it reads
// both of the system's clocks only now and then, and goes on from there by the monotonic
// one alone. So the wall clock may be wrong for clockAge after it was set. One goroutine
// at a time.
type clock struct{ read time.Time }

// clockAge is after how long both clocks are read again.
const clockAge = 20 * time.Millisecond

func (c *clock) now() time.Time {
	age := time.Since(c.read)
	if age < 0 || age > clockAge || c.read.IsZero() {
		c.read = time.Now()
		return c.read
	}
	return c.read.Add(age)
}
