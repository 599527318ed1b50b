package main

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/serpy-go/serpy"
)

const (
	identity      = "SERPY,EXAMPLE INSTRUMENT,0,1"
	commandStream = "STREAM"
	streamBegins  = "OK"      // The answer to it.
	failed        = "ERROR: " // How an answer begins that is none.
)

// commands answers what one workstation asks, a line of text each.
type commands struct {
	rate  *rate
	live  bool
	claim func() bool   // May this workstation have the stream?
	begin chan struct{} // Told when it has asked for it; capacity 1.
	asked bool
}

// handle is for Connection.Handle, which calls it for one message after another.
func (cs *commands) handle(ctx context.Context, m serpy.Message) error {
	answer := serpy.TextMessage(cs.answer(m.String()))
	answer.Mode = serpy.Acked // Which no policy drops.
	if err := m.Reply(ctx, answer); err != nil {
		return err
	}
	if cs.asked { // Only now, so that the answer comes before the stream.
		cs.asked = false
		cs.begin <- struct{}{}
	}
	return nil
}

func (cs *commands) answer(line string) string {
	command, argument, _ := strings.Cut(strings.TrimSpace(line), " ")
	switch strings.ToUpper(command) {
	case "*IDN?":
		return identity
	case "RATE?":
		return strconv.FormatFloat(cs.rate.get(), 'g', -1, 64)
	case "RATE":
		return cs.setRate(strings.TrimSpace(argument))
	case commandStream:
		if !cs.claim() {
			return failed + "the stream of this run is taken by another workstation, or was asked for twice"
		}
		cs.asked = true
		return streamBegins
	}
	return failed + fmt.Sprintf("%q is no command; there are *IDN?, RATE?, RATE <Hz> and STREAM", command)
}

func (cs *commands) setRate(argument string) string {
	hertz, err := strconv.ParseFloat(argument, 64)
	switch {
	case !cs.live:
		return failed + "a file has no rate"
	case err != nil || math.IsNaN(hertz) || hertz <= 0 || hertz > maxRate:
		return failed + fmt.Sprintf("RATE wants more than 0 and at most %d Hz, not %q", maxRate, argument)
	}
	cs.rate.set(hertz)
	return "RATE " + strconv.FormatFloat(hertz, 'g', -1, 64)
}
