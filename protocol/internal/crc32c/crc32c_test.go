package crc32c_test

import (
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol/internal/crc32c"
)

var table = crc32.MakeTable(crc32.Castagnoli)

func random(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b)
	return b
}

// Each length up to some loops and a rest, at each place in a block, is summed as
// the standard library does, and so is what follows it.
func TestUpdateIsTheSumOfTheStandardLibrary(t *testing.T) {
	b := random(2000)
	for from := range 64 {
		for to := from; to <= len(b); to++ {
			part := b[from:to]
			if want, got := crc32.Update(uint32(to), table, part), crc32c.Update(uint32(to), part); want != got {
				require.Equal(t, want, got, "from %d to %d", from, to)
			}
		}
	}
	b = random(1 << 20)
	require.Equal(t, crc32.Checksum(b, table), crc32c.Update(0, b))
}

// A sum in two parts is that of the whole.
func TestUpdateGoesOn(t *testing.T) {
	b := random(5000)
	want := crc32.Checksum(b, table)
	for cut := range b {
		if got := crc32c.Update(crc32c.Update(0, b[:cut]), b[cut:]); got != want {
			require.Equal(t, want, got, "cut at %d", cut)
		}
	}
}

// The check value of the catalogue of CRCs.
func TestCheckValue(t *testing.T) {
	require.Equal(t, uint32(0xe3069283), crc32c.Update(0, []byte("123456789")))
}

func BenchmarkUpdate(b *testing.B) {
	for _, size := range []int{28, 128, 512, 1 << 10, 4 << 10, 64 << 10} {
		data := random(size)
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				crc32c.Update(0, data)
			}
		})
		b.Run(fmt.Sprint(size, "/std"), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				crc32.Update(0, table, data)
			}
		})
	}
}
