// Package file keeps blobs as files. What is unfinished is name.part, with a record of
// what was verified in name.part.rec; what is whole was synced and renamed, so that no
// reader of the folder ever sees a part under the name. All is done through an os.Root:
// no name leads out of the folder.
package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/serpy-go/serpy/blob"
	"github.com/serpy-go/serpy/protocol"
)

// A Partial is a file that is being received. Its methods may be called from any
// goroutine; Write gets the data in order.
type Partial struct {
	path      string // of the finished file
	name      string
	key       protocol.BlobInfo
	overwrite bool
	gone      chan struct{}
	stalled   atomic.Bool

	mu      sync.Mutex // held while the disk works
	opening bool
	w       *writing // nil: closed
	err     error    // why, if not by Close
	resumed int64
	begin   blob.Digest
}

// claims are the partials that are open in this process, by path. Its mutex is taken
// before that of a Partial, never under it, and nobody waits for a disk under it, but where a
// blob takes the place of another one of its name.
var claims = struct {
	sync.Mutex
	held map[string]*Partial
}{held: make(map[string]*Partial)}

// Open begins to save a blob in a folder, or goes on with what is there of it: Has says how
// much. The folder must exist. Errors: blob.ErrName; blob.ErrExists, without o.Overwrite;
// blob.ErrBusy, while another blob of that name is received; blob.ErrSourceChanged, where
// what is there is of another source, and o.Overwrite is not set: the part is removed
// then, so that a second call begins anew; blob.ErrDiskFull; else blob.ErrSink.
//
// A file that the same source left here at an earlier time, by its size, its time and its
// first chunk, is no error: then Has says that all is there, and Commit leaves it as it is.
//
// Where the same source is being received already, as it seems while nobody has noticed
// that its sender is gone, the newer one takes over, and the older one is Replaced.
func Open(dir string, info *protocol.BlobInfo, o *blob.Options) (*Partial, error) {
	if o == nil {
		o = &blob.Options{}
	}
	if err := CheckName(info.Name); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, sinkError(err)
	}
	p := &Partial{
		path: filepath.Join(dir, info.Name), name: info.Name, key: *info,
		overwrite: o.Overwrite, gone: make(chan struct{}),
	}
	sweep(dir, o)
	if !p.claim() {
		return nil, fmt.Errorf("%w: %q", blob.ErrBusy, p.name)
	}
	w, err := openWriting(dir, &p.key, o.Overwrite)
	p.mu.Lock()
	p.opening = false
	if err == nil {
		p.w, p.resumed, p.begin = w, w.has, w.digest
	}
	p.mu.Unlock()
	if err != nil {
		p.release()
		return nil, sinkError(err)
	}
	return p, nil
}

// claim takes the name, if it is free or becomes so.
func (p *Partial) claim() bool {
	claims.Lock()
	defer claims.Unlock()
	if old := claims.held[p.path]; old != nil && !old.giveWay(&p.key) {
		return false
	}
	p.opening = true
	claims.held[p.path] = p
	return true
}

// release gives the name up.
func (p *Partial) release() {
	claims.Lock()
	defer claims.Unlock()
	if claims.held[p.path] == p {
		delete(claims.held, p.path)
	}
}

// giveWay ends p for a newer blob of its name, if that is of the same source, or if p is
// stalled. claims is held.
func (p *Partial) giveWay(key *protocol.BlobInfo) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.opening:
		return false
	case p.w == nil:
		return true
	case !p.stalled.Load() && !sameSource(&p.key, key):
		return false
	}
	p.end(fmt.Errorf("%w: %q was begun again", blob.ErrBusy, p.name))
	close(p.gone)
	return true
}

// sameSource says whether two offers are of one source, as far as their keys tell.
func sameSource(a, b *protocol.BlobInfo) bool {
	return a.Keyed && b.Keyed && a.First == b.First && a.Modified == b.Modified && a.Sized == b.Sized && a.Size == b.Size
}

// end closes the files; what is there stays if it may be gone on with. p.mu is held.
func (p *Partial) end(err error) {
	w := p.w
	p.w, p.err = nil, err
	if p.key.Keyed && w.whole > 0 || w.there {
		w.close()
		return
	}
	w.discard()
}

// Has is how many bytes there already are, and the state of the digest behind them: what
// Receiver.Accept wants.
func (p *Partial) Has() (bytes int64, state blob.Digest) { return p.resumed, p.begin }

// Stall says whether the sender is out of reach: then another blob of the name may take the
// place of this one. It never waits for the disk.
func (p *Partial) Stall(on bool) {
	p.stalled.Store(on)
}

// Replaced is closed when a newer blob took the place of this one; Write says so too.
func (p *Partial) Replaced() <-chan struct{} { return p.gone }

// Write goes on with the data. Errors: blob.ErrDiskFull, blob.ErrBusy (see Replaced),
// else blob.ErrSink; what was written before stays, and is gone on with later.
func (p *Partial) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.w == nil {
		return 0, p.closed()
	}
	n, err := p.w.write(b)
	return n, sinkError(err)
}

func (p *Partial) closed() error {
	if p.err != nil {
		return p.err
	}
	return fmt.Errorf("%w: %w", blob.ErrSink, fs.ErrClosed)
}

// Commit ends a blob of which all was written: it is synced, compared with the digest,
// and gets its name. Errors as those of Write, and blob.ErrDigest, blob.ErrSize,
// blob.ErrExists.
func (p *Partial) Commit(size int64, digest [32]byte) (path string, err error) {
	defer p.releaseClosed()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.w == nil {
		return "", p.closed()
	}
	err = p.w.commit(size, digest, p.overwrite)
	if errors.Is(err, blob.ErrDigest) { // nobody shall go on with it
		p.w.discard()
	}
	if err == nil || errors.Is(err, blob.ErrDigest) {
		p.w, p.err = nil, err
	}
	if err != nil {
		return "", sinkError(err)
	}
	return p.path, nil
}

// Close keeps what is there, if it is of a source that can be gone on with, and removes it
// otherwise. After Commit it does nothing.
func (p *Partial) Close() error {
	defer p.releaseClosed()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.w != nil {
		p.end(nil)
	}
	return nil
}

// Discard is Close, and removes what is there.
func (p *Partial) Discard() {
	defer p.releaseClosed()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.w != nil {
		p.w.discard()
		p.w = nil
	}
}

// releaseClosed gives the name up, if the files are closed.
func (p *Partial) releaseClosed() {
	p.mu.Lock()
	closed := p.w == nil
	p.mu.Unlock()
	if closed {
		p.release()
	}
}

// sinkError makes err one of those that both sides know.
func sinkError(err error) error {
	if err == nil {
		return nil
	}
	for _, known := range []error{blob.ErrSink, blob.ErrDiskFull, blob.ErrExists, blob.ErrBusy, blob.ErrSourceChanged, blob.ErrDigest, blob.ErrSize, blob.ErrName} {
		if errors.Is(err, known) {
			return err
		}
	}
	if isFull(err) {
		return fmt.Errorf("%w: %w", blob.ErrDiskFull, err)
	}
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%w: %w", blob.ErrExists, err)
	}
	return fmt.Errorf("%w: %w", blob.ErrSink, err)
}
