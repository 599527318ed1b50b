package serpytest_test

import (
	"context"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/serpytest"
)

// BenchmarkStream moves blocks of 64 KiB one way, beside a bare TCP
// connection.
func BenchmarkStream(b *testing.B) {
	for name, open := range map[string]func(b *testing.B) (dialled, accepted net.Conn){
		"tcp":  benchTCP,
		"pipe": benchPipe,
		"fault": func(b *testing.B) (net.Conn, net.Conn) {
			b.Helper()
			x, y := benchTCP(b)
			return serpytest.Fault(x, serpytest.Link{}), y
		},
		"proxy": benchProxy,
	} {
		b.Run(name, func(b *testing.B) {
			x, y := open(b)
			read := make(chan struct{})
			go func() {
				defer close(read)
				_, _ = io.Copy(io.Discard, y)
			}()
			block := make([]byte, 64<<10)
			b.SetBytes(int64(len(block)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := x.Write(block); err != nil {
					b.Fatal(err)
				}
			}
			require.NoError(b, x.Close())
			<-read
			require.NoError(b, y.Close())
		})
	}
}

// BenchmarkPingPong takes one byte there and back.
func BenchmarkPingPong(b *testing.B) {
	for name, open := range map[string]func(b *testing.B) (dialled, accepted net.Conn){
		"tcp": benchTCP, "pipe": benchPipe, "proxy": benchProxy,
	} {
		b.Run(name, func(b *testing.B) {
			x, y := open(b)
			read := make(chan struct{})
			go func() {
				defer close(read)
				_, _ = io.CopyBuffer(struct{ io.Writer }{y}, struct{ io.Reader }{y}, make([]byte, 1))
			}()
			one := make([]byte, 1)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := x.Write(one); err != nil {
					b.Fatal(err)
				}
				if _, err := x.Read(one); err != nil {
					b.Fatal(err)
				}
			}
			require.NoError(b, x.Close())
			<-read
			require.NoError(b, y.Close())
		})
	}
}

func benchPipe(*testing.B) (dialled, accepted net.Conn) { return serpytest.Pipe(serpytest.Link{}) }

func benchTCP(b *testing.B) (dialled, accepted net.Conn) {
	b.Helper()
	l, err := (&net.ListenConfig{}).Listen(b.Context(), "tcp", "127.0.0.1:0")
	require.NoError(b, err)
	dialled, err = (&net.Dialer{}).DialContext(b.Context(), "tcp", l.Addr().String())
	require.NoError(b, err)
	accepted, err = l.Accept()
	require.NoError(b, err)
	require.NoError(b, l.Close())
	return dialled, accepted
}

func benchProxy(b *testing.B) (dialled, accepted net.Conn) {
	b.Helper()
	l, err := (&net.ListenConfig{}).Listen(b.Context(), "tcp", "127.0.0.1:0")
	require.NoError(b, err)
	p, err := serpytest.NewProxy("tcp", l.Addr().String(), nil)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, p.Close()) })
	dialled, err = (&net.Dialer{}).DialContext(context.Background(), "tcp", p.Addr())
	require.NoError(b, err)
	accepted, err = l.Accept()
	require.NoError(b, err)
	require.NoError(b, l.Close())
	return dialled, accepted
}
