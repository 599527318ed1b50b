package protocol_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
)

func TestJoinSums(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, 2*protocol.MaxBody)
	for i := range data {
		data[i] = byte(chance.Uint32())
	}
	for range 200 {
		n, k := chance.IntN(100), chance.IntN(protocol.MaxBody+1)
		head, tail := data[:n], data[n:n+k]
		first, second, both := protocol.Sum(0, head), protocol.Sum(0, tail), protocol.Sum(0, data[:n+k])
		require.Equal(t, both, protocol.JoinSums(first, second, k), "%d and %d", n, k)
		require.Equal(t, second, protocol.JoinSums(first, both, k), "%d and %d", n, k)
	}
}
