package serpy

import (
	"errors"
	"io"
	"os"
	"time"

	"github.com/serpy-go/serpy/blob"
	"github.com/serpy-go/serpy/blob/file"
)

// errCannotGoBack is a reader that can neither be read again nor has kept what the
// peer asks for.
var errCannotGoBack = errors.New("the source cannot be read again from there")

// A blobSource is what a blob is read from, by offset: a part that was lost with a
// link is read again.
type blobSource interface {
	// fill reads len(p) bytes from offset at, fewer only at the end, which is
	// io.EOF, also where nothing is left.
	fill(p []byte, at int64) (int, error)
	// keep says that what is before offset at is never asked for again.
	keep(at int64)
	// again says whether any offset can be read at any time.
	again() bool
}

// sourceOf finds the best way to read r, and how long it is, -1 if that shows only at
// the end. The file's own size and time go into the info, where it has none.
func sourceOf(r io.Reader, info *blob.Info) (s blobSource, size int64) {
	if f, ok := r.(interface{ Stat() (os.FileInfo, error) }); ok {
		st, err := f.Stat()
		if err != nil || !st.Mode().IsRegular() {
			return &streamSource{r: r}, -1
		}
		if info.Time.IsZero() {
			info.Time = st.ModTime().Truncate(time.Microsecond)
		}
	}
	seeker, ok := r.(io.Seeker)
	if !ok {
		return &streamSource{r: r}, lengthOf(r)
	}
	base, err := seeker.Seek(0, io.SeekCurrent)
	if err != nil {
		return &streamSource{r: r}, lengthOf(r)
	}
	end, err := seeker.Seek(0, io.SeekEnd)
	if _, back := seeker.Seek(base, io.SeekStart); err != nil || back != nil || end < base {
		return &streamSource{r: r}, lengthOf(r)
	}
	if at, ok := r.(io.ReaderAt); ok {
		return &placeSource{r: at, base: base}, end - base
	}
	return &seekSource{r: r, s: seeker, base: base}, end - base
}

// lengthOf asks a reader that cannot be sought how much is left in it.
func lengthOf(r io.Reader) int64 {
	if l, ok := r.(interface{ Len() int }); ok {
		return int64(l.Len())
	}
	if l, ok := r.(*io.LimitedReader); ok && l.N == 0 {
		return 0
	}
	return -1
}

// A placeSource is read by place: nothing is kept.
type placeSource struct {
	r    io.ReaderAt
	base int64
}

func (s *placeSource) fill(p []byte, at int64) (n int, err error) {
	for n < len(p) && err == nil {
		var k int
		k, err = s.r.ReadAt(p[n:], s.base+at+int64(n))
		n += k
	}
	if n == len(p) && errors.Is(err, io.EOF) {
		err = nil // it says so again
	}
	return n, err
}

func (s *placeSource) keep(int64) {}

func (s *placeSource) again() bool { return true }

// A fileSource is a file: it must not change while it is sent.
type fileSource struct {
	placeSource
	f *file.Source
}

func (s *fileSource) fill(p []byte, at int64) (int, error) {
	n, err := s.placeSource.fill(p, at)
	if errors.Is(err, io.EOF) {
		if changed := s.f.Unchanged(); changed != nil {
			return n, changed
		}
	}
	return n, err
}

// A seekSource is sought and read.
type seekSource struct {
	r    io.Reader
	s    io.Seeker
	base int64
	next int64
}

func (s *seekSource) fill(p []byte, at int64) (n int, err error) {
	if at != s.next {
		if _, err := s.s.Seek(s.base+at, io.SeekStart); err != nil {
			return 0, err
		}
		s.next = at
	}
	n, err = readFull(s.r, p)
	s.next += int64(n)
	return n, err
}

func (s *seekSource) keep(int64) {}

func (s *seekSource) again() bool { return true }

// maxIdleReads is how often a reader may give neither data nor an error.
const maxIdleReads = 100

// readFull reads until p is full. The end is io.EOF wherever it comes: io.ReadFull
// makes of it an error that a truncated source gives as well.
func readFull(r io.Reader, p []byte) (n int, err error) {
	for idle := 0; n < len(p) && err == nil; idle++ {
		var k int
		if k, err = r.Read(p[n:]); k > 0 {
			idle = 0
		}
		n += k
		if idle == maxIdleReads {
			err = io.ErrNoProgress
		}
	}
	if n == len(p) && errors.Is(err, io.EOF) {
		err = nil // it says so again
	}
	return n, err
}

// A streamSource can be read once. What the peer has not confirmed is kept: at most a
// window, since no more is ever under way.
type streamSource struct {
	r     io.Reader
	tail  []byte // of the stream, from offset from to what was read last
	from  int64
	ended error
}

func (s *streamSource) fill(p []byte, at int64) (n int, err error) {
	if at < s.from || at > s.from+int64(len(s.tail)) {
		return 0, errCannotGoBack
	}
	n = copy(p, s.tail[at-s.from:])
	if n == len(p) {
		return n, nil
	}
	if s.ended != nil {
		return n, s.ended
	}
	k, err := readFull(s.r, p[n:])
	s.tail = append(s.tail, p[n:n+k]...)
	s.ended = err
	return n + k, err
}

func (s *streamSource) keep(at int64) {
	n := min(at-s.from, int64(len(s.tail)))
	if n <= 0 || n < int64(len(s.tail)) && n < 256<<10 {
		return // moving the rest for a little costs more than it frees
	}
	s.tail = s.tail[:copy(s.tail, s.tail[n:])]
	s.from += n
}

func (s *streamSource) again() bool { return false }
