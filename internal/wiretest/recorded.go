package wiretest

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/internal/transcript"
)

// A Recording is one connection of a recorded session.
type Recording struct {
	Name   string // of the session
	Events []transcript.Event
	Conn   int
}

// Recordings reads the recorded sessions of a directory.
func Recordings(tb testing.TB, dir string) (all []Recording) {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	require.NoError(tb, err)
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(tb, err)
		events, err := transcript.Parse(b)
		require.NoError(tb, err, file)
		name := strings.TrimSuffix(filepath.Base(file), ".jsonl")
		for i := range events {
			if events[i].Kind == "conn" {
				all = append(all, Recording{name, events, events[i].Conn})
			}
		}
	}
	return all
}

// A Direction is one of the two of a recorded connection.
type Direction struct {
	Recording
	Dir              string // c2s or s2c
	Sender, Receiver string // client or server
}

// Directions gives both.
func (r *Recording) Directions() [2]Direction {
	return [2]Direction{{*r, "c2s", "client", "server"}, {*r, "s2c", "server", "client"}}
}

// Directions gives those of the sessions of which a package keeps the recordings, so
// many connections.
func Directions(tb testing.TB, connections int) (all []Direction) {
	tb.Helper()
	recordings := Recordings(tb, filepath.Join("testdata", "recorded"))
	require.Equal(tb, connections, len(recordings)) //nolint:testifylint // Len prints all of it
	for i := range recordings {
		both := recordings[i].Directions()
		all = append(all, both[:]...)
	}
	return all
}

// String names it in the words of a failure.
func (d *Direction) String() string { return d.Name + " " + d.Dir }

// Other is the direction that this one answers.
func (d *Direction) Other() Direction {
	for _, o := range d.Directions() {
		if o.Dir != d.Dir {
			return o
		}
	}
	panic("no other direction")
}

// Sends is what the sending application said, but for what it was refused, and what
// still was queued when it closed.
func (d *Direction) Sends() (all []*transcript.Event) {
	for i := range d.Events {
		e := &d.Events[i]
		if e.Kind != "send" || e.Conn != d.Conn || e.Side != d.Sender || d.refused(i) {
			continue
		}
		if all = append(all, e); strings.HasSuffix(d.Name, "_close_right_after_send") {
			return all
		}
	}
	return all
}

// refused says that the application was told at once that its value cannot be sent.
func (d *Direction) refused(i int) bool {
	for _, e := range d.Events[i+1:] {
		if e.Kind == "sendret" && e.Conn == d.Conn && e.Side == d.Sender {
			return e.Error != ""
		}
	}
	return false
}

// Receives is what the receiving application got.
func (d *Direction) Receives() (all []*transcript.Event) {
	for i := range d.Events {
		if e := &d.Events[i]; e.Kind == "recv" && e.Conn == d.Conn && e.Side == d.Receiver {
			all = append(all, e)
		}
	}
	return all
}

// Stream gives the bytes of the direction. Of a large one only the size and the sum
// were recorded: anew makes it.
func (d *Direction) Stream(tb testing.TB, anew func() []byte) []byte {
	tb.Helper()
	b, size, sum, err := transcript.Stream(d.Events, d.Conn, d.Dir)
	require.NoError(tb, err)
	if sum == "" {
		return b
	}
	b = anew()
	got := sha256.Sum256(b)
	require.Equal(tb, size, len(b), d.String()) //nolint:testifylint // Len prints all of it
	require.Equal(tb, sum, hex.EncodeToString(got[:]), d.String())
	return b
}
