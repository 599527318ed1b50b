package file_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/serpy-go/serpy/blob"
	"github.com/serpy-go/serpy/blob/file"
	"github.com/serpy-go/serpy/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var content = func() []byte {
	b := make([]byte, 5*blob.Chunk+77)
	r := rand.New(rand.NewPCG(3, 4))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}()

func infoOf(name string, b []byte) *protocol.BlobInfo {
	return &protocol.BlobInfo{
		Name: name, Size: uint64(len(b)), Sized: true,
		Keyed: true, First: sha256.Sum256(b[:min(len(b), blob.Chunk)]), Modified: 5,
	}
}

func digestOf(b []byte) [32]byte {
	var d blob.Digest
	for rest := b; len(rest) > 0; rest = rest[min(len(rest), blob.Chunk):] {
		c := rest[:min(len(rest), blob.Chunk)]
		d.Add(protocol.Sum(0, c), len(c))
	}
	return d.Final(int64(len(b)))
}

func open(t *testing.T, dir string, info *protocol.BlobInfo, o *blob.Options) *file.Partial {
	t.Helper()
	p, err := file.Open(dir, info, o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func write(t *testing.T, p *file.Partial, b []byte) {
	t.Helper()
	n, err := p.Write(b)
	require.NoError(t, err)
	require.Equal(t, len(b), n)
}

// names are the files of a folder.
func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range list {
		all = append(all, e.Name())
	}
	return all
}

func TestSave(t *testing.T) {
	for _, size := range []int{0, 1, blob.Chunk, blob.Chunk + 1, len(content)} {
		for _, step := range []int{blob.Chunk, 1000, 1 << 20} {
			dir := t.TempDir()
			b := content[:size]
			p := open(t, dir, infoOf("a.tif", b), nil)
			has, state := p.Has()
			require.Zero(t, has)
			require.Zero(t, state)
			for rest := b; len(rest) > 0; rest = rest[min(step, len(rest)):] {
				write(t, p, rest[:min(step, len(rest))])
				require.NoFileExists(t, filepath.Join(dir, "a.tif"))
				require.FileExists(t, filepath.Join(dir, "a.tif.part"))
			}
			path, err := p.Commit(int64(size), digestOf(b))
			require.NoError(t, err)
			require.Equal(t, filepath.Join(dir, "a.tif"), path)
			got, err := os.ReadFile(path)
			require.NoError(t, err)
			require.True(t, bytes.Equal(b, got))
			require.Equal(t, []string{"a.tif"}, names(t, dir))
			_, err = p.Write([]byte("x"))
			require.ErrorIs(t, err, blob.ErrSink)
			require.NoError(t, p.Close())
			require.Equal(t, []string{"a.tif"}, names(t, dir), "Close after Commit does nothing")
		}
	}
}

// TestGoOn leaves a partial at any place, and goes on with it.
func TestGoOn(t *testing.T) {
	for _, at := range []int{0, 1, blob.Chunk - 1, blob.Chunk, blob.Chunk + 1, 3*blob.Chunk + 5, len(content)} {
		dir := t.TempDir()
		info := infoOf("a", content)
		p := open(t, dir, info, nil)
		write(t, p, content[:at])
		require.NoError(t, p.Close())

		whole := at - at%blob.Chunk
		p = open(t, dir, info, nil)
		has, state := p.Has()
		require.EqualValues(t, whole, has)
		var d blob.Digest
		for i := range whole / blob.Chunk {
			d.Add(protocol.Sum(0, content[i*blob.Chunk:(i+1)*blob.Chunk]), blob.Chunk)
		}
		require.Equal(t, d, state)
		write(t, p, content[whole:])
		path, err := p.Commit(int64(len(content)), digestOf(content))
		require.NoError(t, err)
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		require.True(t, bytes.Equal(content, got))
		require.Equal(t, []string{"a"}, names(t, dir))
	}
}

// TestWhatWasSpoilt changes a partial or its record between: only what is right is gone on
// with.
func TestWhatWasSpoilt(t *testing.T) {
	flip := func(path string, at int64) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			f, err := os.OpenFile(filepath.Join(dir, path), os.O_RDWR, 0)
			require.NoError(t, err)
			var b [1]byte
			_, err = f.ReadAt(b[:], at)
			require.NoError(t, err)
			b[0] ^= 1
			_, err = f.WriteAt(b[:], at)
			require.NoError(t, err)
			require.NoError(t, f.Close())
		}
	}
	cut := func(path string, to int64) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			require.NoError(t, os.Truncate(filepath.Join(dir, path), to))
		}
	}
	for name, c := range map[string]struct {
		spoil func(*testing.T, string)
		has   int // -1: it might be somebody else's
	}{
		"nothing":                 {func(*testing.T, string) {}, 4},
		"a byte of the third":     {flip("a.part", 2*blob.Chunk+9), 2},
		"a byte of the first":     {flip("a.part", 9), 0},
		"the partial, cut":        {cut("a.part", 3*blob.Chunk-1), 2},
		"the partial, empty":      {cut("a.part", 0), 0},
		"the record, cut":         {cut("a.part.rec", 80+2*4+3), 2},
		"the record, its sums":    {flip("a.part.rec", 80+4), 1},
		"the record, what synced": {flip("a.part.rec", 68), 4},
		"the record, its head":    {flip("a.part.rec", 20), -1},
		"the record, its magic":   {flip("a.part.rec", 2), -1},
		"the record, empty":       {cut("a.part.rec", 0), -1},
		"the partial is gone": {func(t *testing.T, dir string) {
			t.Helper()
			require.NoError(t, os.Remove(filepath.Join(dir, "a.part")))
		}, 0},
		"the record is gone": {func(t *testing.T, dir string) {
			t.Helper()
			require.NoError(t, os.Remove(filepath.Join(dir, "a.part.rec")))
		}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			info := infoOf("a", content)
			p := open(t, dir, info, nil)
			write(t, p, content[:4*blob.Chunk+10])
			require.NoError(t, p.Close())
			c.spoil(t, dir)
			var o blob.Options
			if c.has < 0 {
				_, err := file.Open(dir, info, nil)
				require.ErrorIs(t, err, blob.ErrExists)
				o.Overwrite = true
			}
			p = open(t, dir, info, &o)
			has, _ := p.Has()
			require.EqualValues(t, max(c.has, 0)*blob.Chunk, has)
			write(t, p, content[has:])
			path, err := p.Commit(int64(len(content)), digestOf(content))
			require.NoError(t, err)
			got, err := os.ReadFile(path)
			require.NoError(t, err)
			require.True(t, bytes.Equal(content, got))
		})
	}
}

