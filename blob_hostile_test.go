package serpy_test

import (
	"crypto/sha256"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/blob"
	"github.com/serpy-go/serpy/protocol"
)

// blobStranger visits a server, and says that it knows blobs.
func blobStranger(t *testing.T, o *serpy.Options) (p *stranger, a *serpy.Connection) {
	t.Helper()
	s, err := serpy.Listen("tcp://127.0.0.1:0", o)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	h := strangerHello()
	h.Features = protocol.FeatureBlob
	p = visit(t, s.Address(), h)
	a, err = s.Accept(t.Context())
	require.NoError(t, err)
	return p, a
}

// blob writes a blob frame.
func (p *stranger) blob(f protocol.Blob) {
	p.t.Helper()
	p.say(func(head *protocol.Frame) {
		head.Kind, head.Lane, head.Body = protocol.KindBlob, 1, protocol.AppendBlob(nil, &f)
	})
}

// hear gives the next blob frame.
func (p *stranger) hear() protocol.Blob {
	p.t.Helper()
	for {
		f, err := p.read()
		require.NoError(p.t, err)
		if f.Kind == protocol.KindBlob {
			b, err := protocol.DecodeBlob(f.Body)
			require.NoError(p.t, err)
			return b
		}
	}
}

func offerOf(id, size uint64) protocol.Blob {
	return protocol.Blob{Op: protocol.BlobOffer, ID: id, Info: protocol.BlobInfo{Name: "lie", Size: size, Sized: true}}
}

func dataOf(id, offset uint64, data []byte) protocol.Blob {
	return protocol.Blob{Op: protocol.BlobData, ID: id, Offset: offset, Data: data}
}

// TestLyingSender has a sender lie about its blob: the blob ends with an error on both
// sides, and the connection lives.
func TestLyingSender(t *testing.T) {
	whole := make([]byte, blob.Chunk)
	for name, c := range map[string]struct {
		lie   []protocol.Blob
		cause error
		code  protocol.BlobCode
	}{
		"more than the size":   {[]protocol.Blob{dataOf(1, 0, make([]byte, 1001))}, blob.ErrSize, protocol.BlobBadSize},
		"an offset":            {[]protocol.Blob{dataOf(1, 1, whole[:100])}, blob.ErrOffset, protocol.BlobBadOffset},
		"an offset once more":  {[]protocol.Blob{dataOf(1, 0, whole[:100]), dataOf(1, 0, whole[:100])}, blob.ErrOffset, protocol.BlobBadOffset},
		"a short chunk amid":   {[]protocol.Blob{dataOf(1, 0, whole[:100]), dataOf(1, 100, whole[:100])}, blob.ErrOffset, protocol.BlobBadOffset},
		"an early end":         {[]protocol.Blob{dataOf(1, 0, whole[:100]), {Op: protocol.BlobEnd, ID: 1, Offset: 100}}, blob.ErrSize, protocol.BlobBadSize},
		"the size at the end":  {[]protocol.Blob{dataOf(1, 0, whole[:1000]), {Op: protocol.BlobEnd, ID: 1, Offset: 999}}, blob.ErrSize, protocol.BlobBadSize},
		"the digest":           {[]protocol.Blob{dataOf(1, 0, whole[:1000]), {Op: protocol.BlobEnd, ID: 1, Offset: 1000, Digest: sha256.Sum256(nil)}}, blob.ErrDigest, protocol.BlobBadDigest},
		"given up by a sender": {[]protocol.Blob{{Op: protocol.BlobAbort, ID: 1, Code: protocol.BlobSourceFailed, Reason: "r"}}, blob.ErrSource, 0},
	} {
		t.Run(name, func(t *testing.T) {
			p, a := blobStranger(t, nil)
			p.blob(offerOf(1, 1000))
			b, err := a.ReceiveBlob(t.Context())
			require.NoError(t, err)
			read := make(chan error, 1)
			go func() { read <- readAll(b) }()
			accept := p.hear()
			require.Equal(t, protocol.BlobAccept, accept.Op)
			require.Equal(t, uint64(window), accept.Limit)
			for _, f := range c.lie {
				p.blob(f)
			}
			require.ErrorIs(t, <-read, c.cause)
			answer := p.hear()
			if c.code == 0 {
				require.Equal(t, protocol.BlobSeen, answer.Op)
			} else {
				require.Equal(t, protocol.BlobAbort, answer.Op)
				require.Equal(t, c.code, answer.Code)
				p.blob(protocol.Blob{Op: protocol.BlobSeen, ID: 1})
			}
			// The connection lives, and another blob comes.
			p.blob(offerOf(2, 0))
			b, err = a.ReceiveBlob(t.Context())
			require.NoError(t, err)
			require.Equal(t, "lie", b.Info().Name)
			eventually(t, func() bool { return a.Stats().Blobs.Receiving == 1 })
		})
	}
}

