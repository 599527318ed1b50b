package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/examples/internal/proctest"
)

func TestMain(m *testing.M) { proctest.Main(m, main) }

// chat starts a chat as a process.
func chat(t *testing.T, name string, args ...string) *proctest.Process {
	t.Helper()
	return proctest.Self(t, name, append([]string{"-name", name}, args...)...)
}

// room starts a room as a process, and gives its address.
func room(t *testing.T, address string) (*proctest.Process, string) {
	t.Helper()
	p := proctest.Other(t, "broadcast", "-addr", address)
	return p, p.Listens(t)
}

func TestFlags(t *testing.T) {
	for want, args := range map[string][]string{
		`-wire "line": choose`:  {"-wire", "line"},
		"-name: a name is":      {"-name", " "},
		"-name: a name has at":  {"-name", strings.Repeat("x", 65)},
		`"x" is too much`:       {"x"},
		"flag provided but not": {"-nope"},
	} {
		var out, errOut bytes.Buffer
		assert.Equal(t, 2, run(t.Context(), args, nil, &out, &errOut), args)
		assert.Contains(t, errOut.String(), want)
	}
	var errOut bytes.Buffer
	require.Zero(t, run(t.Context(), []string{"-help"}, nil, nil, &errOut))
	assert.Contains(t, errOut.String(), "/KTHXBYE")
	errOut.Reset()
	require.Equal(t, 1, run(t.Context(), []string{"-addr", "127.0.0.1:1"}, nil, nil, &errOut))
	assert.Contains(t, errOut.String(), "chat: nobody answers at 127.0.0.1:1 (")
	assert.Contains(t, errOut.String(), "Start broadcast there first")
}

// What the line editor prints too late is not printed, and the shell's prompt gets a line
// of its own.
func TestScreen(t *testing.T) {
	for written, want := range map[string]string{"": "", "a line\r\n": "a line\r\n", "Ada> half": "Ada> half\r\n"} {
		var out bytes.Buffer
		s := &screen{out: &out}
		_, err := s.Write([]byte(written))
		require.NoError(t, err)
		_, err = s.Write(nil)
		require.NoError(t, err)
		assert.True(t, s.close())
		assert.False(t, s.close())
		_, err = s.Write([]byte("Ada> "))
		require.NoError(t, err)
		assert.Equal(t, want, out.String())
	}
}
