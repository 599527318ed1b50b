package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
)

func TestFlagDefaults(t *testing.T) {
	cfg, err := parseFlags(nil, &bytes.Buffer{})
	require.NoError(t, err)
	assert.Equal(t, config{
		role: roleBoth, address: "tcp://127.0.0.1:0", source: "host", rate: 20, size: 64 << 10, duration: 5 * time.Second,
	}, cfg)
}

func TestFlagsSay(t *testing.T) {
	recording := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(recording, []byte("x"), 0o600))
	for _, test := range []struct {
		name string
		args []string
		want func(config) bool
	}{
		{"camera has a rate of its own", []string{"-source", "camera"}, func(c config) bool { return c.rate == 30 && c.duration == 5*time.Second }},
		{"a rate wins", []string{"-source", "camera", "-rate", "7.5"}, func(c config) bool { return c.rate == 7.5 }},
		{"a file has no duration", []string{"-source", "file:" + recording}, func(c config) bool { return c.file == recording && c.source == "file" && c.duration == 0 }},
		{"one role has none", []string{"-role", "instrument"}, func(c config) bool { return c.duration == 0 && c.address == meetingPoint }},
		{"modes", []string{"-mode", "acked-base85"}, func(c config) bool { return c.mode == serpy.Base85Acked }},
		{"dropping makes queues short", []string{"-policy", "keep-latest"}, func(c config) bool { return c.policy == serpy.KeepLatest && c.queue == 4 }},
		{"slowness does", []string{"-slow", "1ms"}, func(c config) bool { return c.queue == 4 }},
		{"a queue wins", []string{"-slow", "1ms", "-queue", "9"}, func(c config) bool { return c.queue == 9 }},
		{"sizes with units", []string{"-size", "1MiB"}, func(c config) bool { return c.size == 1<<20 }},
		{"a bare address is tcp", []string{"-addr", "lab1:7070"}, func(c config) bool { return c.address == "tcp://lab1:7070" }},
		{"asking here", []string{"-ask", "*IDN?"}, func(c config) bool { return c.askHere }},
		{"asking there", []string{"-ask", "*IDN?", "-addr", "lab1:7070"}, func(c config) bool { return !c.askHere && c.role == roleWorkstation }},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg, err := parseFlags(test.args, &bytes.Buffer{})
			require.NoError(t, err)
			assert.True(t, test.want(cfg), "%+v", cfg)
		})
	}
}

// Every error names its flag, and what to do.
func TestFlagErrors(t *testing.T) {
	recording := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(recording, []byte("x"), 0o600))
	for _, test := range []struct{ args, want []string }{
		{[]string{"-role", "server"}, []string{"-role", "choose both, instrument or workstation"}},
		{[]string{"-addr", "lab1"}, []string{"-addr", "a port is missing"}},
		{[]string{"-addr", "http://lab1:1"}, []string{"-addr", "starts with tcp://, tls:// or unix://"}},
		{[]string{"-addr", "unix://"}, []string{"-addr", "a path is missing"}},
		{[]string{"-source", "scope"}, []string{"-source", "choose host, camera or file:PATH"}},
		{[]string{"-source", "file:"}, []string{"-source", "the path is missing"}},
		{[]string{"-source", "file:" + recording + ".none"}, []string{"-source", "no such file"}},
		{[]string{"-source", "file:" + filepath.Dir(recording)}, []string{"-source", "folder"}},
		{[]string{"-source", "file:" + recording, "-rate", "5"}, []string{"-rate", "leave it away"}},
		{[]string{"-source", "file:" + recording, "-out", recording}, []string{"-out", "name another"}},
		{[]string{"-role", "instrument", "-out", "g"}, []string{"-out", "workstation"}},
		{[]string{"-mode", "fast"}, []string{"-mode", "choose plain"}},
		{[]string{"-policy", "drop"}, []string{"-policy", "choose block"}},
		{[]string{"-size", "0"}, []string{"-size", "give 1 byte to 16 MiB"}},
		{[]string{"-size", "17MiB"}, []string{"-size", "16 MiB"}},
		{[]string{"-size", "-1"}, []string{"-size"}},
		{[]string{"-rate", "0"}, []string{"-rate", "more than 0"}},
		{[]string{"-rate", "NaN"}, []string{"-rate"}},
		{[]string{"-queue", "0"}, []string{"-queue", "1 message or more"}},
		{[]string{"-duration", "-1s"}, []string{"-duration", "above 0"}},
		{[]string{"-cut", "1us"}, []string{"-cut", "1ms or more"}},
		{[]string{"-cut", "soon"}, []string{"-cut", "see -help"}},
		{[]string{"-ask", ""}, []string{"-ask", "say what"}},
		{[]string{"-ask", "*IDN?", "-role", "instrument"}, []string{"-ask", "-role"}},
		{[]string{"-insecure"}, []string{"-insecure", "tls://"}},
		{[]string{"-addr", "tls://:0", "-insecure"}, []string{"-insecure", "two processes"}},
		{[]string{"-addr", "tls://:1", "-role", "instrument", "-insecure"}, []string{"-insecure", "workstation"}},
		{[]string{"-addr", "tls://:1", "-role", "instrument", "-cert", "c"}, []string{"-cert", "-key", "together"}},
		{[]string{"5s"}, []string{"5s", "-help"}},
		{[]string{"-fast"}, []string{"-fast", "-help"}},
	} {
		_, err := parseFlags(test.args, &bytes.Buffer{})
		require.Error(t, err, "%v", test.args)
		for _, want := range test.want {
			assert.ErrorContains(t, err, want, "%v", test.args)
		}
	}
}

func TestHelpNamesEveryFlag(t *testing.T) {
	var out bytes.Buffer
	_, err := parseFlags([]string{"-help"}, &out)
	require.ErrorIs(t, err, flag.ErrHelp)
	for _, name := range []string{
		"role", "addr", "source", "out", "mode", "policy", "duration", "rate", "cut", "json", "size", "slow", "ask",
		"cert", "key", "ca", "insecure", "queue", "v",
	} {
		assert.Contains(t, out.String(), "  -"+name)
	}
}
