package main

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/blob"
	"github.com/serpy-go/serpy/examples/internal/proctest"
)

// start starts the program as a process of its own.
func start(t *testing.T, args ...string) *proctest.Process {
	t.Helper()
	return proctest.Apart(t, args[0], args...)
}

// receiving starts a receiver, and waits until it listens; its address goes on working
// when it is started again.
func receiving(t *testing.T, address, dir string, args ...string) *proctest.Process {
	t.Helper()
	p := start(t, append([]string{"receive", "-addr", address, "-dir", dir, "-json"}, args...)...)
	require.Contains(t, p.Line(t), "listening on "+address)
	return p
}

// end waits for the end of a process, with an exit code, and gives what was said of each
// file.
func end(t *testing.T, p *proctest.Process, code int) (all []outcome) {
	t.Helper()
	p.Exits(t, code)
	for line := range bytes.Lines(p.Out.Bytes()) {
		var o outcome
		require.NoError(t, json.Unmarshal(line, &o), "%s", line)
		all = append(all, o)
	}
	return all
}

// A cable is between a sender and a receiver, and counts what the sender says.
type cable struct {
	net.Listener
	to     string // a unix socket
	passed atomic.Int64
	most   atomic.Int64 // after so many bytes it goes no further; 0: it does

	mu    sync.Mutex
	conns []net.Conn
	under sync.WaitGroup
}

func newCable(t *testing.T, to string, most int64) *cable {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	k := &cable{Listener: l, to: to}
	k.most.Store(most)
	k.under.Go(k.serve)
	t.Cleanup(func() {
		_ = l.Close()
		k.mu.Lock()
		for _, c := range k.conns {
			_ = c.Close()
		}
		k.mu.Unlock()
		k.under.Wait()
	})
	return k
}

func (k *cable) address() string { return "tcp://" + k.Addr().String() }

func (k *cable) serve() {
	for {
		near, err := k.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("unix", k.to)
		if err != nil {
			_ = near.Close()
			continue
		}
		k.mu.Lock()
		k.conns = append(k.conns, near, far)
		k.mu.Unlock()
		both := func() { _ = near.Close(); _ = far.Close() }
		k.under.Go(func() { defer both(); _, _ = io.Copy(near, far) })
		k.under.Go(func() { defer both(); k.pass(near, far) })
	}
}

// pass passes on what the sender says, up to most; then it is silent until an end.
func (k *cable) pass(near, far net.Conn) {
	b := make([]byte, 32<<10)
	for {
		if most := k.most.Load(); most > 0 && k.passed.Load() >= most {
			waitForEnd(near)
			return
		}
		n, err := near.Read(b)
		if err != nil {
			return
		}
		k.passed.Add(int64(n))
		if _, err := far.Write(b[:n]); err != nil {
			return
		}
	}
}

// waitForEnd waits until a connection is closed, here or there, and reads nothing of it.
func waitForEnd(c net.Conn) {
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Read(func(uintptr) bool { return false })
}

// big makes a file for which a cable that stops half-way is too short.
func big(t *testing.T, dir, name string, size int) string {
	t.Helper()
	b := make([]byte, size)
	r := rand.New(rand.NewPCG(uint64(size), 9))
	for i := 0; i+8 <= len(b); i += 8 {
		v := r.Uint64()
		for j := range 8 {
			b[i+j] = byte(v >> (8 * j))
		}
	}
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, b, 0o600))
	return path
}

func same(t *testing.T, a, b string) {
	t.Helper()
	x, err := os.ReadFile(a)
	require.NoError(t, err)
	y, err := os.ReadFile(b)
	require.NoError(t, err)
	require.True(t, bytes.Equal(x, y), "%s and %s differ", a, b)
}

const (
	bigSize = 24<<20 + 77
	half    = 10 << 20
)

// arrived waits until a partial has all that the cable let through but a few chunks.
func arrived(t *testing.T, part string) {
	t.Helper()
	require.Eventually(t, func() bool { return wholeChunks(part) > half-(2<<20) }, 2*time.Minute, 10*time.Millisecond)
}

// wholeChunks is how much of a partial is whole chunks.
func wholeChunks(part string) int64 {
	st, err := os.Stat(part)
	if err != nil {
		return 0
	}
	return st.Size() - st.Size()%blob.Chunk
}

