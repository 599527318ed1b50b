package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestJSONHasTheseFields(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, (&report{}).print(&out, true))
	var fields map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &fields))
	assert.Equal(t, 1, strings.Count(out.String(), "\n"))
	want := []string{
		"sent", "received", "bytes", "seconds", "links", "resumed", "redelivered", "duplicates", "out_of_order",
		"gaps", "dropped", "lost", "p50_us", "p99_us", "sha256_sent", "sha256_received",
	}
	slices.Sort(want)
	assert.Equal(t, want, slices.Sorted(maps.Keys(fields)))
}

func TestTableSaysWhatBecameOfThem(t *testing.T) {
	rep := report{
		Received: 7, Bytes: 7 << 20, Seconds: 2, Links: 5, Resumed: 4, Gaps: 2, Dropped: 3, P50: 1500, P99: 20000,
		SHA256Received: strings.Repeat("ab", 32), started: true,
	}
	rep.fillEnd(totals{Sent: 10, SHA256: strings.Repeat("cd", 32)})
	require.NoError(t, rep.verdict())
	var out bytes.Buffer
	require.NoError(t, rep.print(&out, false))
	for _, want := range []string{
		"sent          10", "7.0 MiB in 2s, 3.5 MiB/s", "dropped       3   in 2 gaps", "4 of them resumed", "1.5ms", "20ms",
		"abababababababab received, cdcdcdcdcdcdcdcd sent",
	} {
		assert.Contains(t, out.String(), want)
	}
	assert.NotContains(t, out.String(), "stopped before")
}

func TestVerdict(t *testing.T) {
	whole := report{Received: 9, Dropped: 1, Gaps: 1}
	whole.fillEnd(totals{Sent: 10, SHA256: "a"})
	require.NoError(t, whole.verdict(), "dropping was asked for, and the bytes then differ")
	for name, rep := range map[string]report{
		"lost":       {Received: 8, Dropped: 1},
		"too many":   {Received: 10, Dropped: 1},
		"duplicates": {Received: 9, Dropped: 1, Duplicates: 1},
		"order":      {Received: 9, Dropped: 1, OutOfOrder: 1},
		"bytes":      {Received: 10, SHA256Received: "b"},
	} {
		rep.fillEnd(totals{Sent: 10, SHA256: "a"})
		assert.Error(t, rep.verdict(), name)
	}
}

func TestStoppedRunsSaySo(t *testing.T) {
	rep := report{Received: 3, started: true}
	rep.fillSent(report{Sent: 5, SHA256Sent: "a", started: true})
	assert.EqualValues(t, 2, rep.Lost)
	var out bytes.Buffer
	require.NoError(t, rep.print(&out, false))
	assert.Contains(t, out.String(), "stopped before the end")
}

func TestReportsAdd(t *testing.T) {
	var sum report
	sum.add(report{Sent: 3, Received: 2, Dropped: 1, P50: 7, ended: true})
	assert.True(t, sum.ended)
	sum.add(report{Sent: 5, Received: 4, Lost: 1, P50: 9})
	assert.Equal(t, report{Sent: 8, Received: 6, Dropped: 1, Lost: 1, P50: 9, started: true}, sum)
}
