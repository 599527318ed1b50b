package blob_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/blob"
	"github.com/serpy-go/serpy/protocol"
)

const size = 3*blob.Chunk + 10

// part is a chunk of the content.
func part(n int) []byte { return content[n*blob.Chunk : min((n+1)*blob.Chunk, size)] }

// digestAt is the state of the digest behind n chunks.
func digestAt(n int) (d blob.Digest) {
	for i := range n {
		d.Add(protocol.Sum(0, part(i)), len(part(i)))
	}
	return d
}

func offer(change ...func(*protocol.BlobInfo)) *protocol.Blob {
	f := &protocol.Blob{Op: protocol.BlobOffer, ID: 1, Info: protocol.BlobInfo{Name: "x", Size: size, Sized: true, Keyed: true, Modified: 5}}
	for _, c := range change {
		c(&f.Info)
	}
	return f
}

func unsized(o *protocol.BlobInfo)  { o.Sized, o.Size = false, 0 }
func unkeyed(o *protocol.BlobInfo)  { o.Keyed, o.Modified = false, 0 }
func timeless(o *protocol.BlobInfo) { o.Modified = 0 }

// A receiver that accepted, has n chunks and room for two more.
func receiving(t *testing.T, n int, change ...func(*protocol.BlobInfo)) *blob.Receiver {
	t.Helper()
	r := blob.NewReceiver(offer(change...), 2*blob.Chunk)
	r.Accept(0, blob.Digest{})
	said(t, r, protocol.BlobAccept)
	for i := range n {
		data, err := r.Handle(&protocol.Blob{Op: protocol.BlobData, ID: 1, Offset: uint64(i * blob.Chunk), Data: part(i)})
		require.NoError(t, err)
		require.Equal(t, part(i), data)
		if r.Taken(len(data)); len(data) == blob.Chunk {
			said(t, r, protocol.BlobCredit)
		}
	}
	return r
}

// sending is a sender that was accepted from the start and has sent n chunks.
func sending(t *testing.T, n int, change ...func(*protocol.BlobInfo)) *blob.Sender {
	t.Helper()
	s := blob.NewSender(1, offer(change...).Info)
	s.LinkUp()
	said(t, s, protocol.BlobOffer)
	require.NoError(t, s.Handle(accept(0, 0)))
	feed(t, s, n)
	return s
}

func feed(t *testing.T, s *blob.Sender, n int) {
	t.Helper()
	for range n {
		w, ok := s.Want()
		require.True(t, ok)
		b := content[w.Offset:min(w.Offset+int64(w.Len), size)]
		require.True(t, s.Sent(w, len(b), protocol.Sum(0, b)))
	}
}

func accept(offset, chunks int) *protocol.Blob {
	return &protocol.Blob{Op: protocol.BlobAccept, Yours: true, ID: 1, Offset: uint64(offset), Limit: uint64(offset) + 16*blob.Chunk, Digest: digestAt(chunks)}
}

func credit(offset, limit int) *protocol.Blob {
	return &protocol.Blob{Op: protocol.BlobCredit, Yours: true, ID: 1, Offset: uint64(offset), Limit: uint64(limit)}
}

// said is the frame that is due, which must be one of an op.
func said(t *testing.T, m interface {
	Next([]byte) ([]byte, bool)
	Due() bool
}, op protocol.BlobOp,
) protocol.Blob {
	t.Helper()
	require.True(t, m.Due(), "%v is due", op)
	b, ok := m.Next(nil)
	require.True(t, ok, "%v is due", op)
	f, err := protocol.DecodeBlob(b)
	require.NoError(t, err)
	require.Equal(t, op, f.Op)
	return f
}

func broke(t *testing.T, section string, err error) {
	t.Helper()
	var e *protocol.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, section, e.Section, err.Error())
}

