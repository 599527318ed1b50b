package serpy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/blob"
)

// bothEnds sends a blob from c to a, and gives the errors of both sides. The connection
// must be alive behind it.
func bothEnds(t *testing.T, a, c *serpy.Connection, info blob.Info, r io.Reader, receive func(b *serpy.Blob) error) (sender, receiver error) {
	t.Helper()
	sent := make(chan error, 1)
	go func() {
		_, err := c.SendBlob(t.Context(), info, r, nil)
		sent <- err
	}()
	b, err := a.ReceiveBlob(within(t, time.Minute))
	require.NoError(t, err)
	receiver = receive(b)
	sender = <-sent
	require.NoError(t, c.SendAcked(within(t, time.Minute), []byte("alive")))
	require.Equal(t, "alive", get(t, a).String())
	require.NoError(t, b.Close())
	return sender, receiver
}

func readAll(b *serpy.Blob) error {
	_, err := io.ReadAll(b)
	return err
}

// aborted is a blob.AbortError of a cause, and of the side where it began.
func aborted(t *testing.T, err, cause error, remote bool) (reason string) {
	t.Helper()
	var abort *blob.AbortError
	require.ErrorAs(t, err, &abort)
	require.ErrorIs(t, err, cause)
	require.Equal(t, remote, abort.Remote)
	return abort.Reason
}

var errSpilled = errors.New("the coffee was spilled")

// TestBlobThatFails has blobs fail in every way that one side knows first, and wants both
// to see why.
func TestBlobThatFails(t *testing.T) {
	a, c := blobPair(t, "tcp", nil)
	data := payload(1, 1<<20)
	named := blob.Info{Name: "x"}
	t.Run("its reader", func(t *testing.T) {
		r := io.MultiReader(bytes.NewReader(data), iotest.ErrReader(errSpilled))
		s, e := bothEnds(t, a, c, named, r, readAll)
		aborted(t, s, blob.ErrSource, false)
		require.ErrorIs(t, s, errSpilled)
		require.Equal(t, "the coffee was spilled", aborted(t, e, blob.ErrSource, true))
	})
	t.Run("its reader, with the error of a truncated source", func(t *testing.T) {
		r := io.MultiReader(bytes.NewReader(data), iotest.ErrReader(io.ErrUnexpectedEOF))
		s, e := bothEnds(t, a, c, named, r, readAll)
		aborted(t, s, blob.ErrSource, false)
		aborted(t, e, blob.ErrSource, true)
	})
	t.Run("its reader, which says nothing", func(t *testing.T) {
		s, e := bothEnds(t, a, c, named, silentReader{}, readAll)
		require.ErrorIs(t, s, io.ErrNoProgress)
		aborted(t, e, blob.ErrSource, true)
	})
	t.Run("rejected", func(t *testing.T) {
		s, _ := bothEnds(t, a, c, named, bytes.NewReader(data), func(b *serpy.Blob) error { return b.Reject("no room today") })
		aborted(t, s, blob.ErrRejected, true)
		var nack *serpy.NackError
		require.ErrorAs(t, s, &nack)
		require.Equal(t, "no room today", nack.Reason)
	})
	t.Run("its receiver walks away", func(t *testing.T) {
		s, e := bothEnds(t, a, c, named, bytes.NewReader(data), func(b *serpy.Blob) error {
			_, err := io.ReadFull(b, make([]byte, 100_000))
			require.NoError(t, err)
			require.NoError(t, b.Close())
			return readAll(b)
		})
		require.Equal(t, "closed", aborted(t, s, blob.ErrRejected, true))
		aborted(t, e, blob.ErrRejected, false)
	})
	t.Run("its writer", func(t *testing.T) {
		s, e := bothEnds(t, a, c, named, bytes.NewReader(data), func(b *serpy.Blob) error {
			_, err := b.WriteTo(brokenWriter{})
			return err
		})
		aborted(t, s, blob.ErrSink, true)
		require.ErrorIs(t, e, errSpilled)
	})
	t.Run("more than its size", func(t *testing.T) {
		s, e := bothEnds(t, a, c, blob.Info{Size: 1<<20 - 1}, bytes.NewReader(data), readAll)
		aborted(t, s, blob.ErrSize, false)
		aborted(t, e, blob.ErrSize, true)
	})
	t.Run("less than its size", func(t *testing.T) {
		s, e := bothEnds(t, a, c, blob.Info{Size: 1<<20 + 1}, bytes.NewReader(data), readAll)
		aborted(t, s, blob.ErrSize, false)
		aborted(t, e, blob.ErrSize, true)
	})
	t.Run("before it was offered", func(t *testing.T) {
		_, err := c.SendBlob(t.Context(), blob.Info{Name: strings.Repeat("n", 1025)}, bytes.NewReader(nil), nil)
		var info *blob.InfoError
		require.ErrorAs(t, err, &info)
		_, err = c.SendBlob(canceled(t.Context()), named, bytes.NewReader(nil), nil)
		require.ErrorIs(t, err, context.Canceled)
	})
}