// TestKilled kills one side or both in mid-file, with kill -9, and runs the same commands
// again: the file is identical, and only what was missing is sent.
func TestKilled(t *testing.T) {
	for name, c := range map[string]struct{ sender, receiver bool }{
		"the receiver": {false, true}, "the sender": {true, false}, "both": {true, true},
	} {
		t.Run(name, func(t *testing.T) {
			to, from := t.TempDir(), t.TempDir()
			path := big(t, from, "run.dat", bigSize)
			socket := filepath.Join(t.TempDir(), "s")
			address := "unix://" + socket
			r := receiving(t, address, to)
			k := newCable(t, socket, half)
			send := []string{"send", "-addr", k.address(), "-json", "-wait", "60s", path}
			s := start(t, send...)
			part := filepath.Join(to, "run.dat.part")
			arrived(t, part)
			require.NoFileExists(t, filepath.Join(to, "run.dat"))

			if c.sender {
				s.Kill(t)
			}
			if c.receiver {
				r.Kill(t)
			}
			has := wholeChunks(part)
			k.most.Store(0)
			k.passed.Store(0)
			if c.receiver {
				r = receiving(t, address, to)
			}
			if c.sender {
				s = start(t, send...)
			}
			all := end(t, s, allWhole)
			require.Len(t, all, 1)
			same(t, path, filepath.Join(to, "run.dat"))
			assert.EqualValues(t, bigSize, all[0].Bytes)
			if c.receiver { // it may have died before it had recorded the last chunk
				assert.GreaterOrEqual(t, all[0].Resumed, has-blob.Chunk, "what was verified")
				assert.LessOrEqual(t, all[0].Resumed, has, "what was verified")
			} else { // it may have had some on its way to the disk
				assert.GreaterOrEqual(t, all[0].Resumed, has, "what was verified")
				assert.LessOrEqual(t, all[0].Resumed, int64(half), "what was verified")
			}
			missing := bigSize - all[0].Resumed
			assert.InDelta(t, missing, k.passed.Load(), float64(missing/100), "only what was missing is sent")
			t.Logf("%d were there, %d missing, %d bytes passed", has, missing, k.passed.Load())

			left, err := os.ReadDir(to)
			require.NoError(t, err)
			assert.Len(t, left, 1, "no partial is left")
			k.passed.Store(0)
			again := end(t, start(t, send...), allWhole)
			assert.EqualValues(t, bigSize, again[0].Resumed, "all is there")
			assert.Less(t, k.passed.Load(), int64(4096))
			r.Interrupt(t)
			end(t, r, allWhole)
		})
	}
}

// TestFolder sends the files of a folder, of sizes that matter, and some of them again.
func TestFolder(t *testing.T) {
	to, from := t.TempDir(), t.TempDir()
	sizes := map[string]int{"empty": 0, "one": 1, "chunk": blob.Chunk, "more": blob.Chunk + 1, "big": 3<<20 + 5}
	for name, size := range sizes {
		big(t, from, name, size)
	}
	require.NoError(t, os.Mkdir(filepath.Join(from, "sub"), 0o700))
	address := "unix://" + filepath.Join(t.TempDir(), "s")
	r := receiving(t, address, to, "-once")
	code, stdout, stderr := runHere(t, "send", "-addr", address, from)
	require.Equal(t, allWhole, code, stderr)
	assert.Contains(t, stderr, "sub is left out")
	assert.Equal(t, len(sizes), strings.Count(stdout, "\n"), stdout)
	all := end(t, r, allWhole)
	require.Len(t, all, len(sizes))
	for name := range sizes {
		same(t, filepath.Join(from, name), filepath.Join(to, name))
	}

	// A file that changed is not written over another, unless asked.
	big(t, from, "one", 5)
	r = receiving(t, address, to, "-once")
	code, stdout, stderr = runHere(t, "send", "-addr", address, "-json", from)
	require.Equal(t, refused, code, stderr)
	assert.Contains(t, stderr, "one: ")
	assert.Contains(t, stderr, "a file of that name exists")
	assert.Equal(t, 1, strings.Count(stdout, `"error"`), stdout)
	all = end(t, r, refused)
	require.Len(t, all, len(sizes))
	for _, o := range all {
		assert.Equal(t, o.Name == "one", o.Error != "", "%+v", o)
		if o.Error == "" {
			assert.Equal(t, o.Bytes, o.Resumed, "it was there")
		}
	}
	r = receiving(t, address, to, "-once", "-overwrite")
	code, _, stderr = runHere(t, "send", "-addr", address, "-q", from)
	require.Equal(t, allWhole, code, stderr)
	end(t, r, allWhole)
	for name := range sizes {
		same(t, filepath.Join(from, name), filepath.Join(to, name))
	}
}

// TestInterrupted ends a sender in mid-file by SIGINT: its exit code says so, and the
// receiver keeps what came.
func TestInterrupted(t *testing.T) {
	to := t.TempDir()
	path := big(t, t.TempDir(), "run.dat", bigSize)
	socket := filepath.Join(t.TempDir(), "s")
	r := receiving(t, "unix://"+socket, to)
	k := newCable(t, socket, half)
	s := start(t, "send", "-addr", k.address(), "-json", path)
	arrived(t, filepath.Join(to, "run.dat.part"))
	s.Interrupt(t)
	all := end(t, s, interrupted)
	require.Len(t, all, 1)
	assert.NotEmpty(t, all[0].Error)
	assert.True(t, all[0].Again)
	r.Interrupt(t) // which is how a receiver ends
	all = end(t, r, allWhole)
	require.Len(t, all, 1)
	assert.NotEmpty(t, all[0].Error)
	assert.True(t, all[0].Again)
	assert.FileExists(t, filepath.Join(to, "run.dat.part"))
	assert.NoFileExists(t, filepath.Join(to, "run.dat"))
}
