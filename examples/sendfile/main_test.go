package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/examples/internal/proctest"
)

func TestMain(m *testing.M) { proctest.Main(m, main) }

// runHere runs the program in this process, and gives its exit code and what it said.
func runHere(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	errors, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	require.NoError(t, err)
	var out bytes.Buffer
	code = run(t.Context(), args, &out, errors)
	require.NoError(t, errors.Close())
	said, err := os.ReadFile(errors.Name())
	require.NoError(t, err)
	return code, out.String(), string(said)
}

func TestBadFlags(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "a")
	require.NoError(t, os.WriteFile(plain, nil, 0o600))
	other := filepath.Join(dir, "sub", "a")
	require.NoError(t, os.Mkdir(filepath.Dir(other), 0o700))
	require.NoError(t, os.WriteFile(other, nil, 0o600))
	empty := t.TempDir()
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"nothing":                 {nil, "sendfile receive -dir DIR"},
		"no command":              {[]string{"sned"}, `"sned" is no command`},
		"no files":                {[]string{"send"}, "say which files to send"},
		"no such file":            {[]string{"send", plain + "x"}, "no such file"},
		"an empty folder":         {[]string{"send", empty}, "there are no files"},
		"a device":                {[]string{"send", os.DevNull}, "neither a file nor a folder"},
		"two of one name":         {[]string{"send", plain, other}, "have the same name"},
		"no such flag of send":    {[]string{"send", "-dir", dir, plain}, "not defined: -dir; see sendfile send -help"},
		"no address":              {[]string{"send", "-addr", "http://x", plain}, "http"},
		"no certificate":          {[]string{"send", "-ca", plain, plain}, "holds no certificate"},
		"no folder":               {[]string{"receive"}, "say with -dir"},
		"no such folder":          {[]string{"receive", "-dir", dir + "x"}, "no such file"},
		"a file for a folder":     {[]string{"receive", "-dir", plain}, "is no folder"},
		"too much":                {[]string{"receive", "-dir", dir, "more"}, `"more" is no flag`},
		"tls without certificate": {[]string{"receive", "-addr", "tls://127.0.0.1:0", "-dir", dir}, "-cert and -key"},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := runHere(t, c.args...)
			assert.Equal(t, badFlags, code, stderr)
			assert.Empty(t, stdout)
			assert.Contains(t, stderr, c.says)
		})
	}
}

func TestHelp(t *testing.T) {
	code, stdout, _ := runHere(t, "--help")
	assert.Equal(t, allWhole, code)
	assert.Contains(t, stdout, "Exit codes")
	for _, command := range []string{"send", "receive"} {
		code, _, stderr := runHere(t, command, "--help")
		assert.Equal(t, allWhole, code)
		assert.Contains(t, stderr, "-addr URL")
	}
}

func TestNobodyThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	code, _, stderr := runHere(t, "send", "-addr", "unix://"+path+".sock", "-wait", "50ms", path)
	assert.Equal(t, unreachable, code, stderr)
	assert.Contains(t, stderr, "no receiver at unix://"+path+".sock within 50ms")
}

func TestShort(t *testing.T) {
	assert.Equal(t, "a.tif", short("a.tif"))
	assert.Equal(t, `\x1b[2J`, short("\x1b[2J"), "a peer's name does nothing to the terminal")
	assert.Equal(t, strings.Repeat("é", 14)+"…"+strings.Repeat("é", 15), short(strings.Repeat("é", 99)))
}
