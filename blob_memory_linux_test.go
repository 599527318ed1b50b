package serpy_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
)

// The variables of the environment by which TestBlobMemory tells its processes what to do,
// and its caller how many bytes to send.
const (
	blobRole = "SERPY_BLOB_ROLE"
	blobSize = "SERPY_BLOB_SIZE"
)

// TestBlobMemory sends a sparse file from one process to another, and holds the memory of
// both to 64 MiB, all of the program included. SERPY_BLOB_SIZE says how long the file is, in
// bytes: 256 MiB unless it is set.
func TestBlobMemory(t *testing.T) {
	size := int64(256 << 20)
	if s := os.Getenv(blobSize); s != "" {
		var err error
		size, err = strconv.ParseInt(s, 10, 64)
		require.NoError(t, err)
	}
	path := filepath.Join(t.TempDir(), "sparse")
	f, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(size))
	require.NoError(t, f.Close())
	began := time.Now()
	receiver := blobProcess(t, "receive")
	address := receiver.line(t)
	sender := blobProcess(t, "send", address, path)
	for _, p := range []*process{sender, receiver} {
		var bytes int64
		_, err := fmt.Sscan(p.line(t), &bytes, &p.peak)
		require.NoError(t, err)
		require.Equal(t, size, bytes)
		require.NoError(t, p.cmd.Wait())
	}
	took := time.Since(began)
	t.Logf("%d MiB in %v (%.0f MB/s): the sender took %d KiB, the receiver %d KiB", size>>20, took.Round(time.Millisecond), float64(size)/1e6/took.Seconds(), sender.peak, receiver.peak)
	if !raceEnabled { // which takes memory of its own
		require.Less(t, sender.peak, 64<<10)
		require.Less(t, receiver.peak, 64<<10)
	}
}

type process struct {
	cmd  *exec.Cmd
	out  *bufio.Scanner
	peak int // KiB
}

func (p *process) line(t *testing.T) string {
	t.Helper()
	for p.out.Scan() {
		if line, ok := strings.CutPrefix(p.out.Text(), "blob: "); ok {
			return line
		}
	}
	require.Fail(t, "the process said nothing")
	return ""
}

func blobProcess(t *testing.T, role string, args ...string) *process {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestBlobProcess$")
	cmd.Env = append(os.Environ(), blobRole+"="+strings.Join(append([]string{role}, args...), " "))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	return &process{cmd: cmd, out: bufio.NewScanner(out)}
}

// TestBlobProcess is the processes of TestBlobMemory; by itself it does nothing.
func TestBlobProcess(t *testing.T) {
	args := strings.Fields(os.Getenv(blobRole))
	if len(args) == 0 {
		return
	}
	var n int64
	if args[0] == "send" {
		c, err := serpy.Dial(t.Context(), args[1], nil)
		require.NoError(t, err)
		res, err := c.SendFile(t.Context(), args[2], nil)
		require.NoError(t, err)
		n = res.Bytes
		require.NoError(t, c.Close())
	} else {
		s, err := serpy.Listen("tcp://127.0.0.1:0", nil)
		require.NoError(t, err)
		fmt.Println("blob:", s.Address())
		c, err := s.Accept(t.Context())
		require.NoError(t, err)
		b, err := c.ReceiveBlob(t.Context())
		require.NoError(t, err)
		var w checker
		n, err = b.WriteTo(&w)
		require.NoError(t, err)
		<-c.Done()
		require.NoError(t, s.Close())
	}
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	_, peak, _ := bytes.Cut(status, []byte("VmHWM:"))
	fmt.Println("blob:", n, string(bytes.Fields(peak)[0]))
}
