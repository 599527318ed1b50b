package file

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/serpy-go/serpy/blob"
	"github.com/serpy-go/serpy/protocol"
)

// syncEvery is after how many bytes a partial is synced, so that its record may be
// trusted after a power cut. What is behind the last sync is read and compared when the
// partial is gone on with.
const syncEvery = 64 << 20

// writing is a partial that is open, and locked.
type writing struct {
	root *os.Root
	name string
	part string
	f    *os.File
	rec  *record
	key  *protocol.BlobInfo

	has    int64 // bytes written
	whole  int64 // of those, in whole chunks: what a later blob goes on from
	digest blob.Digest
	n      int    // bytes of the chunk that has begun
	sum    uint32 // of those
	synced int64
	there  bool // the file was there already, whole: nothing is written
}

// partName is where what is unfinished of a name stands.
func partName(name string) string {
	if len(name)+len(recordSuffix) <= MaxName {
		return name + partSuffix
	}
	sum := sha256.Sum256([]byte(name)) // the name leaves no room
	return hex.EncodeToString(sum[:]) + partSuffix
}

func recordName(part string) string { return part + recordSuffix[len(partSuffix):] }

func openWriting(dir string, info *protocol.BlobInfo, overwrite bool) (*writing, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	w := &writing{root: root, name: info.Name, part: partName(info.Name), key: info}
	if err := w.open(overwrite); err != nil {
		if w.f != nil {
			_ = w.f.Close()
		}
		if w.rec != nil {
			w.rec.close()
		}
		_ = root.Close()
		return nil, err
	}
	return w, nil
}

func (w *writing) open(overwrite bool) (err error) {
	if there, err := w.already(overwrite); there || err != nil {
		return err
	}
	if err := w.room(overwrite); err != nil {
		return err
	}
	rec, err := openRecord(w.root, recordName(w.part))
	if err != nil {
		return err
	}
	if rec == nil {
		if err := w.notOurs(overwrite); err != nil {
			return err
		}
		if rec, err = createRecord(w.root, recordName(w.part), w.key); err != nil {
			return err
		}
	}
	w.rec = rec
	if w.f, err = openLocked(w.root, w.part); err != nil {
		return err
	}
	if w.whole, w.digest, err = rec.verified(w.f); err != nil {
		return err
	}
	if !rec.of(w.key) {
		if w.whole > 0 && !overwrite {
			_ = rec.reset(w.key) // where an open file cannot be removed
			_ = w.f.Truncate(0)
			_ = w.root.Remove(w.part)
			_ = w.root.Remove(recordName(w.part))
			return fmt.Errorf("%w: what was received of %q before is of another source, and was removed", blob.ErrSourceChanged, w.name)
		}
		w.whole, w.digest = 0, blob.Digest{}
		if err := rec.reset(w.key); err != nil {
			return err
		}
	}
	w.has, w.synced = w.whole, w.whole
	if err := w.f.Truncate(w.whole); err != nil {
		return err
	}
	_, err = w.f.Seek(w.whole, io.SeekStart)
	return err
}

// notOurs looks for a file in the place of the partial that has no record. The record is
// made first and removed last, so that it is somebody else's.
func (w *writing) notOurs(overwrite bool) error {
	there, err := w.root.Lstat(w.part)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !there.Mode().IsRegular():
		return fmt.Errorf("%w: %q is no plain file", blob.ErrSink, w.part)
	case there.Size() > 0 && !overwrite:
		return fmt.Errorf("%w: %q is in the way, and no partial of ours", blob.ErrExists, w.part)
	}
	return nil
}

// room says whether the name is free.
func (w *writing) room(overwrite bool) error {
	there, err := w.root.Lstat(w.name)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !overwrite || there.IsDir():
		return fmt.Errorf("%w: %q", blob.ErrExists, w.name)
	}
	if part, err := w.root.Lstat(w.part); err == nil && os.SameFile(part, there) {
		return w.root.Remove(w.part) // whoever gave it the name did not come to that
	}
	return nil
}

