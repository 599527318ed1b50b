package main

import (
	"context"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/serpytest"
)

// someServer serves the native wire by a handler of its own, and gives its address.
func someServer(t *testing.T, handle serpy.Handler) string {
	t.Helper()
	s, err := serpy.Listen("unix://"+filepath.Join(t.TempDir(), "s"), &serpy.Options{Name: "some instrument"})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- s.Serve(ctx, handle) }()
	t.Cleanup(func() {
		stop()
		assert.NoError(t, <-served)
	})
	return s.Address()
}

// TestNobodyTakes sends to a server that speaks the wire and takes no files: -wait bounds
// that too, and the others are not tried one after another.
func TestNobodyTakes(t *testing.T) {
	address := someServer(t, func(ctx context.Context, _ *serpy.Connection) error {
		<-ctx.Done()
		return nil
	})
	from := t.TempDir()
	for _, name := range []string{"a", "b", "c"} {
		big(t, from, name, 100)
	}
	code, stdout, stderr := runHere(t, "send", "-addr", address, "-wait", "500ms", from)
	assert.Equal(t, unreachable, code, stderr)
	assert.Empty(t, stdout)
	assert.Contains(t, stderr, "what answers at "+address+` (its name: "some instrument") has taken nothing of the file within 500ms`)
	assert.Contains(t, stderr, "Start sendfile receive there")
	assert.Contains(t, stderr, "2 more files were not tried")
	assert.Equal(t, 1, strings.Count(stderr, "-- "), stderr)
}

// TestSlowTaker sends to a program that is no sendfile, and that stops for longer than -wait
// once it has taken something: that is its right. One that waits before is given up.
func TestSlowTaker(t *testing.T) {
	const wait = time.Second
	for name, c := range map[string]struct {
		before, within time.Duration
		fails          bool
	}{
		"stops when it began": {wait / 2, 10 * wait, false},
		"never begins":        {10 * wait, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			path := big(t, t.TempDir(), "a", 8<<20)
			synctest.Test(t, func(t *testing.T) {
				conn, _ := serpytest.Serve(t, func(ctx context.Context, conn *serpy.Connection) error {
					b, err := conn.ReceiveBlob(ctx)
					if err != nil {
						return err
					}
					time.Sleep(c.before)                   //nolint:forbidigo // in the bubble
					_, _ = io.ReadFull(b, make([]byte, 1)) // a sender that has given up is seen by it
					time.Sleep(c.within)                   //nolint:forbidigo // in the bubble
					_, _ = io.Copy(io.Discard, b)
					return b.Close()
				}, nil)
				begin := time.Now()
				res, err := sendFile(t.Context(), conn, &config{wait: wait}, path, nil)
				if c.fails {
					assert.Equal(t, unreachable, exitCode(t.Context(), err), "%v", err)
					assert.Equal(t, wait, time.Since(begin))
					return
				}
				require.NoError(t, err)
				assert.EqualValues(t, 8<<20, res.Bytes)
			})
		})
	}
}