// TestSendersThatLie holds a receiver to tell a sender what was wrong, and to go on with
// the link.
func TestSendersThatLie(t *testing.T) {
	data := func(at, n int) *protocol.Blob {
		return &protocol.Blob{Op: protocol.BlobData, ID: 1, Offset: uint64(at), Data: content[:n]}
	}
	end := func(n int, d blob.Digest) *protocol.Blob {
		return &protocol.Blob{Op: protocol.BlobEnd, ID: 1, Offset: uint64(n), Digest: d.Final(int64(n))}
	}
	for name, c := range map[string]struct {
		have   int
		change func(*protocol.BlobInfo)
		lie    *protocol.Blob
		cause  error
	}{
		"data too far ahead":            {1, nil, data(2*blob.Chunk, 10), blob.ErrOffset},
		"data again":                    {1, nil, data(0, blob.Chunk), blob.ErrOffset},
		"data amid a chunk":             {1, nil, data(blob.Chunk+1, 10), blob.ErrOffset},
		"data behind a short chunk":     {4, unsized, data(size, 10), blob.ErrOffset},
		"more data than was offered":    {3, nil, data(3*blob.Chunk, 11), blob.ErrSize},
		"an end before the size":        {3, nil, end(3*blob.Chunk, digestAt(3)), blob.ErrSize},
		"an end of more than came":      {3, unsized, end(size, digestAt(4)), blob.ErrSize},
		"an end of less than came":      {3, unsized, end(2*blob.Chunk, digestAt(2)), blob.ErrSize},
		"another digest":                {4, nil, end(size, digestAt(3)), blob.ErrDigest},
		"the state, and not the digest": {4, nil, &protocol.Blob{Op: protocol.BlobEnd, ID: 1, Offset: size, Digest: digestAt(4)}, blob.ErrDigest},
	} {
		t.Run(name, func(t *testing.T) {
			change := c.change
			if change == nil {
				change = func(*protocol.BlobInfo) {}
			}
			r := receiving(t, c.have, change)
			got, err := r.Handle(c.lie)
			require.NoError(t, err, "the link lives")
			require.Nil(t, got)
			err, done := r.Finished()
			require.True(t, done)
			require.ErrorIs(t, err, c.cause)
			f := said(t, r, protocol.BlobAbort)

			// The sender, whoever it is, sees the same.
			s := sending(t, 0)
			require.NoError(t, s.Handle(&f))
			err, done = s.Finished()
			require.True(t, done)
			require.ErrorIs(t, err, c.cause)
			var e *blob.AbortError
			require.ErrorAs(t, err, &e)
			require.True(t, e.Remote)
			require.Equal(t, "x", e.Name)
			seen := said(t, s, protocol.BlobSeen)
			require.True(t, s.Forget())
			require.False(t, r.Forget())
			_, err = r.Handle(&seen)
			require.NoError(t, err)
			require.True(t, r.Forget())

			// What it sent before it knew is not looked at.
			got, err = r.Handle(data(5*blob.Chunk, 10))
			require.NoError(t, err)
			require.Nil(t, got)
		})
	}
}

// TestSendersThatBreakARule holds a receiver to end the link.
func TestSendersThatBreakARule(t *testing.T) {
	chunk := func(i int) *protocol.Blob {
		return &protocol.Blob{Op: protocol.BlobData, ID: 1, Offset: uint64(i * blob.Chunk), Data: part(i)}
	}
	t.Run("data that nobody accepted", func(t *testing.T) {
		_, err := blob.NewReceiver(offer(), blob.Chunk).Handle(chunk(0))
		broke(t, "10.3", err)
	})
	t.Run("an end that nobody accepted", func(t *testing.T) {
		_, err := blob.NewReceiver(offer(), blob.Chunk).Handle(&protocol.Blob{Op: protocol.BlobEnd, ID: 1})
		broke(t, "10.3", err)
	})
	t.Run("data on a new link, before its accept", func(t *testing.T) {
		r := receiving(t, 1)
		r.LinkUp()
		_, err := r.Handle(chunk(1))
		broke(t, "10.3", err)
	})
	t.Run("data above the limit", func(t *testing.T) {
		r := receiving(t, 0)
		for i := range 2 {
			_, err := r.Handle(chunk(i))
			require.NoError(t, err)
		}
		_, err := r.Handle(chunk(2))
		broke(t, "10.3", err)
	})
	t.Run("an offer twice", func(t *testing.T) {
		_, err := receiving(t, 0).Handle(offer())
		broke(t, "10.2", err)
	})
	t.Run("another offer", func(t *testing.T) {
		for _, change := range []func(*protocol.BlobInfo){
			unsized, unkeyed, timeless,
			func(o *protocol.BlobInfo) { o.Name = "y" },
			func(o *protocol.BlobInfo) { o.Size++ },
			func(o *protocol.BlobInfo) { o.First[3]++ },
			func(o *protocol.BlobInfo) { o.Time++ },
			func(o *protocol.BlobInfo) { o.MediaType = "m" },
			func(o *protocol.BlobInfo) { o.Attributes = []byte("\x01a\x00") },
		} {
			r := receiving(t, 1)
			r.LinkUp()
			_, err := r.Handle(offer(change))
			broke(t, "10.2", err)
		}
	})
	t.Run("what only a receiver says", func(t *testing.T) {
		for _, op := range []protocol.BlobOp{protocol.BlobAccept, protocol.BlobCredit, protocol.BlobDone} {
			_, err := receiving(t, 0).Handle(&protocol.Blob{Op: op, ID: 1})
			broke(t, "10.1", err)
		}
	})
	t.Run("another blob", func(t *testing.T) {
		_, err := receiving(t, 0).Handle(&protocol.Blob{Op: protocol.BlobEnd, ID: 2})
		broke(t, "10.1", err)
		_, err = receiving(t, 0).Handle(&protocol.Blob{Op: protocol.BlobAbort, ID: 1, Yours: true})
		broke(t, "10.1", err)
	})
}

