//go:build linux

package integration

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
)

// One peer that never reads, among a hundred that do: they do not notice, its link
// lives, its own messages are confirmed; and when it reads, all is there.
func TestOnePeerNeverReads(t *testing.T) {
	const (
		readers  = 100
		messages = 10_000
	)
	heartbeat := time.Second
	if raced {
		heartbeat = 4 * time.Second // a process that gets no core is not heard
	}
	q := start(t, plan{Program: "crowd-server", Address: "tcp://127.0.0.1:0", Messages: messages, Size: 256, Heartbeat: heartbeat})
	address := q.wait("listening", 0)
	dial := func() *serpy.Connection {
		c, err := serpy.Dial(t.Context(), address, &serpy.Options{Heartbeat: heartbeat})
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	lazy := dial()
	conns := make([]*serpy.Connection, readers)
	for i := range conns {
		conns[i] = dial()
	}
	begin := time.Now()
	require.NoError(t, inParallel(readers, readers, func(i int) error { return readPoured(t, conns[i], messages) }))
	t.Logf("%d readers had %d messages each after %v", readers, messages, time.Since(begin).Round(time.Millisecond))
	elapse(t, 4*heartbeat) // longer than the idle timeout
	for range 100 {
		require.NoError(t, lazy.SendAcked(t.Context(), []byte("still here")))
	}
	s := lazy.Stats()
	t.Logf("the peer that never reads: %d messages, %d bytes wait", s.ReceiveQueue.Messages, s.ReceiveQueue.Bytes)
	if s.Links != 1 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for e := range lazy.Events(ctx) {
			t.Logf("%v", e)
		}
	}
	require.Equal(t, 1, s.Links, "its link was cut")
	require.LessOrEqual(t, s.ReceiveQueue.Messages, 4096)
	require.NoError(t, readPoured(t, lazy, messages))
}

func readPoured(t *testing.T, c *serpy.Connection, messages int) error {
	t.Helper()
	n := 0
	for m := range c.Messages(t.Context()) {
		n++
		if key, ok := keyIn(m.Data); !ok || key != uint64(n) || m.Gap != nil || m.Redelivered {
			return fmt.Errorf("message %d came as number %d, whole %v, gap %v, redelivered %v", key, n, ok, m.Gap, m.Redelivered)
		}
		m.Release()
		if n == messages {
			return nil
		}
	}
	return fmt.Errorf("only %d of %d came: %w", n, messages, c.Err())
}

// Ten thousand connections between two processes, of which one in a hundred is active.
func TestTenThousandConnections(t *testing.T) {
	const connections, active = 10_000, 100
	server := start(t, plan{Program: "crowd-server", Address: "tcp://127.0.0.1:0", Descriptors: connections + 1000})
	address := server.wait("listening", 0)
	server.tell("memory")
	before := memoryOf(t, server, 0)
	begin := time.Now()
	clients := start(t, plan{Program: "crowd", Address: address, Connections: connections, Active: active, Rate: 100, Descriptors: connections + 1000})
	clients.waitFor("connected", 0, 2*time.Minute)
	t.Logf("%d connections after %v", connections, time.Since(begin).Round(time.Millisecond))
	elapse(t, 6*time.Second) // past a heartbeat
	server.tell("memory")
	clients.tell("memory")
	ours, theirs := memoryOf(t, server, 1), memoryOf(t, clients, 0)
	t.Logf("server: %.1f KiB resident, %.1f KiB of heap a connection", float64(ours[0]-before[0])/1024/connections, float64(ours[1]-before[1])/1024/connections)
	t.Logf("clients: %.1f KiB resident, %.1f KiB of heap a connection", float64(theirs[0]-before[0])/1024/connections, float64(theirs[1]-before[1])/1024/connections)
	clients.tell("finish")
	var requests, links int
	_, err := fmt.Sscan(clients.wait("requests", 0), &requests)
	require.NoError(t, err)
	_, err = fmt.Sscan(clients.wait("links", 0), &links)
	require.NoError(t, err)
	clients.exit()
	t.Logf("%d requests answered, %d links for %d connections, everything closed after %v", requests, links, connections, time.Since(begin).Round(time.Millisecond))
	require.Equal(t, connections, links, "healthy links were cut")
	require.Greater(t, requests, active)
	if !raced {
		require.Less(t, float64(ours[0]-before[0])/connections, 64.0*1024)
	}
}

