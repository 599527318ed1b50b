package blob

import (
	"crypto/sha256"
	"encoding/binary"
)

// A Digest is the running digest of a blob (SPEC.md 10.4): a chain of SHA-256 over the
// CRC-32C and the length of each chunk. The zero Digest is that of no chunks.
//
// It finds what hardware and software do to data by mistake. It is no defence against
// somebody who changes the data on purpose: that is what TLS is for.
type Digest [sha256.Size]byte

// Add goes on with a chunk of n bytes, whose CRC-32C is sum (see protocol.Sum).
func (d *Digest) Add(sum uint32, n int) {
	var b [sha256.Size + 8]byte
	copy(b[:], d[:])
	binary.LittleEndian.PutUint32(b[sha256.Size:], sum)
	binary.LittleEndian.PutUint32(b[sha256.Size+4:], uint32(n)) //nolint:gosec // at most Chunk
	*d = sha256.Sum256(b[:])
}

// Final is the digest of a blob of size bytes, of which d is the state behind the last
// chunk.
func (d Digest) Final(size int64) [sha256.Size]byte {
	var b [sha256.Size + 8]byte
	copy(b[:], d[:])
	binary.LittleEndian.PutUint64(b[sha256.Size:], uint64(size)) //nolint:gosec // not negative
	return sha256.Sum256(b[:])
}