// TestReceiversThatBreakARule holds a sender to end the link.
func TestReceiversThatBreakARule(t *testing.T) {
	for name, c := range map[string]struct {
		sent  int
		frame *protocol.Blob
	}{
		"an accept twice":                 {0, accept(0, 0)},
		"has what was not sent":           {1, credit(2*blob.Chunk, 20*blob.Chunk)},
		"a limit that moves back":         {1, credit(blob.Chunk, 15*blob.Chunk)},
		"a limit too far ahead":           {1, credit(blob.Chunk, blob.Chunk+protocol.MaxBlobWindow+1)},
		"done before all of it was sent":  {3, &protocol.Blob{Op: protocol.BlobDone, ID: 1, Yours: true}},
		"another blob":                    {1, &protocol.Blob{Op: protocol.BlobDone, ID: 2, Yours: true}},
		"what only a sender says":         {1, &protocol.Blob{Op: protocol.BlobEnd, ID: 1, Yours: true}},
		"an abort that is not a receiver": {1, &protocol.Blob{Op: protocol.BlobAbort, ID: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			broke(t, "10.", prefixed(sending(t, c.sent).Handle(c.frame)))
		})
	}
	t.Run("what it has moves back", func(t *testing.T) {
		s := sending(t, 2)
		require.NoError(t, s.Handle(credit(2*blob.Chunk, 20*blob.Chunk)))
		broke(t, "10.3", s.Handle(credit(blob.Chunk, 20*blob.Chunk)))
		s.LinkUp()
		said(t, s, protocol.BlobOffer)
		broke(t, "10.3", s.Handle(accept(blob.Chunk, 1)))
	})
	for name, frame := range map[string]*protocol.Blob{
		"an accept amid a chunk":           accept(1, 0),
		"an accept beyond the size":        accept(size+1, 0),
		"an accept of more than there is":  accept(4*blob.Chunk, 0),
		"an accept with a limit too low":   {Op: protocol.BlobAccept, Yours: true, ID: 1, Offset: blob.Chunk, Limit: 1},
		"an accept with a limit too high":  {Op: protocol.BlobAccept, Yours: true, ID: 1, Limit: protocol.MaxBlobWindow + 1},
		"an accept of nothing with a sum":  {Op: protocol.BlobAccept, Yours: true, ID: 1, Limit: blob.Chunk, Digest: digestAt(1)},
		"credit that comes before":         credit(0, blob.Chunk),
		"done that comes before":           {Op: protocol.BlobDone, Yours: true, ID: 1},
		"an accept from where no key goes": nil,
	} {
		t.Run(name, func(t *testing.T) {
			o := offer()
			if frame == nil {
				frame, o = accept(blob.Chunk, 1), offer(unkeyed)
			}
			s := blob.NewSender(1, o.Info)
			s.LinkUp()
			said(t, s, protocol.BlobOffer)
			broke(t, "10.", prefixed(s.Handle(frame)))
		})
	}
	t.Run("an accept before the offer", func(t *testing.T) {
		s := blob.NewSender(1, offer().Info)
		s.LinkUp()
		broke(t, "10.3", s.Handle(accept(0, 0)))
		s = sending(t, 1)
		s.LinkUp()
		broke(t, "10.3", s.Handle(accept(0, 0)))
	})
}

