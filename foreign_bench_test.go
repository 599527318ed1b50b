package serpy_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/serpy1"
	"github.com/serpy-go/serpy/protocol/serpy2"
)

// BenchmarkForeign sends messages of 100 bytes from Go to Go over loopback TCP, on the
// wires of the old programs: plain, in the counted acknowledgements of serpy with 64
// under way, and one after another.
func BenchmarkForeign(b *testing.B) {
	for _, w := range []protocol.Codec{serpy1.Wire{}, serpy2.Wire{}} {
		b.Run(w.Name()+"/plain", func(b *testing.B) { foreignOneWay(b, w) })
	}
	b.Run("serpy/acked/64", func(b *testing.B) { foreignAcked(b, 64) })
	b.Run("serpy/acked/1", func(b *testing.B) { foreignAcked(b, 1) })
}

// foreignPair gives both ends of a link.
func foreignPair(b *testing.B, w protocol.Codec) (s *serpy.Server, peer, c *serpy.Connection) {
	b.Helper()
	o := &serpy.Options{Wires: []protocol.Codec{w}}
	s, err := serpy.Listen("tcp://127.0.0.1:0", o)
	require.NoError(b, err)
	c, err = serpy.Dial(context.Background(), s.Address(), o)
	require.NoError(b, err)
	peer, err = s.Accept(context.Background())
	require.NoError(b, err)
	b.SetBytes(100)
	b.ReportAllocs()
	return s, peer, c
}

func perSecond(b *testing.B, begin time.Time) {
	b.Helper()
	b.ReportMetric(float64(b.N)/time.Since(begin).Seconds(), "msg/s")
}

func foreignOneWay(b *testing.B, w protocol.Codec) {
	b.Helper()
	s, peer, c := foreignPair(b, w)
	data := make([]byte, 100)
	for i := range data {
		data[i] = byte('a' + i%26)
	}
	done := make(chan struct{})
	b.ResetTimer()
	begin := time.Now()
	go func() { drain(b, peer, b.N); close(done) }()
	for range b.N {
		if err := c.Send(context.Background(), data); err != nil {
			b.Fatal(err)
		}
	}
	<-done
	b.StopTimer()
	perSecond(b, begin)
	require.NoError(b, c.Close())
	require.NoError(b, s.Close())
}

func foreignAcked(b *testing.B, underWay int) {
	b.Helper()
	s, peer, c := foreignPair(b, serpy1.Wire{})
	m := serpy.Message{Data: make([]byte, 100), Mode: serpy.Acked}
	for i := range m.Data {
		m.Data[i] = byte('a' + i%26)
	}
	receipts := make([]serpy.Receipt, underWay)
	done := make(chan struct{})
	b.ResetTimer()
	begin := time.Now()
	go func() { drain(b, peer, b.N); close(done) }()
	for i := range b.N + underWay {
		if i >= underWay {
			if r := receipts[i%underWay]; r != (serpy.Receipt{}) {
				require.NoError(b, r.Wait(context.Background()))
			}
			receipts[i%underWay] = serpy.Receipt{}
		}
		if i >= b.N {
			continue
		}
		r, err := c.SendMessage(context.Background(), m)
		if err != nil {
			b.Fatal(err)
		}
		receipts[i%underWay] = r
	}
	<-done
	b.StopTimer()
	perSecond(b, begin)
	require.NoError(b, c.Close())
	require.NoError(b, s.Close())
}