func TestAnotherSource(t *testing.T) {
	for name, change := range map[string]func(*protocol.BlobInfo){
		"its time":      func(o *protocol.BlobInfo) { o.Modified++ },
		"its size":      func(o *protocol.BlobInfo) { o.Size++ },
		"its begin":     func(o *protocol.BlobInfo) { o.First[7]++ },
		"it has no key": func(o *protocol.BlobInfo) { o.Keyed = false },
	} {
		t.Run(name, func(t *testing.T) {
			for _, overwrite := range []bool{false, true} {
				dir := t.TempDir()
				info := infoOf("a", content)
				p := open(t, dir, info, nil)
				write(t, p, content[:2*blob.Chunk])
				require.NoError(t, p.Close())
				change(info)
				if !overwrite {
					_, err := file.Open(dir, info, nil)
					require.ErrorIs(t, err, blob.ErrSourceChanged)
					require.Empty(t, names(t, dir))
				}
				p = open(t, dir, info, &blob.Options{Overwrite: overwrite})
				has, _ := p.Has()
				require.Zero(t, has)
			}
		})
	}
}

// What a longer source left behind must not stand at the end of a shorter one's file.
func TestAShorterSource(t *testing.T) {
	dir := t.TempDir()
	p := open(t, dir, infoOf("a", content), nil)
	write(t, p, content[:3*blob.Chunk])
	require.NoError(t, p.Close())
	shorter := content[blob.Chunk : blob.Chunk+99]
	p = open(t, dir, infoOf("a", shorter), &blob.Options{Overwrite: true})
	write(t, p, shorter)
	path, err := p.Commit(int64(len(shorter)), digestOf(shorter))
	require.NoError(t, err)
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, bytes.Equal(shorter, got))
}

func TestNoKeyNothingIsKept(t *testing.T) {
	dir := t.TempDir()
	info := infoOf("a", content)
	info.Keyed = false
	p := open(t, dir, info, nil)
	write(t, p, content)
	require.NoError(t, p.Close())
	require.Empty(t, names(t, dir))
}