// prefixed makes all sections of chapter 11 one.
func prefixed(err error) error {
	var e *protocol.Error
	if errors.As(err, &e) && strings.HasPrefix(e.Section, "10.") {
		return &protocol.Error{Section: "10.", Reason: e.Reason}
	}
	return err
}

func TestSourcesThatAreNotWhatWasSaid(t *testing.T) {
	sent := func(s *blob.Sender, b []byte) bool {
		w, ok := s.Want()
		return ok && s.Sent(w, len(b), protocol.Sum(0, b))
	}
	t.Run("fewer bytes", func(t *testing.T) {
		s := sending(t, 3)
		require.False(t, sent(s, part(3)[:9]))
		finishedBy(t, s, blob.ErrSize)
	})
	t.Run("fewer bytes, by whole chunks", func(t *testing.T) {
		s := sending(t, 3)
		require.False(t, sent(s, nil))
		finishedBy(t, s, blob.ErrSize)
	})
	t.Run("more bytes", func(t *testing.T) {
		s := sending(t, 4)
		w, ok := s.Want()
		require.True(t, ok)
		require.Equal(t, blob.Want{Offset: size, Len: 1}, w, "to see that it ends")
		require.False(t, sent(s, []byte{1}))
		finishedBy(t, s, blob.ErrSize)
	})
	t.Run("other bytes, when it is read again", func(t *testing.T) {
		s := sending(t, 2)
		s.LinkUp()
		said(t, s, protocol.BlobOffer)
		require.NoError(t, s.Handle(accept(blob.Chunk, 1)))
		require.False(t, sent(s, part(2)))
		finishedBy(t, s, blob.ErrSourceChanged)
	})
	t.Run("the receiver has something else", func(t *testing.T) {
		s := sending(t, 2)
		s.LinkUp()
		said(t, s, protocol.BlobOffer)
		f := accept(blob.Chunk, 1)
		f.Digest[0]++
		require.NoError(t, s.Handle(f))
		finishedBy(t, s, blob.ErrDigest)
	})
	t.Run("the receiver has it of an earlier session, and of another source", func(t *testing.T) {
		s := blob.NewSender(1, offer(timeless).Info)
		s.LinkUp()
		said(t, s, protocol.BlobOffer)
		f := accept(2*blob.Chunk, 2)
		f.Digest[0]++
		require.NoError(t, s.Handle(f))
		for i := range 2 {
			w, ok := s.Want()
			require.True(t, ok)
			require.Equal(t, blob.Want{Offset: int64(i * blob.Chunk), Len: blob.Chunk, Check: true}, w)
			require.False(t, sent(s, part(i)), "it is compared, and not sent")
		}
		finishedBy(t, s, blob.ErrSourceChanged)
	})
	t.Run("the receiver has it of an earlier session, and the source ends before", func(t *testing.T) {
		s := blob.NewSender(1, offer(timeless).Info)
		s.LinkUp()
		said(t, s, protocol.BlobOffer)
		require.NoError(t, s.Handle(accept(2*blob.Chunk, 2)))
		require.False(t, sent(s, part(0)[:5]))
		finishedBy(t, s, blob.ErrSourceChanged)
	})
}

// finishedBy holds a sender to have ended for a cause, and to tell it.
func finishedBy(t *testing.T, s *blob.Sender, cause error) {
	t.Helper()
	err, done := s.Finished()
	require.True(t, done)
	require.ErrorIs(t, err, cause)
	_, ok := s.Want()
	require.False(t, ok)
	f := said(t, s, protocol.BlobAbort)
	require.ErrorIs(t, blob.Cause(f.Code), cause)
	require.False(t, s.Forget())
	s.LinkUp()
	said(t, s, protocol.BlobAbort) // until it is seen
	require.NoError(t, s.Handle(&protocol.Blob{Op: protocol.BlobSeen, Yours: true, ID: 1}))
	require.True(t, s.Forget())
}

