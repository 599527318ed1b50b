package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/serpytest"
)

// What speaks the wire at -addr need not be an instrument: the workstation says what is
// wrong and what to do, and does not end as if all were well.
func TestAStrangerForAnInstrument(t *testing.T) {
	silence := func(ctx context.Context, _ *serpy.Connection) error {
		<-ctx.Done()
		return nil
	}
	begins := func(m serpy.Message) func(context.Context, *serpy.Connection) error {
		return func(ctx context.Context, c *serpy.Connection) error {
			return c.Handle(ctx, func(ctx context.Context, asked serpy.Message) error {
				if err := asked.Reply(ctx, serpy.TextMessage(streamBegins)); err != nil {
					return err
				}
				_, err := c.SendMessage(ctx, m)
				return err
			})
		}
	}
	for name, c := range map[string]struct {
		serve    serpy.Handler
		duration time.Duration
		says     string
	}{
		"it echoes": {func(ctx context.Context, c *serpy.Connection) error {
			return c.Handle(ctx, func(ctx context.Context, m serpy.Message) error { return m.Reply(ctx, m) })
		}, 0, `is no instrument: it answers STREAM by "STREAM". Start one there`},
		"it is silent":                {silence, 0, "is no instrument: it has not answered STREAM within 10s. Start one there"},
		"it is silent for a duration": {silence, patience / 2, `no stream from memory within 5s: it has not answered STREAM. Is what answers there (its name: "") an instrument?`},
		"it sends something else":     {begins(serpy.TextMessage("hello")), 0, `is no instrument: it sends what is no data of a stream, as "hello"`},
		"it leaves":                   {func(context.Context, *serpy.Connection) error { return nil }, 0, "asking for the stream"},
	} {
		t.Run(name, func(t *testing.T) {
			stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
			require.NoError(t, err)
			defer stderr.Close()
			synctest.Test(t, func(t *testing.T) {
				conn, _ := serpytest.Serve(t, c.serve, nil)
				w := newWorkstation(config{address: "memory", duration: c.duration}, newScreen(stderr, true))
				ctx := t.Context()
				if c.duration > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, c.duration)
					defer cancel()
				}
				rep, err := w.converse(ctx, t.Context(), conn)
				require.ErrorContains(t, err, c.says)
				assert.False(t, rep.ended)
			})
		})
	}
}

// The same in one piece, over a socket: the exit code is for a script.
func TestAWorkstationAtAStranger(t *testing.T) {
	s, err := serpy.Listen("unix://"+filepath.Join(t.TempDir(), "s"), &serpy.Options{Name: "room"})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error)
	go func() {
		served <- s.Serve(ctx, func(ctx context.Context, c *serpy.Connection) error {
			return c.Handle(ctx, func(ctx context.Context, m serpy.Message) error { return m.Reply(ctx, m) })
		})
	}()
	t.Cleanup(func() {
		stop()
		assert.NoError(t, <-served)
	})
	stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	require.NoError(t, err)
	defer stderr.Close()
	assert.Equal(t, 1, run(t.Context(), []string{"-role", "workstation", "-addr", s.Address(), "-duration", "1m"}, os.Stdout, stderr))
	told, err := os.ReadFile(stderr.Name())
	require.NoError(t, err)
	assert.Contains(t, string(told), `what answers at `+s.Address()+` (its name: "room") is no instrument`)
}
