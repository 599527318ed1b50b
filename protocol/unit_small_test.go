package protocol_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
)

func TestAppendSmallIsAppendUnit(t *testing.T) {
	data := make([]byte, protocol.MaxSmall)
	for n := 0; n <= len(data); n += 1 + n/100 {
		small := protocol.AppendSmall([]byte("before"), protocol.UnitAcked, data[:n])
		require.Equal(t, protocol.AppendUnit([]byte("before"), protocol.UnitAcked, nil, data[:n]), small)
		require.LessOrEqual(t, len(small)-len("before")-n, protocol.SmallFraming)
	}
	require.Equal(t, protocol.AppendUnit(nil, 0, nil, data), protocol.AppendSmall(nil, 0, data))
}