func TestWhatIsGoneOnWith(t *testing.T) {
	t.Run("at once, where the source's time is known", func(t *testing.T) {
		s := blob.NewSender(1, offer().Info)
		s.LinkUp()
		said(t, s, protocol.BlobOffer)
		require.NoError(t, s.Handle(accept(2*blob.Chunk, 2)))
		w, ok := s.Want()
		require.True(t, ok)
		require.Equal(t, blob.Want{Offset: 2 * blob.Chunk, Len: blob.Chunk}, w)
		feed(t, s, 2)
		w, ok = s.Want()
		require.True(t, ok)
		require.False(t, s.Sent(w, 0, 0))
		f := said(t, s, protocol.BlobEnd)
		require.Equal(t, digestAt(4).Final(size), f.Digest)
		_, resumed := s.Has()
		require.EqualValues(t, 2*blob.Chunk, resumed)
	})
	t.Run("all of it", func(t *testing.T) {
		s := blob.NewSender(1, offer().Info)
		s.LinkUp()
		said(t, s, protocol.BlobOffer)
		require.NoError(t, s.Handle(accept(size, 4)))
		w, ok := s.Want()
		require.True(t, ok)
		require.False(t, s.Sent(w, 0, 0))
		said(t, s, protocol.BlobEnd)
		require.NoError(t, s.Handle(&protocol.Blob{Op: protocol.BlobDone, Yours: true, ID: 1}))
		err, done := s.Finished()
		require.True(t, done)
		require.NoError(t, err)
	})
}

// TestForgotten holds both sides to answer for blobs that they have dropped.
func TestForgotten(t *testing.T) {
	for _, f := range []protocol.Blob{{Op: protocol.BlobDone, Yours: true, ID: 9}, {Op: protocol.BlobAbort, Yours: true, ID: 9}, {Op: protocol.BlobAbort, ID: 9}} {
		assert.Equal(t, &protocol.Blob{Op: protocol.BlobSeen, ID: 9, Yours: !f.Yours}, blob.Answer(&f))
	}
	assert.Nil(t, blob.Answer(&protocol.Blob{Op: protocol.BlobSeen, ID: 9}))
	s := blob.NewSender(1, offer().Info)
	s.LinkUp()
	s.Abort(protocol.BlobCancelled, "before anybody heard of it")
	assert.False(t, s.Due())
	assert.True(t, s.Forget())
}

func TestInfo(t *testing.T) {
	i := blob.Info{Name: "run", Size: 0, MediaType: "image/tiff", Attributes: map[string]string{"lamp": "on"}, Time: time.Unix(7, 9)}
	require.NoError(t, blob.CheckInfo(&i))
	o := i.ToWire()
	assert.True(t, o.Sized)
	assert.Equal(t, i, blob.FromWire(&o))
	i.Size, i.Time, i.Attributes = -1, time.Time{}, nil
	o = i.ToWire()
	assert.False(t, o.Sized)
	assert.Equal(t, i, blob.FromWire(&o))
	for name, bad := range map[string]blob.Info{
		"Name": {Name: strings.Repeat("x", 1025)}, "MediaType": {MediaType: strings.Repeat("x", 1025)},
		"Size": {Size: protocol.MaxBlob + 1}, "Attributes": {Attributes: map[string]string{"a": strings.Repeat("x", 5000)}},
	} {
		var e *blob.InfoError
		require.ErrorAs(t, blob.CheckInfo(&bad), &e)
		assert.Equal(t, name, e.Field)
		assert.Contains(t, e.Error(), name)
	}
}

func TestErrors(t *testing.T) {
	for code := protocol.BlobCancelled; code <= protocol.BlobLost; code++ {
		err := error(&blob.AbortError{Name: "run\n7", Code: code, Reason: "why", Remote: true})
		require.ErrorIs(t, err, blob.Cause(code))
		require.Equal(t, code, blob.CodeOf(err, 99))
		require.Equal(t, `blob "run\n7": `+blob.Cause(code).Error()+`: "why" (said the peer)`, err.Error())
	}
	assert.Equal(t, blob.ErrRejected, blob.Cause(200))
	assert.EqualValues(t, 99, blob.CodeOf(errors.New("another"), 99))
}