type silentReader struct{}

func (silentReader) Read([]byte) (int, error) { return 0, nil }

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errSpilled }

func TestBlobCancelled(t *testing.T) {
	a, c := blobPair(t, "unix", nil)
	ctx, cancel := context.WithCancel(t.Context())
	sent := make(chan error, 1)
	go func() {
		_, err := c.SendBlob(ctx, blob.Info{}, newPattern(1<<40), nil)
		sent <- err
	}()
	b, err := a.ReceiveBlob(t.Context())
	require.NoError(t, err)
	_, err = io.CopyN(io.Discard, b, 5<<20)
	require.NoError(t, err)
	cancel()
	require.ErrorIs(t, <-sent, context.Canceled)
	_, err = b.WriteTo(io.Discard)
	aborted(t, err, blob.ErrCancelled, true)

	// The receiver's context: what it saved stays.
	dir := t.TempDir()
	path := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(path, payload(2, 4<<20), 0o600))
	go func() {
		_, err := c.SendFile(t.Context(), path, nil)
		sent <- err
	}()
	b, err = a.ReceiveBlob(t.Context())
	require.NoError(t, err)
	ctx, cancel = context.WithCancel(t.Context())
	_, err = b.SaveTo(ctx, dir, &blob.Options{Progress: func(blob.Progress) { cancel() }})
	cancel()
	if err == nil { // it was whole before Progress was called
		require.NoError(t, <-sent)
		return
	}
	require.ErrorIs(t, err, context.Canceled)
	aborted(t, <-sent, blob.ErrRejected, true)
	require.FileExists(t, filepath.Join(dir, "f.part"))
}

// TestBlobNames offers names that no file may have.
func TestBlobNames(t *testing.T) {
	a, c := blobPair(t, "tcp", nil)
	dir := t.TempDir()
	save := func(b *serpy.Blob) error {
		_, err := b.SaveTo(t.Context(), dir, nil)
		return err
	}
	for _, name := range []string{"../../x", "/etc/x", "CON", strings.Repeat("n", 300), "", ".", "a\x00b", `a\b`, "x.part"} {
		s, e := bothEnds(t, a, c, blob.Info{Name: name}, strings.NewReader("data"), save)
		aborted(t, s, blob.ErrName, true)
		require.ErrorIs(t, e, blob.ErrName, name)
	}
	s, e := bothEnds(t, a, c, blob.Info{Name: "x"}, strings.NewReader("data"), save)
	require.NoError(t, errors.Join(s, e))
	s, e = bothEnds(t, a, c, blob.Info{Name: "x"}, strings.NewReader("other data"), save)
	aborted(t, s, blob.ErrExists, true)
	require.ErrorIs(t, e, blob.ErrExists)
	s, e = bothEnds(t, a, c, blob.Info{Name: "x"}, strings.NewReader("other data"), func(b *serpy.Blob) error {
		_, err := b.SaveTo(t.Context(), dir, &blob.Options{Overwrite: true})
		return err
	})
	require.NoError(t, errors.Join(s, e))
	got, err := os.ReadFile(filepath.Join(dir, "x"))
	require.NoError(t, err)
	require.Equal(t, "other data", string(got))
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, files, 1)
}

