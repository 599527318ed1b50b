package serpy_test

import (
	"bytes"
	"context"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/blob"
)

// inUse is the memory of the heap and of stacks that is in use after collections, but
// for what the process keeps for whoever needs it next, which is bounded.
func inUse() int64 {
	var m runtime.MemStats
	for range 3 { // finalizers bring memory back that the next one sees
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc+m.StackInuse) - serpy.Stocked()
}

// BenchmarkMemory reports what one end of a connection over loopback TCP holds in each
// state, the library's goroutines included, as the mean of both ends of 200 connections
// in one process. A link that was busy goes back to little with the first sign of life
// after a second of silence; so memory is taken at once, and after two heartbeats. It
// takes -benchtime 1x: the time means nothing.
func BenchmarkMemory(b *testing.B) {
	ctx := context.Background()
	send := func(b *testing.B, c *serpy.Connection, n int) {
		b.Helper()
		for range n {
			require.NoError(b, c.Send(ctx, make([]byte, 1024)))
		}
		require.NoError(b, c.Flush(ctx))
	}
	receive := func(b *testing.B, c *serpy.Connection, n int) {
		b.Helper()
		for range n {
			m, err := c.Receive(ctx)
			require.NoError(b, err)
			m.Release()
		}
	}
	nothing := func(b *testing.B, _, _ *serpy.Connection) { b.Helper() }
	for _, state := range []struct {
		name string
		do   func(b *testing.B, from, to *serpy.Connection)
	}{
		{"idle", nothing},
		{"after-1-message", func(b *testing.B, from, to *serpy.Connection) {
			b.Helper()
			send(b, from, 1)
			receive(b, to, 1)
		}},
		{"after-1000-messages", func(b *testing.B, from, to *serpy.Connection) {
			b.Helper()
			send(b, from, 1000)
			receive(b, to, 1000)
		}},
		{"64-messages-unread", func(b *testing.B, from, _ *serpy.Connection) {
			b.Helper()
			send(b, from, 64)
		}},
		{"after-a-blob", func(b *testing.B, from, to *serpy.Connection) {
			b.Helper()
			sent := make(chan error, 1)
			go func() {
				_, err := from.SendBlob(ctx, blob.Info{Size: 1 << 20}, bytes.NewReader(make([]byte, 1<<20)), nil)
				sent <- err
			}()
			in, err := to.ReceiveBlob(ctx)
			require.NoError(b, err)
			_, err = io.Copy(io.Discard, in)
			require.NoError(b, err)
			require.NoError(b, <-sent)
		}},
	} {
		b.Run(state.name, func(b *testing.B) {
			const pairs = 200
			o := &serpy.Options{Heartbeat: 1500 * time.Millisecond}
			s, err := serpy.Listen("tcp://127.0.0.1:0", o)
			require.NoError(b, err)
			defer s.Close()
			for range b.N {
				before := inUse()
				var ends []*serpy.Connection
				for range pairs {
					c, err := serpy.Dial(ctx, s.Address(), o)
					require.NoError(b, err)
					accepted, err := s.Accept(ctx)
					require.NoError(b, err)
					state.do(b, c, accepted)
					ends = append(ends, c, accepted)
				}
				each := func() float64 { return float64(inUse()-before) / float64(len(ends)) }
				b.ReportMetric(each(), "B/end-at-once")
				<-time.After(4 * time.Second) // two heartbeats
				b.ReportMetric(each(), "B/end")
				b.ReportMetric(float64(runtime.NumGoroutine())/float64(len(ends)), "goroutines/end")
				for _, c := range ends {
					_ = c.Close()
				}
			}
		})
	}
}
