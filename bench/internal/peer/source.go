package peer

import (
	"hash"
	"hash/crc32"
	"io"
	"sync"
)

// newSum is the CRC that those compute who receive a large payload.
func newSum() hash.Hash32 { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) }

// copySummed copies all of from, and sums it on the way.
func copySummed(to io.Writer, from io.Reader) error {
	_, err := io.Copy(io.MultiWriter(newSum(), to), from)
	return err
}

// A source is a large payload in memory: the same MiB again and again. It can be read
// from any place, as what a program has in memory can.
type source struct {
	*io.SectionReader
}

func newSource(size int64) source { return source{io.NewSectionReader(mebibyte(), 0, size)} }

// mebibyte is made once: it is no part of what is measured.
var mebibyte = sync.OnceValue(func() repeated { return noise(1 << 20) })

// repeated is the same bytes without an end.
type repeated []byte

func (r repeated) ReadAt(p []byte, at int64) (n int, err error) {
	for n < len(p) {
		n += copy(p[n:], r[(at+int64(n))%int64(len(r)):])
	}
	return n, nil
}
