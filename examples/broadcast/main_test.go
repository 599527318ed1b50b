package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFlags(t *testing.T) {
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{2, `-wires "line": choose`, []string{"-wires", "line"}},
		{2, `"serpy" stands there twice`, []string{"-wires", "serpy,native,serpy"}},
		{2, `"x" is too much`, []string{"x"}},
		{2, "flag provided but not", []string{"-nope"}},
		{1, `port "99999" is not`, []string{"-addr", "127.0.0.1:99999"}},
		{1, "no such scheme", []string{"-addr", "http://x"}},
		{1, "Choose another place by -addr", []string{"-addr", "unix:///no/such/folder/socket"}},
	} {
		var out, errOut bytes.Buffer
		assert.Equal(t, c.code, run(t.Context(), c.args, &out, &errOut), c.args)
		assert.Contains(t, errOut.String(), c.want)
	}
	var errOut bytes.Buffer
	require.Zero(t, run(t.Context(), []string{"-help"}, nil, &errOut))
	assert.Contains(t, errOut.String(), "/KTHXBYE")
	assert.Contains(t, errOut.String(), "-wires")
}