func TestWrongAtTheEnd(t *testing.T) {
	dir := t.TempDir()
	p := open(t, dir, infoOf("a", content), nil)
	write(t, p, content)
	_, err := p.Commit(int64(len(content))+1, digestOf(content))
	require.ErrorIs(t, err, blob.ErrSize)
	_, err = p.Commit(int64(len(content)), [32]byte{1})
	require.ErrorIs(t, err, blob.ErrDigest)
	require.Empty(t, names(t, dir), "nobody shall go on with it")
	_, err = p.Write([]byte("x"))
	require.ErrorIs(t, err, blob.ErrDigest)
}

func TestExists(t *testing.T) {
	dir := t.TempDir()
	there := filepath.Join(dir, "a")
	require.NoError(t, os.WriteFile(there, []byte("old"), 0o600))
	info := infoOf("a", content[:10])
	_, err := file.Open(dir, info, nil)
	require.ErrorIs(t, err, blob.ErrExists)

	p := open(t, dir, info, &blob.Options{Overwrite: true})
	write(t, p, content[:10])
	got, err := os.ReadFile(there)
	require.NoError(t, err)
	require.Equal(t, "old", string(got), "until it is whole")
	_, err = p.Commit(10, digestOf(content[:10]))
	require.NoError(t, err)
	got, err = os.ReadFile(there)
	require.NoError(t, err)
	require.Equal(t, content[:10], got)

	// A file that comes meanwhile.
	require.NoError(t, os.Remove(there))
	p = open(t, dir, info, nil)
	write(t, p, content[:10])
	require.NoError(t, os.WriteFile(there, []byte("new"), 0o600))
	_, err = p.Commit(10, digestOf(content[:10]))
	require.ErrorIs(t, err, blob.ErrExists)
	require.NoError(t, p.Close())
	got, err = os.ReadFile(there)
	require.NoError(t, err)
	require.Equal(t, "new", string(got))
	require.Equal(t, []string{"a"}, names(t, dir))

	// A folder is never replaced.
	require.NoError(t, os.Mkdir(filepath.Join(dir, "d"), 0o700))
	_, err = file.Open(dir, infoOf("d", content), &blob.Options{Overwrite: true})
	require.ErrorIs(t, err, blob.ErrExists)
}

// TestNamedAndNotRemoved is a process that was killed between giving the name and removing
// the partial: the file must not be written to.
func TestNamedAndNotRemoved(t *testing.T) {
	dir := t.TempDir()
	info := infoOf("a", content)
	p := open(t, dir, info, nil)
	write(t, p, content)
	require.NoError(t, p.Close())
	if err := os.Link(filepath.Join(dir, "a.part"), filepath.Join(dir, "a")); err != nil {
		require.NotEqual(t, "linux", runtime.GOOS)
		return // a file system without links makes none in Commit either
	}
	p = open(t, dir, info, &blob.Options{Overwrite: true})
	got, err := os.ReadFile(filepath.Join(dir, "a"))
	require.NoError(t, err)
	require.True(t, bytes.Equal(content, got))
	require.NoError(t, p.Close())
}

// TestThereAlready sends a file again that has arrived: nothing is left to be sent.
func TestThereAlready(t *testing.T) {
	for _, size := range []int{0, 10, blob.Chunk, len(content)} {
		dir := t.TempDir()
		b := content[:size]
		info := infoOf("a", b)
		info.Modified = time.Date(2026, 1, 2, 3, 4, 5, 123456789, time.UTC).UnixNano()
		save := func(has int) error {
			p := open(t, dir, info, nil)
			at, _ := p.Has()
			require.EqualValues(t, has, at)
			write(t, p, b[at:])
			_, err := p.Commit(int64(size), digestOf(b))
			return err
		}
		require.NoError(t, save(0))
		before, err := os.Stat(filepath.Join(dir, "a"))
		require.NoError(t, err)
		require.Equal(t, info.Modified/100, before.ModTime().UnixNano()/100)
		require.NoError(t, save(size))
		after, err := os.Stat(filepath.Join(dir, "a"))
		require.NoError(t, err)
		require.True(t, os.SameFile(before, after))

		p := open(t, dir, info, nil)
		_, err = p.Write([]byte("x"))
		require.ErrorIs(t, err, blob.ErrSize)
		p.Discard()
		require.Equal(t, []string{"a"}, names(t, dir))
		p = open(t, dir, info, nil)
		_, err = p.Commit(int64(size), [32]byte{1})
		require.ErrorIs(t, err, blob.ErrDigest)
		require.Equal(t, []string{"a"}, names(t, dir))

		for _, change := range []func(o *protocol.BlobInfo){
			func(o *protocol.BlobInfo) { o.Modified += 1000 },
			func(o *protocol.BlobInfo) { o.Size++ },
			func(o *protocol.BlobInfo) { o.First[0]++ },
			func(o *protocol.BlobInfo) { o.Keyed, o.Modified = false, 0 },
			func(o *protocol.BlobInfo) { o.Modified = 0 },
		} {
			other := *info
			change(&other)
			_, err := file.Open(dir, &other, nil)
			require.ErrorIs(t, err, blob.ErrExists)
		}
	}
}

