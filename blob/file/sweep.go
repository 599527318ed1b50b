package file

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/serpy-go/serpy/blob"
)

// Bounds of what waits in a folder to be gone on with.
const (
	// KeepPartial is how long it waits, unless the options say otherwise.
	KeepPartial = 7 * 24 * time.Hour
	// MaxPartials is how many of them wait; the oldest go first.
	MaxPartials = 64
	// MaxPartialBytes is how much they may hold together; the oldest go first.
	MaxPartialBytes = 64 << 30
)

// sweepEvery is how often a folder is looked through: it may hold many files.
const sweepEvery = time.Minute

var swept = struct {
	sync.Mutex
	at map[string]time.Time
}{at: make(map[string]time.Time)}

// sweep removes the partials of a folder that are too old or too many. Errors are no
// matter: the next one comes again.
func sweep(dir string, o *blob.Options) {
	now := time.Now() //nolint:forbidigo // of the files, which have the same clock
	swept.Lock()
	due := now.Sub(swept.at[dir]) >= sweepEvery
	if due {
		if len(swept.at) > 256 {
			clear(swept.at)
		}
		swept.at[dir] = now
	}
	swept.Unlock()
	if due {
		keep := o.KeepPartial
		if keep == 0 {
			keep = KeepPartial
		}
		_ = Sweep(dir, now, keep)
	}
}

// A waiting partial, with nobody at work on it.
type waiting struct {
	part, record string
	changed      time.Time
	size         int64
}

// Sweep removes what is unfinished in a folder and older than keep (never, if that is
// negative), and the oldest of what is beyond MaxPartials or MaxPartialBytes. It leaves
// what is being received. Open does so by itself, at most once a minute.
func Sweep(dir string, now time.Time, keep time.Duration) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	all, err := list(root)
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b waiting) int { return b.changed.Compare(a.changed) }) // the newest first
	var bytes int64
	n := 0
	for _, w := range all {
		n++
		bytes += w.size
		if keep >= 0 && now.Sub(w.changed) > keep || n > MaxPartials || bytes > MaxPartialBytes {
			if remove(dir, root, w) {
				n--
				bytes -= w.size
			}
		}
	}
	return nil
}

// list finds the partials of a folder. Only what has a record is ours for sure.
func list(root *os.Root) (all []waiting, err error) {
	d, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer func() { _ = d.Close() }()
	for {
		names, err := d.Readdirnames(256)
		if err != nil {
			return all, nil // at its end, or what there is
		}
		for _, name := range names {
			if !strings.HasSuffix(name, recordSuffix) {
				continue
			}
			w := waiting{record: name, part: strings.TrimSuffix(name, recordSuffix) + partSuffix}
			r, err := root.Lstat(w.record)
			if err != nil || !r.Mode().IsRegular() {
				continue
			}
			w.changed = r.ModTime()
			if p, err := root.Lstat(w.part); err == nil {
				w.size = p.Size()
			}
			all = append(all, w)
		}
	}
}

// remove removes a partial that nobody is at work on.
func remove(dir string, root *os.Root, w waiting) bool {
	rec, err := openRecord(root, w.record)
	if rec == nil || err != nil { // none of ours
		return false
	}
	rec.close()
	claims.Lock()
	defer claims.Unlock()
	for _, p := range claims.held {
		if p.holds(dir, w.part) {
			return false
		}
	}
	f, err := openLocked(root, w.part)
	if err != nil {
		return false
	}
	_ = root.Remove(w.record)
	err = root.Remove(w.part)
	_ = f.Close()
	if err != nil { // Windows removes no open file
		err = root.Remove(w.part)
	}
	return err == nil
}

// holds says whether p is at work on a partial of a folder.
func (p *Partial) holds(dir, part string) bool {
	return filepath.Dir(p.path) == dir && partName(p.name) == part
}