// TestTwoBlobsOfOneName saves two of them at the same time: the second one is refused.
func TestTwoBlobsOfOneName(t *testing.T) {
	a, c := blobPair(t, "tcp", nil)
	dir := t.TempDir()
	first := make(chan error, 2)
	r, w := io.Pipe()
	go func() {
		_, err := c.SendBlob(t.Context(), blob.Info{Name: "x"}, r, nil)
		first <- err
	}()
	b, err := a.ReceiveBlob(t.Context())
	require.NoError(t, err)
	go func() {
		_, err := b.SaveTo(t.Context(), dir, nil)
		first <- err
	}()
	_, err = w.Write(make([]byte, blob.Chunk))
	require.NoError(t, err)
	_, err = w.Write(make([]byte, 1)) // the first chunk was taken: the saving is under way
	require.NoError(t, err)
	s, e := bothEnds(t, a, c, blob.Info{Name: "x"}, strings.NewReader("data"), func(b *serpy.Blob) error {
		_, err := b.SaveTo(t.Context(), dir, nil)
		return err
	})
	aborted(t, s, blob.ErrBusy, true)
	require.ErrorIs(t, e, blob.ErrBusy)
	require.NoError(t, w.Close())
	require.NoError(t, <-first)
	require.NoError(t, <-first)
	st, err := os.Stat(filepath.Join(dir, "x"))
	require.NoError(t, err)
	require.Equal(t, int64(blob.Chunk+1), st.Size())
}

// TestFileThatChanges changes a file while it is sent.
func TestFileThatChanges(t *testing.T) {
	a, c := blobPair(t, "tcp", nil)
	path := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(path, payload(1, 3<<20), 0o600))
	sent := make(chan error, 1)
	go func() {
		_, err := c.SendFile(t.Context(), path, nil)
		sent <- err
	}()
	b, err := a.ReceiveBlob(t.Context())
	require.NoError(t, err)
	_, err = io.CopyN(io.Discard, b, 1000)
	require.NoError(t, err)
	require.NoError(t, os.Chtimes(path, time.Time{}, time.Unix(1, 0)))
	aborted(t, readAll(b), blob.ErrSourceChanged, true)
	aborted(t, <-sent, blob.ErrSourceChanged, false)
}

// TestOffersThatNobodyTakes offers more blobs than may wait, and gives them up.
func TestOffersThatNobodyTakes(t *testing.T) {
	a, c := blobPair(t, "tcp", nil)
	ctx, cancel := context.WithCancel(t.Context())
	const n = 200
	sent := make(chan error, n)
	for i := range n {
		go func() {
			_, err := c.SendBlob(ctx, blob.Info{Name: fmt.Sprint(i)}, strings.NewReader("x"), nil)
			sent <- err
		}()
	}
	eventually(t, func() bool { return c.Stats().Blobs.Sending == n && a.Stats().Blobs.Receiving == 64 })
	require.NoError(t, c.SendAcked(t.Context(), []byte("beside")))
	get(t, a)
	for range 10 {
		b, err := a.ReceiveBlob(t.Context())
		require.NoError(t, err)
		require.NoError(t, readAll(b))
		require.NoError(t, <-sent)
	}
	eventually(t, func() bool { return a.Stats().Blobs.Receiving == 64 })
	cancel()
	for range n - 10 {
		require.ErrorIs(t, <-sent, context.Canceled)
	}
	eventually(t, func() bool { return a.Stats().Blobs.Receiving == 0 })
	_, err := a.ReceiveBlob(canceled(t.Context()))
	require.ErrorIs(t, err, context.Canceled)
	s, e := bothEnds(t, a, c, blob.Info{}, strings.NewReader("later"), readAll) // the line is free again
	require.NoError(t, errors.Join(s, e))
}

// TestAnAbortMakesRoomForAnOffer gives up one of as many offers as may wait: the peer hears
// of that before it hears of the one that takes its place.
func TestAnAbortMakesRoomForAnOffer(t *testing.T) {
	a, c := blobPair(t, "tcp", nil)
	const n = 65
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	sent := make(chan error, n)
	send := func(ctx context.Context, name string, sent chan<- error) {
		_, err := c.SendBlob(ctx, blob.Info{Name: name}, strings.NewReader("x"), nil)
		sent <- err
	}
	go send(ctx, "given up", first)
	eventually(t, func() bool { return a.Stats().Blobs.Receiving == 1 })
	for range n - 1 {
		go send(t.Context(), "", sent)
	}
	eventually(t, func() bool { return c.Stats().Blobs.Sending == n && a.Stats().Blobs.Receiving == n-1 })
	cancel()
	require.ErrorIs(t, <-first, context.Canceled)
	require.NoError(t, c.SendAcked(t.Context(), []byte("behind the Abort and the offer")))
	get(t, a)
	for taken := 0; taken < n-1; {
		b, err := a.ReceiveBlob(t.Context())
		require.NoError(t, err)
		err = readAll(b)
		if b.Info().Name != "" { // the Abort was still under way
			require.ErrorIs(t, err, blob.ErrCancelled)
			continue
		}
		require.NoError(t, err)
		require.NoError(t, <-sent)
		taken++
	}
}

