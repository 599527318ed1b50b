package file

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/serpy-go/serpy/blob"
	"github.com/serpy-go/serpy/protocol"
)

// A record says of which source a partial is, and the CRC-32C of each of its whole chunks.
// It is a head of recordHead bytes and four bytes a chunk:
//
//	0  16  magic; another one for a source without a key
//	16 32  SHA-256 of the first chunk
//	48  8  size; all ones: unknown
//	56  8  when the source was changed, nanoseconds
//	64  4  CRC-32C of all before
//	68  8  how many bytes of the partial were synced
//	76  4  CRC-32C of those eight
type record struct {
	f    *os.File
	head [recordHead]byte
	n    int64 // chunks
}

const (
	recordMagic = "serpy partial 1\n"
	recordNoKey = "serpy partial 0\n"
	recordKey   = 68
	recordHead  = 80
)

func keyOf(o *protocol.BlobInfo) (b [recordKey]byte) {
	copy(b[:], recordNoKey)
	if o.Keyed {
		copy(b[:], recordMagic)
	}
	copy(b[16:], o.First[:])
	size := ^uint64(0)
	if o.Sized {
		size = o.Size
	}
	le := binary.LittleEndian
	le.PutUint64(b[48:], size)
	le.PutUint64(b[56:], uint64(o.Modified)) //nolint:gosec // its bits
	le.PutUint32(b[64:], protocol.Sum(0, b[:64]))
	return b
}

func createRecord(root *os.Root, name string, key *protocol.BlobInfo) (*record, error) {
	f, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	r := &record{f: f}
	if err := r.reset(key); err != nil {
		r.close()
		_ = root.Remove(name)
		return nil, err
	}
	return r, nil
}

// reset makes it the record of a source of which nothing is there.
func (r *record) reset(key *protocol.BlobInfo) error {
	k := keyOf(key)
	copy(r.head[:], k[:])
	r.n = 0
	if err := r.f.Truncate(recordHead); err != nil {
		return err
	}
	return r.sync(0)
}

// openRecord opens a record; nil if there is none, or what is there is none.
func openRecord(root *os.Root, name string) (*record, error) {
	there, err := root.Lstat(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !there.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %q is no plain file", blob.ErrSink, name)
	}
	f, err := root.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	r := &record{f: f}
	_, err = f.ReadAt(r.head[:], 0)
	magic := string(r.head[:len(recordMagic)])
	whole := err == nil && (magic == recordMagic || magic == recordNoKey) &&
		binary.LittleEndian.Uint32(r.head[64:]) == protocol.Sum(0, r.head[:64])
	if !whole {
		r.close()
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		return nil, nil
	}
	r.n = (there.Size() - recordHead) / 4
	return r, nil
}

// of says whether the record is of that source.
func (r *record) of(key *protocol.BlobInfo) bool {
	k := keyOf(key)
	return key.Keyed && string(r.head[:recordKey]) == string(k[:])
}

// add records one chunk more.
func (r *record) add(sum uint32) error {
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], sum)
	if _, err := r.f.WriteAt(b[:], recordHead+4*r.n); err != nil {
		return err
	}
	r.n++
	return nil
}

// sync says that so many bytes of the partial were synced.
func (r *record) sync(bytes int64) error {
	b := r.head[recordKey:]
	binary.LittleEndian.PutUint64(b, uint64(bytes)) //nolint:gosec // not negative
	binary.LittleEndian.PutUint32(b[8:], protocol.Sum(0, b[:8]))
	if bytes > 0 {
		if err := r.f.Sync(); err != nil { // the sums, before what speaks for them
			return err
		}
	}
	_, err := r.f.WriteAt(r.head[:], 0)
	return err
}

// verified is how far the partial is what the record says: what was synced is believed, the
// rest is read. What is behind is forgotten.
func (r *record) verified(part *os.File) (bytes int64, digest blob.Digest, err error) {
	there, err := part.Stat()
	if err != nil {
		return 0, digest, err
	}
	chunks := min(r.n, there.Size()/blob.Chunk)
	b := r.head[recordKey:]
	synced := int64(binary.LittleEndian.Uint64(b)) //nolint:gosec // compared below
	if binary.LittleEndian.Uint32(b[8:]) != protocol.Sum(0, b[:8]) || synced < 0 {
		synced = 0
	}
	sums := make([]byte, 4*1024) // a part of the record at a time
	var data []byte
	var n int64
	for ; n < chunks; n++ {
		at := int(n) % 1024 * 4
		if at == 0 {
			want := min(1024, chunks-n) * 4
			if _, err := r.f.ReadAt(sums[:want], recordHead+4*n); err != nil {
				return 0, digest, err
			}
		}
		sum := binary.LittleEndian.Uint32(sums[at:])
		if (n+1)*blob.Chunk > synced {
			if data == nil {
				data = make([]byte, blob.Chunk)
			}
			if _, err := part.ReadAt(data, n*blob.Chunk); err != nil {
				return 0, digest, err
			}
			if protocol.Sum(0, data) != sum {
				break
			}
		}
		digest.Add(sum, blob.Chunk)
	}
	r.n = n
	return n * blob.Chunk, digest, r.f.Truncate(recordHead + 4*n)
}

func (r *record) close() { _ = r.f.Close() }
