package serpy_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
)

// pathPair gives a connection and its peer at a server, on a transport. What is to be
// measured is not stopped by the number of messages in the queues.
func pathPair(b *testing.B, address string) (s *serpy.Server, peer, c *serpy.Connection) {
	b.Helper()
	o := &serpy.Options{SendQueue: serpy.Queue{Messages: 64 << 10}, ReceiveQueue: serpy.Queue{Messages: 64 << 10}}
	s, err := serpy.Listen(address, o)
	require.NoError(b, err)
	c, err = serpy.Dial(context.Background(), s.Address(), o)
	require.NoError(b, err)
	peer, err = s.Accept(context.Background())
	require.NoError(b, err)
	b.Cleanup(func() { _, _ = c.Close(), s.Close() })
	return s, peer, c
}

// BenchmarkPingPong is a message of 128 bytes there and back.
func BenchmarkPingPong(b *testing.B) {
	for name, address := range map[string]string{"tcp": "tcp://127.0.0.1:0", "unix": "unix://" + filepath.Join(b.TempDir(), "s")} {
		b.Run(name, func(b *testing.B) {
			_, peer, c := pathPair(b, address)
			var echo sync.WaitGroup
			n := b.N
			echo.Go(func() {
				for range n {
					m, err := peer.Receive(context.Background())
					if err != nil || peer.Send(context.Background(), m.Data) != nil {
						b.Error("no echo", err)
						return
					}
					m.Release()
				}
			})
			data := make([]byte, 128)
			b.ReportAllocs()
			b.ResetTimer()
			for range n {
				require.NoError(b, c.Send(context.Background(), data))
				m, err := c.Receive(context.Background())
				require.NoError(b, err)
				m.Release()
			}
			echo.Wait()
		})
	}
}

// BenchmarkSend is one way: batches, payloads that are not copied, several senders, a
// unix socket.
func BenchmarkSend(b *testing.B) {
	tcp, unix := "tcp://127.0.0.1:0", "unix://"+filepath.Join(b.TempDir(), "s")
	for _, of := range []struct {
		name, address string
		size, senders int
		send          func(b *testing.B, c *serpy.Connection, n, size int)
	}{
		{"batch/16", tcp, 16, 1, sendBatches},
		{"batch/1024", tcp, 1024, 1, sendBatches},
		{"nocopy/65536", tcp, 64 << 10, 1, sendNoCopy},
		{"senders4/128", tcp, 128, 4, sendEach},
		{"unix/1024", unix, 1024, 1, sendEach},
		{"unix/nocopy/65536", unix, 64 << 10, 1, sendNoCopy},
	} {
		b.Run(of.name, func(b *testing.B) {
			_, peer, c := pathPair(b, of.address)
			b.SetBytes(int64(of.size))
			b.ReportAllocs()
			b.ResetTimer()
			var senders sync.WaitGroup
			for i := range of.senders {
				senders.Go(func() { of.send(b, c, (b.N+i)/of.senders, of.size) })
			}
			drainRelease(b, peer, b.N)
			senders.Wait()
		})
	}
}

func sendEach(b *testing.B, c *serpy.Connection, n, size int) {
	b.Helper()
	data := make([]byte, size)
	for range n {
		if err := c.Send(context.Background(), data); err != nil {
			b.Error(err)
			return
		}
	}
}

func sendNoCopy(b *testing.B, c *serpy.Connection, n, size int) {
	b.Helper()
	m := serpy.Message{Data: make([]byte, size), NoCopy: true}
	for range n {
		if _, err := c.SendMessage(context.Background(), m); err != nil {
			b.Error(err)
			return
		}
	}
}

func sendBatches(b *testing.B, c *serpy.Connection, n, size int) {
	b.Helper()
	ms := make([]serpy.Message, 256)
	for i := range ms {
		ms[i].Data = make([]byte, size)
	}
	for n > 0 {
		k := min(n, len(ms))
		if _, err := c.SendBatch(context.Background(), ms[:k]); err != nil {
			b.Error(err)
			return
		}
		n -= k
	}
}

// BenchmarkWindow keeps 1 024 acknowledged messages under way, and waits for each.
func BenchmarkWindow(b *testing.B) {
	_, peer, c := pathPair(b, "tcp://127.0.0.1:0")
	m := serpy.Message{Data: make([]byte, 128), Mode: serpy.Acked}
	ring := make([]serpy.Receipt, 1024)
	var receiver sync.WaitGroup
	n := b.N
	b.ReportAllocs()
	b.ResetTimer()
	receiver.Go(func() { drainRelease(b, peer, n) })
	for i := range n {
		r := &ring[i%len(ring)]
		if i >= len(ring) {
			require.NoError(b, r.Wait(context.Background()))
		}
		var err error
		*r, err = c.SendMessage(context.Background(), m)
		require.NoError(b, err)
	}
	for i := range min(n, len(ring)) {
		require.NoError(b, ring[i].Wait(context.Background()))
	}
	receiver.Wait()
}

// BenchmarkBroadcast gives each message to so many connections; the time is that of
// one delivery.
func BenchmarkBroadcast(b *testing.B) {
	for _, conns := range []int{1, 10, 100} {
		b.Run(fmt.Sprint(conns), func(b *testing.B) {
			s, first, c := pathPair(b, "tcp://127.0.0.1:0")
			require.NotNil(b, first)
			receivers := []*serpy.Connection{c}
			for range conns - 1 {
				more, err := serpy.Dial(context.Background(), s.Address(), nil)
				require.NoError(b, err)
				_, err = s.Accept(context.Background())
				require.NoError(b, err)
				receivers = append(receivers, more)
				b.Cleanup(func() { _ = more.Close() })
			}
			n := (b.N + conns - 1) / conns
			b.SetBytes(1024)
			b.ReportAllocs()
			b.ResetTimer()
			var all sync.WaitGroup
			for _, r := range receivers {
				all.Go(func() { drainRelease(b, r, n) })
			}
			m := serpy.Message{Data: make([]byte, 1024)}
			for range n {
				require.NoError(b, s.BroadcastWait(context.Background(), m))
			}
			all.Wait()
		})
	}
}

// BenchmarkDial makes a connection, and ends it.
func BenchmarkDial(b *testing.B) {
	s, _, _ := pathPair(b, "tcp://127.0.0.1:0")
	var accepting sync.WaitGroup
	b.Cleanup(accepting.Wait)
	ctx := b.Context()
	accepting.Go(func() {
		for {
			if _, err := s.Accept(ctx); err != nil {
				return
			}
		}
	})
	b.ReportAllocs()
	for b.Loop() {
		c, err := serpy.Dial(ctx, s.Address(), nil)
		require.NoError(b, err)
		require.NoError(b, c.Close())
	}
}
