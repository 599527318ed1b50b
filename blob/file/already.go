package file

import (
	"errors"
	"io"
	"os"
	"time"

	"github.com/serpy-go/serpy/blob"
	"github.com/serpy-go/serpy/protocol"
)

// precision is how exactly a file system must keep the time of a file for it to be known
// again; NTFS counts hundreds of nanoseconds.
const precision = 100 * time.Nanosecond

// already looks whether the file is there, whole, as the same source left it at an earlier
// time: by its size, its time and its first chunk. Then there is nothing to be sent, and
// nothing to be written.
func (w *writing) already(overwrite bool) (bool, error) {
	k := w.key
	if overwrite || !k.Keyed || !k.Sized || k.Modified == 0 {
		return false, nil
	}
	there, err := w.root.Lstat(w.name)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	same := there.Mode().IsRegular() && uint64(there.Size()) == k.Size && //nolint:gosec // not negative
		there.ModTime().Truncate(precision).Equal(time.Unix(0, k.Modified).Truncate(precision))
	if !same {
		return false, nil
	}
	f, err := w.root.Open(w.name)
	if err != nil {
		return false, err
	}
	first, err := FirstChunk(f)
	if err != nil || first != k.First {
		_ = f.Close()
		return false, err
	}
	w.f, w.there = f, true
	return true, w.digestAll()
}

// digestAll reads what is there.
func (w *writing) digestAll() error {
	data := make([]byte, blob.Chunk)
	for {
		n, err := io.ReadFull(w.f, data)
		if n > 0 {
			w.digest.Add(protocol.Sum(0, data[:n]), n)
			w.has += int64(n)
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