func TestTwoOfOneName(t *testing.T) {
	dir := t.TempDir()
	info := infoOf("a", content)
	first := open(t, dir, info, nil)
	write(t, first, content[:2*blob.Chunk+5])

	other := *info
	other.Modified++
	_, err := file.Open(dir, &other, nil)
	require.ErrorIs(t, err, blob.ErrBusy)
	write(t, first, content[2*blob.Chunk+5:3*blob.Chunk])

	// The same source again: nobody has noticed yet that the first one is dead.
	second := open(t, dir, info, nil)
	has, _ := second.Has()
	require.EqualValues(t, 3*blob.Chunk, has)
	<-first.Replaced()
	_, err = first.Write([]byte("x"))
	require.ErrorIs(t, err, blob.ErrBusy)
	_, err = first.Commit(3*blob.Chunk, digestOf(content[:3*blob.Chunk]))
	require.ErrorIs(t, err, blob.ErrBusy)
	require.NoError(t, first.Close())
	write(t, second, content[3*blob.Chunk:])

	// Another source, and the second one is out of reach: what it has is given up.
	second.Stall(true)
	_, err = file.Open(dir, &other, nil)
	require.ErrorIs(t, err, blob.ErrSourceChanged)
	third := open(t, dir, &other, nil)
	write(t, third, content)
	_, err = third.Commit(int64(len(content)), digestOf(content))
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, names(t, dir))
}

func TestNames(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "in")
	require.NoError(t, os.Mkdir(dir, 0o700))
	for _, bad := range []string{
		"", ".", "..", "../../x", "/etc/x", "a/b", `a\b`, `..\x`, `C:\x`, "C:x", "a:stream", "CON", "con", "Con.txt", "nul", "NUL .tar.gz", "AUX", "prn.x",
		"COM1", "com¹.dat", "LPT9", "CONIN$", strings.Repeat("x", 300), strings.Repeat("x", 256), "a\x00b", "a\nb", "a\x7f", "a\u0085b", "\xff", "a*", "what?",
		"<a>", "a|b", `"a"`, "a.", "a ", "a.part", "A.PART", "a.part.rec", "...",
	} {
		_, err := file.Open(dir, infoOf(bad, content), &blob.Options{Overwrite: true})
		require.ErrorIs(t, err, blob.ErrName, "%q", bad)
		require.Less(t, len(err.Error()), 200)
	}
	outside, err := os.ReadDir(filepath.Dir(dir))
	require.NoError(t, err)
	require.Len(t, outside, 1)
	require.Empty(t, names(t, dir))
	for _, good := range []string{"a", "a b.tif", ".hidden", "-rf", "Messung 7 µm.dat", "CONSOLE", "COM10", "COM", "a..b", strings.Repeat("x", 255), strings.Repeat("é", 127), "~", "$HOME", "%00"} {
		p := open(t, dir, infoOf(good, content), nil)
		write(t, p, content)
		path, err := p.Commit(int64(len(content)), digestOf(content))
		require.NoError(t, err, "%q", good)
		require.Equal(t, filepath.Join(dir, good), path)
		require.FileExists(t, path)
	}
}

