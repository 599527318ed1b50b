package serpy_test

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/blob"
	"github.com/serpy-go/serpy/protocol"
)

// BenchmarkFileToSocket is what ADR 0017 decides by: ways to bring a file, whose pages the
// kernel has, to a socket whose other end sums what comes, 64 KiB at a time, each behind
// a head. "cpu-ms" is the processor's time for both ends. Run it with -benchtime=5x.
func BenchmarkFileToSocket(b *testing.B) {
	const size = 1 << 30
	path := filepath.Join(b.TempDir(), "file")
	out, err := os.Create(path)
	require.NoError(b, err)
	_, err = io.Copy(out, newPattern(size))
	require.NoError(b, err)
	require.NoError(b, out.Close())
	for name, send := range map[string]func(*os.File, []byte, *net.TCPConn) error{
		"read, sum, write":   readAndWrite,
		"map, sum, write":    mapAndWrite,
		"map, sum, sendfile": mapAndSendfile,
		"sendfile, no sum":   sendfileAlone,
	} {
		b.Run(name, func(b *testing.B) {
			f, err := os.Open(path)
			require.NoError(b, err)
			defer func() { require.NoError(b, f.Close()) }()
			mapped, err := syscall.Mmap(int(f.Fd()), 0, size, syscall.PROT_READ, syscall.MAP_SHARED)
			require.NoError(b, err)
			defer func() { require.NoError(b, syscall.Munmap(mapped)) }()
			b.SetBytes(size)
			before := processorTime(b)
			for b.Loop() {
				_, err := f.Seek(0, io.SeekStart)
				require.NoError(b, err)
				fileOverTCP(b, f, mapped, send)
			}
			b.ReportMetric(float64((processorTime(b)-before).Milliseconds())/float64(b.N), "cpu-ms/op")
		})
	}
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func fileOverTCP(b *testing.B, f *os.File, mapped []byte, send func(*os.File, []byte, *net.TCPConn) error) {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	got := make(chan int64, 1)
	go func() {
		var w checker
		if conn, err := l.Accept(); err == nil {
			_, _ = io.CopyBuffer(struct{ io.Writer }{&w}, struct{ io.Reader }{conn}, make([]byte, 256<<10))
			_ = conn.Close()
		}
		got <- w.n
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	require.NoError(b, err)
	require.NoError(b, send(f, mapped, conn.(*net.TCPConn)))
	require.NoError(b, conn.Close())
	require.Equal(b, int64(len(mapped)+len(mapped)/blob.Chunk*protocol.HeadSize), <-got)
	require.NoError(b, l.Close())
}

func readAndWrite(f *os.File, mapped []byte, conn *net.TCPConn) error {
	buf := make([]byte, blob.Chunk)
	for at := 0; at < len(mapped); at += len(buf) {
		if _, err := f.ReadAt(buf, int64(at)); err != nil {
			return err
		}
		if err := writeChunk(buf, conn); err != nil {
			return err
		}
	}
	return nil
}

func mapAndWrite(_ *os.File, mapped []byte, conn *net.TCPConn) error {
	for ; len(mapped) > 0; mapped = mapped[blob.Chunk:] {
		if err := writeChunk(mapped[:blob.Chunk], conn); err != nil {
			return err
		}
	}
	return nil
}

func writeChunk(data []byte, conn *net.TCPConn) error {
	head := make([]byte, protocol.HeadSize)
	head[0] = byte(protocol.Sum(0, data))
	_, err := (&net.Buffers{head, data}).WriteTo(conn)
	return err
}

func mapAndSendfile(f *os.File, mapped []byte, conn *net.TCPConn) error {
	for ; len(mapped) > 0; mapped = mapped[blob.Chunk:] {
		if err := sendChunk(f, byte(protocol.Sum(0, mapped[:blob.Chunk])), conn); err != nil {
			return err
		}
	}
	return nil
}

func sendfileAlone(f *os.File, mapped []byte, conn *net.TCPConn) error {
	for range len(mapped) / blob.Chunk {
		if err := sendChunk(f, 0, conn); err != nil {
			return err
		}
	}
	return nil
}

// sendChunk has the kernel send the next chunk of f: net does it by sendfile.
func sendChunk(f *os.File, sum byte, conn *net.TCPConn) error {
	head := make([]byte, protocol.HeadSize)
	head[0] = sum
	if _, err := conn.Write(head); err != nil {
		return err
	}
	_, err := conn.ReadFrom(io.LimitReader(f, blob.Chunk))
	return err
}
