package main

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/serpy-go/serpy"
)

func TestTallyJudgesByNumbers(t *testing.T) {
	type message struct {
		id  uint64
		gap *serpy.Gap
	}
	gap := func(first, last, count uint64) *serpy.Gap { return &serpy.Gap{First: first, Last: last, Count: count} }
	for _, test := range []struct {
		name     string
		messages []message
		want     report
	}{
		{"in order", []message{{1, nil}, {2, nil}, {3, nil}}, report{Received: 3}},
		{"a number of an answer between", []message{{2, nil}, {3, nil}, {5, nil}}, report{Received: 3}},
		{"twice", []message{{1, nil}, {2, nil}, {2, nil}}, report{Received: 3, Duplicates: 1}},
		{"an old one twice", []message{{1, nil}, {2, nil}, {3, nil}, {1, nil}}, report{Received: 4, Duplicates: 1}},
		{"swapped", []message{{1, nil}, {3, nil}, {2, nil}}, report{Received: 3, OutOfOrder: 1}},
		{"late, then twice", []message{{1, nil}, {9, nil}, {5, nil}, {5, nil}, {4, nil}, {6, nil}}, report{Received: 6, OutOfOrder: 3, Duplicates: 1}},
		{"a gap at its place", []message{{1, nil}, {5, gap(2, 4, 3)}, {6, nil}}, report{Received: 3, Gaps: 1, Dropped: 3}},
		{"two gaps", []message{{4, gap(1, 3, 3)}, {6, gap(5, 5, 1)}}, report{Received: 2, Gaps: 2, Dropped: 4}},
		{"a gap over what came", []message{{1, nil}, {2, nil}, {5, gap(2, 4, 3)}}, report{Received: 3, Gaps: 1, Dropped: 3, OutOfOrder: 1}},
		{"a gap over what comes", []message{{1, nil}, {5, gap(2, 5, 4)}}, report{Received: 2, Gaps: 1, Dropped: 4, OutOfOrder: 1}},
		{"a dropped one comes after all", []message{{1, nil}, {5, gap(2, 4, 3)}, {3, nil}}, report{Received: 3, Gaps: 1, Dropped: 3, Duplicates: 1}},
		{"a session lost", []message{{7, nil}, {1, &serpy.Gap{Reason: serpy.LostWithSession, Count: 2}}}, report{Received: 2, Gaps: 1, Lost: 2}},
	} {
		t.Run(test.name, func(t *testing.T) {
			sum := newTally()
			for _, m := range test.messages {
				sum.add(serpy.Message{ID: m.id, Gap: m.gap}, time.Now())
			}
			got := sum.report()
			got.SHA256Received, got.started = "", false
			assert.Equal(t, test.want, got)
		})
	}
}

func TestTallyForgetsHolesBeyondItsBound(t *testing.T) {
	sum := newTally()
	for id := uint64(2); id <= 4*maxHoles; id += 2 {
		sum.add(serpy.Message{ID: id}, time.Now())
	}
	assert.Len(t, sum.holes, maxHoles)
	sum.add(serpy.Message{ID: 4*maxHoles - 1}, time.Now())
	assert.EqualValues(t, 1, sum.report().OutOfOrder)
}

func TestTallyMeasures(t *testing.T) {
	sum := newTally()
	now := time.Now()
	for i := range 100 {
		sum.add(serpy.Message{ID: uint64(i + 1), Data: []byte{byte(i)}, Time: now.Add(-time.Duration(i+1) * time.Millisecond), Redelivered: i == 7}, now)
	}
	sum.end(serpy.Message{ID: 103, Gap: &serpy.Gap{First: 101, Last: 102, Count: 2}})
	all := make([]byte, 100)
	for i := range all {
		all[i] = byte(i)
	}
	digest := sha256.Sum256(all)
	rep := sum.report()
	assert.InDelta(t, 50_000, rep.P50, 100)
	assert.InDelta(t, 99_000, rep.P99, 200)
	assert.EqualValues(t, 100, rep.Bytes)
	assert.EqualValues(t, 1, rep.Redelivered)
	assert.EqualValues(t, 2, rep.Dropped)
	assert.Equal(t, hex.EncodeToString(digest[:]), rep.SHA256Received)
}

func TestTallyTakesClocksThatDiffer(t *testing.T) {
	sum := newTally()
	now := time.Now()
	sum.add(serpy.Message{ID: 1, Time: now.Add(time.Hour)}, now)
	sum.add(serpy.Message{ID: 2, Time: now.Add(-100 * time.Hour)}, now)
	assert.Zero(t, sum.report().P50)
	assert.InEpsilon(t, time.Hour.Microseconds(), sum.report().P99, 0.01)
}