// TestNotThroughLinks holds a partial to stay in its folder, and to be a plain file.
func TestNotThroughLinks(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "precious")
	require.NoError(t, os.WriteFile(outside, []byte("keep"), 0o600))
	for _, at := range []string{"a.part", "b", "c.part.rec"} {
		if err := os.Symlink(outside, filepath.Join(dir, at)); err != nil {
			require.Equal(t, "windows", runtime.GOOS)
			return // it takes a right there that few have
		}
	}
	_, err := file.Open(dir, infoOf("a", content), nil)
	require.ErrorIs(t, err, blob.ErrSink)
	_, err = file.Open(dir, infoOf("b", content), nil)
	require.ErrorIs(t, err, blob.ErrExists)
	_, err = file.Open(dir, infoOf("c", content), nil)
	require.ErrorIs(t, err, blob.ErrSink)
	p := open(t, dir, infoOf("b", content), &blob.Options{Overwrite: true})
	write(t, p, content)
	_, err = p.Commit(int64(len(content)), digestOf(content))
	require.NoError(t, err)
	got, err := os.ReadFile(outside)
	require.NoError(t, err)
	require.Equal(t, "keep", string(got), "the link was replaced, not what it names")

	require.NoError(t, os.Mkdir(filepath.Join(dir, "d.part"), 0o700))
	_, err = file.Open(dir, infoOf("d", content), nil)
	require.ErrorIs(t, err, blob.ErrSink)
	_, err = file.Open(filepath.Join(dir, "nowhere"), infoOf("d", content), nil)
	require.ErrorIs(t, err, blob.ErrSink)
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	for i := range 5 {
		p := open(t, dir, infoOf(fmt.Sprint("f", i), content), nil)
		write(t, p, content[:2*blob.Chunk])
		if i != 4 {
			require.NoError(t, p.Close())
		}
		old := now.Add(-time.Duration(i) * 24 * time.Hour)
		require.NoError(t, os.Chtimes(filepath.Join(dir, fmt.Sprintf("f%d.part.rec", i)), old, old))
	}
	theirs := filepath.Join(dir, "theirs.part")
	require.NoError(t, os.WriteFile(theirs, nil, 0o600))
	require.NoError(t, os.WriteFile(theirs+".rec", []byte("not ours"), 0o600))
	ancient := now.Add(-1000 * 24 * time.Hour)
	require.NoError(t, os.Chtimes(theirs+".rec", ancient, ancient))

	require.NoError(t, file.Sweep(dir, now, -1))
	require.Len(t, names(t, dir), 12)
	require.NoError(t, file.Sweep(dir, now, 36*time.Hour))
	require.Equal(t, []string{"f0.part", "f0.part.rec", "f1.part", "f1.part.rec", "f4.part", "f4.part.rec", "theirs.part", "theirs.part.rec"}, names(t, dir),
		"f4 is being received, and theirs are none of ours")
}

func TestTooManyPartials(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	for i := range file.MaxPartials + 3 {
		p := open(t, dir, infoOf(fmt.Sprintf("f%03d", i), content), nil)
		write(t, p, content[:blob.Chunk])
		require.NoError(t, p.Close())
		at := now.Add(time.Duration(i) * time.Second)
		require.NoError(t, os.Chtimes(filepath.Join(dir, fmt.Sprintf("f%03d.part.rec", i)), at, at))
	}
	require.NoError(t, file.Sweep(dir, now, time.Hour))
	all := names(t, dir)
	require.Len(t, all, 2*file.MaxPartials)
	require.Equal(t, "f003.part", all[0], "the oldest went")
}

func TestSource(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.tif")
	require.NoError(t, os.WriteFile(path, content, 0o600))
	s, err := file.OpenSource(path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	st, err := os.Stat(path)
	require.NoError(t, err)
	want := infoOf("a.tif", content)
	want.Modified, want.Time = st.ModTime().UnixNano(), st.ModTime().UnixNano()
	assert.Equal(t, *want, s.Info())
	b := make([]byte, 10)
	_, err = s.ReadAt(b, 100)
	require.NoError(t, err)
	assert.Equal(t, content[100:110], b)
	require.NoError(t, s.Unchanged())
	later := st.ModTime().Add(time.Second)
	require.NoError(t, os.Chtimes(path, later, later))
	require.ErrorIs(t, s.Unchanged(), blob.ErrSourceChanged)
	require.NoError(t, os.Truncate(path, 10))
	require.ErrorIs(t, s.Unchanged(), blob.ErrSourceChanged)

	_, err = file.OpenSource(t.TempDir())
	require.Error(t, err)
	_, err = file.OpenSource(path + "x")
	require.ErrorIs(t, err, os.ErrNotExist)
}
