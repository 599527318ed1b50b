package file

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/serpy-go/serpy/blob"
	"github.com/serpy-go/serpy/protocol"
)

// A Source is a file that is sent. It may be read from any goroutine.
type Source struct {
	f     *os.File
	info  protocol.BlobInfo
	begin os.FileInfo
}

// OpenSource opens a regular file and reads its first chunk, which goes into its key.
func OpenSource(path string) (*Source, error) {
	before, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsRegular() { // and opening a pipe would wait
		return nil, &os.PathError{Op: "send", Path: path, Err: errors.New("is not a regular file")}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	s := &Source{f: f}
	if err := s.look(path); err != nil {
		_ = f.Close()
		return nil, err
	}
	return s, nil
}

func (s *Source) look(path string) (err error) {
	if s.begin, err = s.f.Stat(); err != nil {
		return err
	}
	modified := s.begin.ModTime().UnixNano()
	first, err := FirstChunk(s.f)
	if err != nil {
		return err
	}
	s.info = protocol.BlobInfo{
		Name: filepath.Base(path), Size: uint64(s.begin.Size()), Sized: true, //nolint:gosec // not negative
		Time: modified, Keyed: true, First: first, Modified: modified,
	}
	return nil
}

// FirstChunk is the SHA-256 of the first chunk of a source, for its key.
func FirstChunk(r io.ReaderAt) (sum [sha256.Size]byte, err error) {
	b := make([]byte, blob.Chunk)
	n, err := r.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return sum, err
	}
	return sha256.Sum256(b[:n]), nil
}

// Info is what an offer says of the file: its base name, its size, when it was changed, and
// its key.
func (s *Source) Info() protocol.BlobInfo { return s.info }

// ReadAt reads the file.
func (s *Source) ReadAt(b []byte, offset int64) (int, error) { return s.f.ReadAt(b, offset) }

// Unchanged says whether the file still has the size and the time that it had when it was
// opened; otherwise blob.ErrSourceChanged. To be asked when all was read.
func (s *Source) Unchanged() error {
	now, err := s.f.Stat()
	if err != nil {
		return err
	}
	if now.Size() != s.begin.Size() || !now.ModTime().Equal(s.begin.ModTime()) {
		return fmt.Errorf("%w: %s was written to while it was sent", blob.ErrSourceChanged, s.f.Name())
	}
	return nil
}

// Close closes the file.
func (s *Source) Close() error { return s.f.Close() }
