package serpy

import "time"

// A moment is a time in a third of the memory, for what each connection has: it counts
// from beginning. 0: none.
type moment time.Duration

// beginning is what all moments count from.
var beginning = time.Now()

func momentOf(t time.Time) moment { return moment(t.Sub(beginning)) }

// ago is for how long m has passed; nothing if it never was.
func (m moment) ago() time.Duration {
	if m == 0 {
		return 0
	}
	return time.Since(beginning) - time.Duration(m)
}
