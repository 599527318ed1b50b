package main

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// recording writes a file of random bytes, the same in each run.
func recording(t *testing.T, size int) string {
	t.Helper()
	content := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(content)
	path := filepath.Join(t.TempDir(), "recording")
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}

// play runs the program in this process and gives its -json result.
func play(t *testing.T, args ...string) report {
	t.Helper()
	var stdout bytes.Buffer
	stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	require.NoError(t, err)
	defer stderr.Close()
	code := run(t.Context(), append(args, "-json"), &stdout, stderr)
	said, err := os.ReadFile(stderr.Name())
	require.NoError(t, err)
	require.Zero(t, code, "%s%s", said, stdout.String())
	return parse(t, stdout.Bytes())
}

func parse(t *testing.T, text []byte) report {
	t.Helper()
	var rep report
	require.NoError(t, json.Unmarshal(text, &rep), "%q", text)
	return rep
}

// whole holds rep and the files to "everything, once, in order".
func whole(t *testing.T, rep report, from, to string) {
	t.Helper()
	assert.Positive(t, rep.Sent)
	assert.Equal(t, rep.Sent, rep.Received)
	assert.Zero(t, rep.Lost, "lost")
	assert.Zero(t, rep.Duplicates, "duplicates")
	assert.Zero(t, rep.OutOfOrder, "out of order")
	assert.Zero(t, rep.Dropped, "dropped")
	assert.Zero(t, rep.Redelivered, "redelivered: no session was lost")
	assert.Equal(t, rep.SHA256Sent, rep.SHA256Received)
	assert.Equal(t, rep.Links-1, rep.Resumed, "each link but the first resumed")
	a, err := os.ReadFile(from)
	require.NoError(t, err)
	b, err := os.ReadFile(to)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(a, b), "the files are the same")
}

func TestRecordingOverALinkThatBreaks(t *testing.T) {
	from := recording(t, 32<<20+12345)
	to := filepath.Join(t.TempDir(), "out")
	rep := play(t, "-source", "file:"+from, "-out", to, "-mode", "acked", "-cut", "10ms")
	whole(t, rep, from, to)
	assert.Greater(t, rep.Links, 1)
}

// The modes differ in who is told, the addresses in who can listen: never in
// what arrives.
func TestEveryModeAndAddress(t *testing.T) {
	from := recording(t, 4<<20+7)
	for _, scheme := range []string{"tcp", "tls", "unix"} {
		for mode := range modes {
			t.Run(scheme+" "+mode, func(t *testing.T) {
				address := scheme + "://127.0.0.1:0"
				if scheme == "unix" {
					address = "unix://" + filepath.Join(t.TempDir(), "s")
				}
				to := filepath.Join(t.TempDir(), "out")
				cuts := []string{"-cut", "10ms"}
				if scheme == "tls" { // whose handshake needs more of a slow machine; the stream lasts for some cuts
					cuts = []string{"-cut", "100ms", "-slow", "2ms"}
				}
				rep := play(t, append(cuts, "-source", "file:"+from, "-out", to, "-addr", address, "-mode", mode, "-size", "10000")...)
				whole(t, rep, from, to)
			})
		}
	}
}

func TestEmptyRecording(t *testing.T) {
	from, to := recording(t, 0), filepath.Join(t.TempDir(), "out")
	rep := play(t, "-source", "file:"+from, "-out", to)
	assert.Zero(t, rep.Sent)
	assert.Equal(t, rep.SHA256Sent, rep.SHA256Received)
	assert.FileExists(t, to)
}

// A workstation that is too slow: what is dropped stands in gaps, at its place,
// and the sum is exact.
func TestDroppingIsCounted(t *testing.T) {
	from := recording(t, 8<<20)
	for _, policy := range []string{"drop-oldest", "keep-latest"} {
		t.Run(policy, func(t *testing.T) {
			rep := play(t, "-source", "file:"+from, "-size", "8KiB", "-policy", policy, "-slow", "1ms", "-cut", "50ms")
			assert.EqualValues(t, 1024, rep.Sent)
			assert.Equal(t, rep.Sent, rep.Received+rep.Dropped)
			assert.Positive(t, rep.Dropped)
			assert.Positive(t, rep.Gaps)
			assert.Positive(t, rep.Received)
			assert.Zero(t, rep.Lost)
			assert.Zero(t, rep.OutOfOrder, "each gap is where messages are missing")
			assert.Zero(t, rep.Duplicates)
		})
	}
}

func TestAckedMessagesAreNeverDropped(t *testing.T) {
	from, to := recording(t, 1<<20), filepath.Join(t.TempDir(), "out")
	rep := play(t, "-source", "file:"+from, "-out", to, "-size", "8KiB", "-mode", "acked", "-policy", "drop-oldest", "-slow", "1ms")
	whole(t, rep, from, to)
}

func TestLiveSources(t *testing.T) {
	for _, source := range []string{"host", "camera"} {
		t.Run(source, func(t *testing.T) {
			rep := play(t, "-source", source, "-rate", "100", "-duration", "1s")
			assert.Greater(t, rep.Sent, uint64(3))
			assert.Equal(t, rep.Sent, rep.Received)
			assert.Zero(t, rep.Lost)
			assert.Equal(t, 1, rep.Links)
			assert.Equal(t, rep.SHA256Sent, rep.SHA256Received)
			assert.LessOrEqual(t, rep.P50, rep.P99)
		})
	}
}

func TestTheTableEndsARunWithoutJSON(t *testing.T) {
	var stdout bytes.Buffer
	stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	require.NoError(t, err)
	defer stderr.Close()
	require.Zero(t, run(t.Context(), []string{"-duration", "100ms"}, &stdout, stderr))
	assert.Contains(t, stdout.String(), "sent and received")
}

// A script must not take a workstation that reached nobody for one that is content.
func TestAWorkstationThatReachesNobody(t *testing.T) {
	stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	require.NoError(t, err)
	defer stderr.Close()
	var stdout bytes.Buffer
	address := "unix://" + filepath.Join(t.TempDir(), "nobody")
	assert.Equal(t, 1, run(t.Context(), []string{"-role", "workstation", "-addr", address, "-duration", "50ms"}, &stdout, stderr))
	assert.Empty(t, stdout.String())
	told, err := os.ReadFile(stderr.Name())
	require.NoError(t, err)
	assert.Contains(t, string(told), "no stream from "+address)
}

func TestExitCodes(t *testing.T) {
	stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	require.NoError(t, err)
	defer stderr.Close()
	var stdout bytes.Buffer
	assert.Equal(t, 2, run(t.Context(), []string{"-mode", "?"}, &stdout, stderr))
	assert.Equal(t, 0, run(t.Context(), []string{"-help"}, &stdout, stderr))
	assert.Equal(t, 1, run(t.Context(), []string{"-out", filepath.Join(t.TempDir(), "no", "folder")}, &stdout, stderr))
	assert.Equal(t, 1, run(t.Context(), []string{"-addr", "tcp://192.0.2.1:1"}, &stdout, stderr))
	assert.Empty(t, stdout.String())
}
