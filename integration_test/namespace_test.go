//go:build linux

package integration

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// A host is a second machine: a network namespace with a cable to this one.
type host struct {
	t       *testing.T
	name    string
	address string // its own
	here    string // this machine's end of the cable
}

var (
	hosts  atomic.Int64
	ghosts sync.Once
)

// hostName is made of the last digits of the process, since the names of its cables
// are short, and of a count.
const (
	hostName = "serpy-%d-%d"
	pids     = 10_000
)

// removeGhosts removes the hosts of test processes that were killed. Those of a process
// that may be alive stay.
func removeGhosts(t *testing.T) {
	t.Helper()
	alive := aliveNow(t)
	list, err := exec.CommandContext(t.Context(), "ip", "netns", "list").Output()
	require.NoError(t, err)
	for line := range strings.Lines(string(list)) {
		pid, n := 0, 0
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if _, err := fmt.Sscanf(name, hostName, &pid, &n); err != nil || alive[pid] {
			continue
		}
		// Another process may be at it, too.
		_ = exec.CommandContext(t.Context(), "ip", "netns", "del", name).Run()
		_ = exec.CommandContext(t.Context(), "ip", "link", "del", fmt.Sprintf("so%d-%d", pid, n)).Run()
	}
}

// aliveNow are the processes of this machine, by the digits that names are made of.
func aliveNow(t *testing.T) map[int]bool {
	t.Helper()
	alive := make(map[int]bool)
	processes, err := os.ReadDir("/proc")
	require.NoError(t, err)
	for _, p := range processes {
		if pid, err := strconv.Atoi(p.Name()); err == nil {
			alive[pid%pids] = true
		}
	}
	return alive
}

// TestGhosts makes a host of a process that is gone, and one of this process.
func TestGhosts(t *testing.T) {
	mine := newHost(t)
	gone := exec.CommandContext(t.Context(), "true")
	require.NoError(t, gone.Run())
	for aliveNow(t)[gone.Process.Pid%pids] { // another has the same last digits
		gone = exec.CommandContext(t.Context(), "true")
		require.NoError(t, gone.Run())
	}
	ghost := fmt.Sprintf(hostName, gone.Process.Pid%pids, 1)
	mine.run("ip", "netns", "add", ghost)
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", ghost).Run() })
	removeGhosts(t)
	require.NoFileExists(t, "/var/run/netns/"+ghost)
	require.FileExists(t, "/var/run/netns/"+mine.name)
}

// newHost makes a host. It needs root, ip and nft: in CI the test fails without, on
// a developer's machine it is skipped.
func newHost(t *testing.T) *host {
	t.Helper()
	var missing strings.Builder
	for _, tool := range []string{"ip", "nft", "tc"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing.WriteString(" " + tool)
		}
	}
	if os.Geteuid() != 0 {
		missing.WriteString(" root")
	}
	if missing.String() != "" {
		if os.Getenv("CI") == "true" {
			t.Fatalf("missing in CI:%s", missing.String())
		}
		t.Skipf("needs%s", missing.String())
	}
	ghosts.Do(func() { removeGhosts(t) })
	n := hosts.Add(1)
	pid := os.Getpid() % pids
	h := &host{t: t, name: fmt.Sprintf(hostName, pid, n)}
	net := fmt.Sprintf("10.213.%d", (int64(pid)+n)%250)
	h.here, h.address = net+".1", net+".2"
	inside, outside := fmt.Sprintf("si%d-%d", pid, n), fmt.Sprintf("so%d-%d", pid, n)
	h.run("ip", "netns", "add", h.name)
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", h.name).Run() })
	h.run("ip", "link", "add", outside, "type", "veth", "peer", "name", inside, "netns", h.name)
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", outside).Run() })
	h.run("ip", "addr", "add", h.here+"/24", "dev", outside)
	h.run("ip", "link", "set", outside, "up")
	h.inside("ip", "addr", "add", h.address+"/24", "dev", inside)
	h.inside("ip", "link", "set", inside, "up")
	h.inside("ip", "link", "set", "lo", "up")
	h.inside("nft", "add", "table", "inet", "f")
	h.inside("nft", "add", "chain", "inet", "f", "in", "{ type filter hook input priority 0 ; }")
	h.inside("nft", "add", "chain", "inet", "f", "out", "{ type filter hook output priority 0 ; }")
	return h
}

func (h *host) run(args ...string) {
	h.t.Helper()
	out, err := exec.CommandContext(h.t.Context(), args[0], args[1:]...).CombinedOutput()
	require.NoError(h.t, err, "%v: %s", args, out)
}

// wrap is what runs a command on the host.
func (h *host) wrap() []string { return []string{"ip", "netns", "exec", h.name} }

func (h *host) inside(args ...string) {
	h.t.Helper()
	h.run(append(h.wrap(), args...)...)
}

// rule adds a rule of nft to what comes in ("in") or goes out ("out").
func (h *host) rule(chain string, words ...string) {
	h.t.Helper()
	h.inside(append([]string{"nft", "add", "rule", "inet", "f", chain}, words...)...)
}

// heal takes all rules away.
func (h *host) heal() {
	h.t.Helper()
	h.inside("nft", "flush", "chain", "inet", "f", "in")
	h.inside("nft", "flush", "chain", "inet", "f", "out")
}

// shape bounds what one end of the cable sends ("tc" on both ends bounds both
// directions).
func (h *host) shape(rate string) {
	h.t.Helper()
	pid, n := 0, 0
	_, err := fmt.Sscanf(h.name, hostName, &pid, &n)
	require.NoError(h.t, err)
	tbf := []string{"root", "tbf", "rate", rate, "burst", "32kbit", "latency", "400ms"}
	h.run(append([]string{"tc", "qdisc", "add", "dev", fmt.Sprintf("so%d-%d", pid, n)}, tbf...)...)
	h.inside(append([]string{"tc", "qdisc", "add", "dev", fmt.Sprintf("si%d-%d", pid, n)}, tbf...)...)
}
