package blob_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/blob"
	"github.com/serpy-go/serpy/protocol"
)

// TestReport holds a receiver to say what it has when its sender asks, and not otherwise.
func TestReport(t *testing.T) {
	r := blob.NewReceiver(offer(), 4*blob.Chunk)
	come := func(from, to int) {
		for n := from; n < to; n++ {
			_, err := r.Handle(&protocol.Blob{Op: protocol.BlobData, ID: 1, Offset: uint64(n * blob.Chunk), Data: part(n)})
			require.NoError(t, err)
		}
	}
	r.Report()
	assert.False(t, r.Due(), "nobody accepted")
	r.Accept(0, blob.Digest{})
	said(t, r, protocol.BlobAccept)
	r.Report()
	assert.False(t, r.Due(), "nothing came")
	come(0, 2)
	assert.False(t, r.Due(), "nobody asked")
	r.Report()
	f := said(t, r, protocol.BlobCredit)
	assert.Equal(t, uint64(2*blob.Chunk), f.Offset)
	assert.Equal(t, uint64(4*blob.Chunk), f.Limit, "nothing was taken")
	r.Report()
	assert.False(t, r.Due(), "it was said")

	// Of a blob that is complete, and that nobody has read, too.
	come(2, 4)
	r.Report()
	_, err := r.Handle(&protocol.Blob{Op: protocol.BlobEnd, ID: 1, Offset: size, Digest: digestAt(4).Final(size)})
	require.NoError(t, err)
	require.True(t, r.Complete())
	assert.Equal(t, uint64(size), said(t, r, protocol.BlobCredit).Offset)
	r.Finish()
	said(t, r, protocol.BlobDone)
	r.Report()
	assert.False(t, r.Due())
}