// TestBlobFramesThatBreakARule end the link.
func TestBlobFramesThatBreakARule(t *testing.T) {
	for name, breaks := range map[string]func(p *stranger){
		"data that was not asked for":    func(p *stranger) { p.blob(offerOf(1, 10)); p.blob(dataOf(1, 0, []byte("x"))) },
		"data of no blob":                func(p *stranger) { p.blob(dataOf(1, 0, []byte("x"))) },
		"an offer twice":                 func(p *stranger) { p.blob(offerOf(1, 10)); p.blob(offerOf(1, 10)) },
		"an offer that is older":         func(p *stranger) { p.blob(offerOf(2, 10)); p.blob(offerOf(1, 10)) },
		"credit for no blob":             func(p *stranger) { p.blob(protocol.Blob{Op: protocol.BlobCredit, Yours: true, ID: 1}) },
		"a frame of the receiver's half": func(p *stranger) { p.blob(protocol.Blob{Op: protocol.BlobDone, ID: 1}) },
		"a frame that is cut off": func(p *stranger) {
			p.say(func(f *protocol.Frame) {
				f.Kind, f.Lane, f.Body = protocol.KindBlob, 1, []byte{byte(protocol.BlobOffer)}
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, a := blobStranger(t, nil)
			breaks(p)
			e := event[serpy.Disconnected](t, a)
			var broken *serpy.ProtocolError
			require.ErrorAs(t, e.Err, &broken)
		})
	}
	t.Run("data beyond the credit", func(t *testing.T) {
		p, a := blobStranger(t, nil)
		p.blob(protocol.Blob{Op: protocol.BlobOffer, ID: 1})
		b, err := a.ReceiveBlob(t.Context())
		require.NoError(t, err)
		go func() { _, _ = b.Read(make([]byte, 1)) }()
		require.Equal(t, protocol.BlobAccept, p.hear().Op)
		for i := range window/blob.Chunk + 1 {
			p.blob(dataOf(1, uint64(i)*blob.Chunk, make([]byte, blob.Chunk)))
		}
		e := event[serpy.Disconnected](t, a)
		var broken *serpy.ProtocolError
		require.ErrorAs(t, e.Err, &broken)
	})
}

// TestTooManyOffers has a sender that does not hold back.
func TestTooManyOffers(t *testing.T) {
	p, a := blobStranger(t, nil)
	for id := range uint64(100) {
		p.blob(offerOf(id+1, 10))
	}
	for id := uint64(protocol.MaxBlobOffers + 1); id <= 100; id++ {
		f := p.hear()
		require.Equal(t, protocol.BlobAbort, f.Op)
		require.Equal(t, protocol.BlobTooMany, f.Code)
		require.Equal(t, id, f.ID)
		p.blob(protocol.Blob{Op: protocol.BlobSeen, ID: id})
	}
	eventually(t, func() bool { return a.Stats().Blobs.Receiving == protocol.MaxBlobOffers })
	for range protocol.MaxBlobOffers {
		_, err := a.ReceiveBlob(t.Context())
		require.NoError(t, err)
	}
	_, err := a.ReceiveBlob(canceled(t.Context()))
	require.Error(t, err)
}

// TestPeerWithoutBlobs: a peer that does not offer the feature.
func TestPeerWithoutBlobs(t *testing.T) {
	s, err := serpy.Listen("tcp://127.0.0.1:0", nil)
	require.NoError(t, err)
	defer func() { assert.NoError(t, s.Close()) }()
	p := visit(t, s.Address(), strangerHello())
	require.Zero(t, p.answer.Features&protocol.FeatureBlob)
	a, err := s.Accept(t.Context())
	require.NoError(t, err)
	_, err = a.SendBlob(t.Context(), blob.Info{}, strings.NewReader("x"), nil)
	require.ErrorIs(t, err, serpy.ErrUnsupported)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.False(t, a.Guarantees().Blobs)
	p.blob(offerOf(1, 10))
	e := event[serpy.Disconnected](t, a)
	var broken *serpy.ProtocolError
	require.ErrorAs(t, e.Err, &broken)
}

// TestReceiverThatBreaksARule plays a receiver that gives credit that cannot be.
func TestReceiverThatBreaksARule(t *testing.T) {
	for name, answer := range map[string]protocol.Blob{
		"done too early":             {Op: protocol.BlobDone},
		"accepted from amid a chunk": {Op: protocol.BlobAccept, Offset: 1, Limit: 100_000},
		"accepted behind the end":    {Op: protocol.BlobAccept, Offset: 1 << 30, Limit: 1 << 30},
		"a limit too large":          {Op: protocol.BlobAccept, Limit: 1 << 50},
		"credit before":              {Op: protocol.BlobCredit, Limit: 1 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			p, a := blobStranger(t, nil)
			sent := make(chan error, 1)
			go func() {
				_, err := a.SendBlob(t.Context(), blob.Info{}, newPattern(1<<20), nil)
				sent <- err
			}()
			require.Equal(t, protocol.BlobOffer, p.hear().Op)
			answer.Yours, answer.ID = true, 1
			p.blob(answer)
			e := event[serpy.Disconnected](t, a)
			var broken *serpy.ProtocolError
			require.ErrorAs(t, e.Err, &broken)
			require.NoError(t, a.Close())
			require.ErrorIs(t, <-sent, net.ErrClosed)
		})
	}
}
