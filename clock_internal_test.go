package serpy

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A clock says what time.Now says, however long it was not asked.
func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c clock
		for _, pause := range []time.Duration{0, 1, clockAge, clockAge + 1, time.Hour, clockAge / 2, clockAge / 2, clockAge / 2} {
			time.Sleep(pause) //nolint:forbidigo // in a synctest bubble
			require.True(t, time.Now().Equal(c.now()), "after %v", pause)
			require.Zero(t, time.Since(c.now()))
		}
	})
}