// memoryOf reads what a peer said of its memory: resident, and heap in use.
func memoryOf(t *testing.T, q *peer, n int) (bytes [2]int64) {
	t.Helper()
	_, err := fmt.Sscan(q.wait("memory", n), &bytes[0], &bytes[1])
	require.NoError(t, err)
	return bytes
}

// A server without file descriptors: those that it has serves it on, it does not spin,
// and when some are free again the others come in.
func TestDescriptorsExhausted(t *testing.T) {
	const dialled = 100
	server := start(t, plan{Program: "crowd-server", Address: "tcp://127.0.0.1:0", Descriptors: 64, HandshakeTimeout: time.Second})
	address := server.wait("listening", 0)
	conns := make([]*serpy.Connection, dialled)
	for i := range conns {
		c, err := serpy.Dial(t.Context(), address, &serpy.Options{
			HandshakeTimeout: 500 * time.Millisecond,
			Reconnect:        serpy.Reconnect{FirstDial: serpy.InBackground, Min: 50 * time.Millisecond, Max: 200 * time.Millisecond},
		})
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		conns[i] = c
	}
	before := cpuOf(t, server)
	elapse(t, 3*time.Second)
	spent := cpuOf(t, server) - before
	var up, waiting []*serpy.Connection
	for _, c := range conns {
		if c.State() == serpy.Up {
			up = append(up, c)
		} else {
			waiting = append(waiting, c)
		}
	}
	t.Logf("with 64 descriptors %d of %d connections are up; the server took %v of CPU in 3 s", len(up), dialled, spent)
	require.Greater(t, len(up), 30)
	require.Greater(t, len(waiting), 30, "the descriptors were not exhausted")
	require.Less(t, spent, 1500*time.Millisecond, "the server spins")
	for _, c := range up {
		m, err := c.Request(t.Context(), serpy.TextMessage("served on?"))
		require.NoError(t, err)
		require.Equal(t, "served on?", m.String())
	}
	begin := time.Now()
	for _, c := range up {
		require.NoError(t, c.Close())
	}
	for _, c := range waiting {
		require.NoError(t, c.WaitConnected(t.Context()))
		m, err := c.Request(t.Context(), serpy.TextMessage("in?"))
		require.NoError(t, err)
		require.Equal(t, "in?", m.String())
	}
	t.Logf("the %d that waited were all served %v after descriptors were free", len(waiting), time.Since(begin).Round(time.Millisecond))
}

// cpuOf is the CPU time that a peer has taken.
func cpuOf(t *testing.T, q *peer) time.Duration {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", q.cmd.Process.Pid))
	require.NoError(t, err)
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	var user, system int64
	_, err = fmt.Sscan(fields[11]+" "+fields[12], &user, &system)
	require.NoError(t, err)
	return time.Duration(user+system) * 10 * time.Millisecond // a tick of Linux is 10 ms
}

// A receiver whose Go runtime has a memory limit, and whose application is slower than
// its peer: the queues are full all the time, and the process stays within bounds.
func TestMemoryLimit(t *testing.T) {
	w := newPair(t)
	sender := plan{Messages: 4000, Fixed: true, Size: 64 << 10}
	receiver := plan{ReadRate: 1000, Env: []string{"GOMEMLIMIT=64MiB", "GOGC=off"}}
	w.dial(sender, w.listen(receiver))
	w.finished()
	var peak int64
	_, err := fmt.Sscan(w.listener.wait("peak", 0), &peak)
	require.NoError(t, err)
	t.Logf("4000 messages of 64 KiB with GOMEMLIMIT=64MiB, GOGC=off: at most %d MiB resident", peak>>20)
	if !raced {
		require.Less(t, peak, int64(96<<20))
	}
	w.check(false).nothingAmiss(t)
}
