package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCommands(t *testing.T) {
	var r rate
	r.set(20)
	free := true
	cs := &commands{rate: &r, live: true, claim: func() bool { was := free; free = false; return was }}
	for _, test := range []struct{ ask, want string }{
		{"*IDN?", identity},
		{" *idn?\n", identity},
		{"RATE?", "20"},
		{"RATE 50", "RATE 50"},
		{"rate?", "50"},
		{"RATE 0", failed + `RATE wants more than 0 and at most 100000 Hz, not "0"`},
		{"RATE", failed + `RATE wants more than 0 and at most 100000 Hz, not ""`},
		{"RATE NaN", failed + `RATE wants more than 0 and at most 100000 Hz, not "NaN"`},
		{"TRG", failed + `"TRG" is no command; there are *IDN?, RATE?, RATE <Hz> and STREAM`},
		{"STREAM", "OK"},
		{"STREAM", failed + "the stream of this run is taken by another workstation, or was asked for twice"},
	} {
		assert.Equal(t, test.want, cs.answer(test.ask), test.ask)
	}
	assert.True(t, cs.asked)
	assert.InDelta(t, 50, r.get(), 0)
	cs.live = false
	assert.Equal(t, failed+"a file has no rate", cs.answer("RATE 5"))
}
