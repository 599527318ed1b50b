package blob_test

import (
	"encoding/hex"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/blob"
	"github.com/serpy-go/serpy/protocol"
)

// TestDigestVectors holds Digest to the table of SPEC.md 10.4.
func TestDigestVectors(t *testing.T) {
	text, err := os.ReadFile("../protocol/SPEC.md")
	require.NoError(t, err)
	_, table, ok := strings.Cut(string(text), "```digest\n")
	require.True(t, ok)
	table, _, _ = strings.Cut(table, "```")
	rows := strings.Split(strings.TrimSpace(table), "\n")
	require.Greater(t, len(rows), 3)
	for _, row := range rows[1:] {
		cells := strings.Fields(row)
		var d blob.Digest
		size := 0
		for _, cell := range cells[:len(cells)-1] {
			n := 1
			if times, s, many := strings.Cut(cell, "*"); many {
				n, err = strconv.Atoi(times)
				require.NoError(t, err)
				cell = s
			}
			s, err := strconv.Unquote(cell)
			require.NoError(t, err)
			chunk := strings.Repeat(s, n)
			d.Add(protocol.Sum(0, []byte(chunk)), len(chunk))
			size += len(chunk)
		}
		final := d.Final(int64(size))
		assert.Equal(t, cells[len(cells)-1], hex.EncodeToString(final[:]), row)
	}
}

func BenchmarkDigest(b *testing.B) {
	b.SetBytes(blob.Chunk)
	b.ReportAllocs()
	var d blob.Digest
	for b.Loop() {
		d.Add(protocol.Sum(0, content[:blob.Chunk]), blob.Chunk)
	}
}
