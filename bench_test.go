package serpy_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
)

// benchSizes are the payloads of the one-way benchmarks, in bytes.
var benchSizes = []int{16, 128, 1024, 65536}

// BenchmarkOneWay sends plain messages one way over loopback TCP in one process.
func BenchmarkOneWay(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(fmt.Sprintf("serpy/receive/%d", size), func(b *testing.B) { oneWay(b, size, drain) })
		b.Run(fmt.Sprintf("serpy/release/%d", size), func(b *testing.B) { oneWay(b, size, drainRelease) })
		b.Run(fmt.Sprintf("serpy/batch/%d", size), func(b *testing.B) { oneWay(b, size, drainBatch) })
		b.Run(fmt.Sprintf("socket/%d", size), func(b *testing.B) { oneWaySocket(b, size) })
	}
}

func drain(b *testing.B, c *serpy.Connection, n int) {
	b.Helper()
	for range n {
		if _, err := c.Receive(context.Background()); err != nil {
			b.Error(err)
			return
		}
	}
}

func drainRelease(b *testing.B, c *serpy.Connection, n int) {
	b.Helper()
	for range n {
		m, err := c.Receive(context.Background())
		if err != nil {
			b.Error(err)
			return
		}
		m.Release()
	}
}

func drainBatch(b *testing.B, c *serpy.Connection, n int) {
	b.Helper()
	into := make([]serpy.Message, 256)
	for n > 0 {
		k, err := c.ReceiveBatch(context.Background(), into)
		if err != nil {
			b.Error(err)
			return
		}
		n -= k
	}
}

func oneWay(b *testing.B, size int, take func(*testing.B, *serpy.Connection, int)) {
	b.Helper()
	// 64 Ki messages, so that the smallest ones do not wait for confirmations.
	o := &serpy.Options{SendQueue: serpy.Queue{Messages: 64 << 10}, ReceiveQueue: serpy.Queue{Messages: 64 << 10}}
	s, err := serpy.Listen("tcp://127.0.0.1:0", o)
	require.NoError(b, err)
	c, err := serpy.Dial(context.Background(), s.Address(), o)
	require.NoError(b, err)
	peer, err := s.Accept(context.Background())
	require.NoError(b, err)
	data := make([]byte, size)
	done := make(chan struct{})
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	go func() { take(b, peer, b.N); close(done) }()
	for range b.N {
		if err := c.Send(context.Background(), data); err != nil {
			b.Fatal(err)
		}
	}
	<-done
	b.StopTimer()
	require.NoError(b, c.Close())
	require.NoError(b, s.Close())
}

// oneWaySocket is the bare socket: a length of four bytes, buffers of 64 KiB.
func oneWaySocket(b *testing.B, size int) {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	conn, err := net.Dial("tcp", l.Addr().String())
	require.NoError(b, err)
	peer, err := l.Accept()
	require.NoError(b, err)
	data := make([]byte, size)
	done := make(chan struct{})
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	go func() {
		defer close(done)
		r := bufio.NewReaderSize(peer, 64<<10)
		into := make([]byte, size)
		var head [4]byte
		for range b.N {
			if _, err := io.ReadFull(r, head[:]); err != nil {
				b.Error(err)
				return
			}
			if _, err := io.ReadFull(r, into[:binary.LittleEndian.Uint32(head[:])]); err != nil {
				b.Error(err)
				return
			}
		}
	}()
	w := bufio.NewWriterSize(conn, 64<<10)
	var head [4]byte
	binary.LittleEndian.PutUint32(head[:], uint32(size))
	for range b.N {
		_, _ = w.Write(head[:])
		_, _ = w.Write(data)
	}
	_ = w.Flush()
	<-done
	b.StopTimer()
	_, _, _ = conn.Close(), peer.Close(), l.Close()
}

// BenchmarkAcked sends one acknowledged message after another, and reports the median
// and the 99th percentile of the round trips, in microseconds.
func BenchmarkAcked(b *testing.B) {
	s, err := serpy.Listen("tcp://127.0.0.1:0", nil)
	require.NoError(b, err)
	c, err := serpy.Dial(context.Background(), s.Address(), nil)
	require.NoError(b, err)
	peer, err := s.Accept(context.Background())
	require.NoError(b, err)
	done := make(chan struct{})
	go func() { drain(b, peer, b.N); close(done) }()
	data := make([]byte, 128)
	b.ReportAllocs()
	b.ResetTimer()
	took := make([]time.Duration, b.N)
	for i := range b.N {
		begin := time.Now()
		if err := c.SendAcked(context.Background(), data); err != nil {
			b.Fatal(err)
		}
		took[i] = time.Since(begin)
	}
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(took[b.N/2].Nanoseconds())/1e3, "p50-µs")
	b.ReportMetric(float64(took[b.N*99/100].Nanoseconds())/1e3, "p99-µs")
	<-done
	require.NoError(b, c.Close())
	require.NoError(b, s.Close())
}