// openLocked opens a partial, which must be a plain file, and locks it against other
// processes.
func openLocked(root *os.Root, part string) (*os.File, error) {
	for range 10 {
		if there, err := root.Lstat(part); err == nil && !there.Mode().IsRegular() {
			return nil, fmt.Errorf("%w: %q is no plain file", blob.ErrSink, part)
		}
		f, err := root.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o666)
		if err != nil {
			return nil, err
		}
		if err := lock(f); err != nil {
			_ = f.Close()
			return nil, fmt.Errorf("%w: %q: %w", blob.ErrBusy, part, err)
		}
		mine, err := f.Stat()
		if err == nil {
			var there os.FileInfo
			if there, err = root.Lstat(part); err == nil && os.SameFile(mine, there) {
				return f, nil
			}
		}
		_ = f.Close() // whoever had it renamed or removed it before we had the lock
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: %q", blob.ErrBusy, part)
}

// write goes on with the data.
func (w *writing) write(b []byte) (done int, err error) {
	if w.there && len(b) > 0 {
		return 0, fmt.Errorf("%w: of a file that was there already", blob.ErrSize)
	}
	for len(b) > 0 {
		n := min(len(b), blob.Chunk-w.n)
		k, err := w.f.Write(b[:n])
		w.sum = protocol.Sum(w.sum, b[:k])
		w.n += k
		w.has += int64(k)
		done += k
		if err != nil {
			return done, err
		}
		b = b[n:]
		if w.n < blob.Chunk {
			continue
		}
		if err := w.chunk(); err != nil {
			return done, err
		}
	}
	return done, nil
}

// chunk records a whole chunk.
func (w *writing) chunk() error {
	sum := w.sum
	w.digest.Add(sum, blob.Chunk)
	w.n, w.sum = 0, 0
	w.whole += blob.Chunk
	if !w.key.Keyed { // nobody will go on with it
		return nil
	}
	if err := w.rec.add(sum); err != nil {
		return err
	}
	if w.whole-w.synced >= syncEvery {
		if err := w.f.Sync(); err != nil {
			return err
		}
		w.synced = w.whole
		return w.rec.sync(w.whole)
	}
	return nil
}

// commit gives the file its name.
func (w *writing) commit(size int64, digest [32]byte, overwrite bool) error {
	last := w.digest
	if w.n > 0 {
		last.Add(w.sum, w.n)
	}
	switch {
	case w.has != size:
		return fmt.Errorf("%w: %d were written of %d", blob.ErrSize, w.has, size)
	case last.Final(size) != digest:
		return fmt.Errorf("%w: of what was written", blob.ErrDigest)
	case w.there:
		w.close()
		return nil
	}
	if w.key.Keyed && w.key.Modified != 0 { // whoever sends the file again finds that it is there
		_ = w.root.Chtimes(w.part, time.Unix(0, w.key.Modified), time.Unix(0, w.key.Modified))
	}
	if err := w.f.Sync(); err != nil {
		return err
	}
	if err := w.f.Close(); err != nil { // Windows renames no open file
		return err
	}
	if err := w.rename(overwrite); err != nil {
		return err
	}
	w.rec.close()
	_ = w.root.Remove(recordName(w.part))
	syncFolder(w.root)
	_ = w.root.Close()
	return nil
}

// rename gives the partial its name. A link, where there are any, is made only if the
// name is free, at one stroke.
func (w *writing) rename(overwrite bool) error {
	if !overwrite {
		err := w.root.Link(w.part, w.name)
		if err == nil {
			return w.root.Remove(w.part)
		}
		if errors.Is(err, os.ErrExist) {
			return fmt.Errorf("%w: %q came meanwhile", blob.ErrExists, w.name)
		}
		if err := w.room(false); err != nil {
			return err
		}
	}
	return w.root.Rename(w.part, w.name)
}

// syncFolder makes a rename last. Not every system lets a folder be synced.
func syncFolder(root *os.Root) {
	if d, err := root.Open("."); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}

// close keeps what is there.
func (w *writing) close() {
	_ = w.f.Close()
	if w.rec != nil {
		w.rec.close()
	}
	_ = w.root.Close()
}

// discard removes what is there.
func (w *writing) discard() {
	if w.there {
		w.close()
		return
	}
	both := []string{w.part, recordName(w.part)}
	for _, name := range both {
		_ = w.root.Remove(name) // while it is locked
	}
	_ = w.f.Close()
	w.rec.close()
	if runtime.GOOS == "windows" { // which removes no open file
		for _, name := range both {
			_ = w.root.Remove(name)
		}
	}
	_ = w.root.Close()
}
