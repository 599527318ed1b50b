package transport

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	for _, test := range []struct{ in, out, host, path string }{
		{"localhost:8000", "tcp://localhost:8000", "localhost", ""},
		{":8000", "tcp://:8000", "", ""},
		{"tcp://:0", "tcp://:0", "", ""},
		{"tcp://127.0.0.1:65535", "tcp://127.0.0.1:65535", "127.0.0.1", ""},
		{"TCP://Instrument-3.lab:08000", "tcp://Instrument-3.lab:8000", "Instrument-3.lab", ""},
		{"[::1]:8000", "tcp://[::1]:8000", "::1", ""},
		{"tls://[fe80::1%eth0]:8000", "tls://[fe80::1%eth0]:8000", "fe80::1%eth0", ""},
		{"tcp://[127.0.0.1]:1", "tcp://127.0.0.1:1", "127.0.0.1", ""},
		{"tls://größe.example:443", "tls://größe.example:443", "größe.example", ""},
		{"lab_pc:1", "tcp://lab_pc:1", "lab_pc", ""},
		{"unix:///run/my.sock", "unix:///run/my.sock", "", "/run/my.sock"},
		{"Unix:///a b/%41?x#y", "unix:///a b/%41?x#y", "", "/a b/%41?x#y"},
		{"npipe://./pipe/name", "npipe://./pipe/name", ".", "name"},
		{"npipe://server/pipe/a/b c", "npipe://server/pipe/a/b c", "server", "a/b c"},
	} {
		a, err := Parse(test.in)
		require.NoError(t, err, test.in)
		assert.Equal(t, test.out, a.String(), test.in)
		assert.Equal(t, test.host, a.Host(), test.in)
		assert.Equal(t, test.path, a.path, test.in)
		scheme, _, _ := strings.Cut(test.out, ":")
		assert.Equal(t, Scheme(scheme), a.Scheme(), test.in)
		again, err := Parse(a.String())
		require.NoError(t, err, test.in)
		assert.Equal(t, a, again)
	}
	assert.Equal(t, uint16(8000), address(t, ":8000").Port())
	assert.Empty(t, Address{}.String())
}

func TestParseRefuses(t *testing.T) {
	for in, reason := range map[string]string{
		"":                      "no host and no port",
		"tcp://":                "no host and no port",
		"localhost":             "missing port",
		"localhost:":            `port ""`,
		"localhost:http":        `port "http"`,
		"localhost:65536":       "0 to 65535",
		"localhost:-1":          "0 to 65535",
		"localhost:+1":          "0 to 65535",
		"::1":                   "too many colons",
		"[::1]":                 "missing port",
		"[::g]:1":               "not an IPv6 address",
		"tcp://host:1/":         "no place here",
		"tcp://host:1/path":     "no place here",
		"/run/my.sock":          "no place here",
		`\\.\pipe\name`:         "no place here",
		"user@host:1":           "'@'",
		"my host:1":             "' '",
		"host\x00:1":            `'\x00'`,
		"host\xff:1":            "not UTF-8",
		"host\u202e:1":          "holds",
		"http://host:1":         `no such scheme: "http"`,
		"://host:1":             `no such scheme: ""`,
		"unix://run/my.sock":    "three of them",
		"unix://":               "three of them",
		"unix:///run/":          "not a directory",
		"unix:///":              "not a directory",
		"unix:///a\x00b":        "NUL",
		"npipe://name":          "a named pipe is",
		"npipe://./name":        "a named pipe is",
		"npipe://./pipe/":       "a named pipe is",
		"npipe:///pipe/name":    "a named pipe is",
		`npipe://./pipe/a\b`:    "backslash",
		"npipe://a b/pipe/name": "' '",
		"npipe://[::1]/pipe/x":  "a named pipe is",
		"npipe://./pipe/" + strings.Repeat("x", 201): "200 bytes",
	} {
		a, err := Parse(in)
		var wrong *AddressError
		require.ErrorAs(t, err, &wrong, in)
		assert.Zero(t, a)
		assert.Equal(t, in, wrong.Address)
		assert.Contains(t, wrong.Reason, reason, in)
		assert.Contains(t, err.Error(), "unix:///path", "the error says what is accepted")
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		":8000", "localhost:8000", "[::1]:80", "tls://[fe80::1%lo]:1", "unix:///a", "npipe://./pipe/x",
		"tcp://%:1", "tcp://a:b:1", "[]:1", "[a]:1", "tcp://tcp://:1", "unix://\x00", "TLS://x:00", "[::ffff:1.2.3.4]:5",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := Parse(s)
		if err != nil {
			require.Zero(t, a)
			require.Contains(t, err.Error(), accepted)
			return
		}
		again, err := Parse(a.String())
		require.NoError(t, err, "%q became %q", s, a)
		require.Equal(t, a, again)
	})
}