// TestUnreadBlobStopsOnlyItself leaves one blob unread, and fills the queue of messages.
func TestUnreadBlobStopsOnlyItself(t *testing.T) {
	a, c := blobPair(t, "tcp", &serpy.Options{
		SendQueue: serpy.Queue{Messages: 100}, ReceiveQueue: serpy.Queue{Messages: 100},
	})
	sent := make(chan error, 1)
	go func() {
		_, err := c.SendBlob(t.Context(), blob.Info{Name: "unread"}, newPattern(10<<20), nil)
		sent <- err
	}()
	unread, err := a.ReceiveBlob(t.Context())
	require.NoError(t, err)
	_, err = io.ReadFull(unread, make([]byte, 1))
	require.NoError(t, err)
	eventually(t, func() bool { return a.Stats().Blobs.ReceivedBytes == window })
	// Messages go on beside it, and another blob does.
	for range 1000 {
		require.NoError(t, c.Send(t.Context(), []byte("x")))
		get(t, a)
	}
	s, e := bothEnds(t, a, c, blob.Info{}, newPattern(5<<20), readAll)
	require.NoError(t, errors.Join(s, e))
	// And with queues full of messages that nobody takes a blob does.
	for {
		if _, err := c.TrySend(serpy.Message{Data: []byte("unread")}); err != nil {
			require.ErrorIs(t, err, serpy.ErrQueueFull)
			if a.Stats().ReceiveQueue.Messages == 100 {
				break
			}
		}
	}
	go func() {
		_, err := c.SendBlob(t.Context(), blob.Info{}, newPattern(5<<20), nil)
		sent <- err
	}()
	b, err := a.ReceiveBlob(t.Context())
	require.NoError(t, err)
	require.NoError(t, readAll(b))
	require.NoError(t, <-sent)
	assert.Equal(t, uint64(window), a.Stats().Blobs.ReceivedBytes-10<<20)
	require.NoError(t, readAll(unread))
	require.NoError(t, <-sent)
	for range 100 {
		get(t, a)
	}
}

// TestLargeMessagesDoNotStarveABlob keeps the queue of messages full while a blob is sent,
// which gets at least a tenth of the line.
func TestLargeMessagesDoNotStarveABlob(t *testing.T) {
	a, c := blobPair(t, "unix", nil)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{}, 2)
	go func() {
		defer func() { ended <- struct{}{} }()
		data := make([]byte, 60_000)
		for err := error(nil); err == nil; {
			err = c.Send(ctx, data)
		}
	}()
	go func() {
		defer func() { ended <- struct{}{} }()
		for range a.Messages(ctx) {
		}
	}()
	eventually(t, func() bool { return a.Stats().Received > 100 })
	before := a.Stats()
	s, e := bothBlob(t, a, c)
	after := a.Stats()
	cancel()
	<-ended
	<-ended
	require.NoError(t, errors.Join(s, e))
	messages := 60_000 * float64(after.Received-before.Received)
	blobs := float64(after.Blobs.ReceivedBytes - before.Blobs.ReceivedBytes)
	t.Logf("the blob had %.0f %% of the line", 100*blobs/(messages+blobs))
	require.Greater(t, blobs, (messages+blobs)/10)
}

func bothBlob(t *testing.T, a, c *serpy.Connection) (sender, receiver error) {
	t.Helper()
	sent := make(chan error, 1)
	go func() {
		_, err := c.SendBlob(t.Context(), blob.Info{}, newPattern(50<<20), nil)
		sent <- err
	}()
	b, err := a.ReceiveBlob(t.Context())
	require.NoError(t, err)
	_, err = b.WriteTo(io.Discard)
	return <-sent, err
}
