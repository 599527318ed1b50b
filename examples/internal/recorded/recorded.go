// Package recorded replays recorded sessions of the old programs against an example.
package recorded

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A line is what the tests need of one of a recording: bytes of the wire, or the digest of
// many, or a value that the server sent.
type line struct {
	K, Dir, Side, Hex string
	Len               int
	SHA256            string
	Value             struct{ SHA256 string }
}

// A Session is one recorded with a client of the original.
type Session struct {
	Asked    []byte // all that the client sent
	Answered int    // how many bytes the server sent
	Values   []string

	stream []byte // these, unless only their digest was recorded
	sum    string
}

// Read reads a recording of serpy2. Values are the SHA-256 of those that the server sent
// and that were too long to be recorded.
func Read(t *testing.T, name string) *Session {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "protocol", "serpy2", "testdata", "recorded", name+".jsonl"))
	require.NoError(t, err)
	var s Session
	lines := bufio.NewScanner(bytes.NewReader(content))
	lines.Buffer(nil, len(content))
	for lines.Scan() {
		var l line
		require.NoError(t, json.Unmarshal(lines.Bytes(), &l))
		b, err := hex.DecodeString(l.Hex)
		require.NoError(t, err)
		switch {
		case l.K == "wire" && l.Dir == "c2s":
			s.Asked = append(s.Asked, b...)
		case l.K == "wire":
			s.stream = append(s.stream, b...)
			s.Answered += len(b)
		case l.K == "wirebig" && l.Dir == "s2c":
			s.Answered, s.sum = l.Len, l.SHA256
		case l.K == "send" && l.Side == "server" && l.Value.SHA256 != "":
			s.Values = append(s.Values, l.Value.SHA256)
		}
	}
	require.NoError(t, lines.Err())
	require.NotEmpty(t, s.Asked)
	require.NotZero(t, s.Answered)
	return &s
}

// Replay says to the server at an address what the client of the original said, and
// expects the bytes that the original answered, exactly.
func (s *Session) Replay(t *testing.T, address string) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	_, err = conn.Write(s.Asked)
	require.NoError(t, err)
	got := make([]byte, s.Answered)
	_, err = io.ReadFull(conn, got)
	require.NoError(t, err)
	if s.sum == "" {
		require.Equal(t, hex.EncodeToString(s.stream), hex.EncodeToString(got))
		return
	}
	require.Equal(t, s.sum, Sum(got))
}

// Sum is the SHA-256 of b, in hex.
func Sum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
