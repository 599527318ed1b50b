package protocol_test

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
)

func appendBlob(dst []byte, f protocol.Blob) []byte { return protocol.AppendBlob(dst, &f) }

func checkBlob(t *testing.T, v *vector) {
	t.Helper()
	f := protocol.Blob{
		Yours: v.uint("yours") == 1, ID: v.uint("id"), Offset: v.uint("offset"), Limit: v.uint("limit"),
		Code: protocol.BlobCode(v.uint("code")), Reason: v.text("reason"),
		Info: protocol.BlobInfo{
			Name: v.text("name"), Size: v.uint("size"), Sized: v.uint("sized") == 1, MediaType: v.text("media-type"),
			Time: v.int("time"), Keyed: v.uint("keyed") == 1, Modified: v.int("modified"),
		},
	}
	for op := protocol.BlobOffer; op <= protocol.BlobSeen; op++ {
		if op.String() == v.word("op") {
			f.Op = op
		}
	}
	require.NotZero(t, f.Op, v.word("op"))
	copy(f.Digest[:], v.bytes("digest"))
	copy(f.Info.First[:], v.bytes("first"))
	if s := v.text("data"); s != "" {
		f.Data = []byte(s)
	}
	for _, s := range v.values("attribute") {
		name, value, _ := strings.Cut(s, " ")
		f.Info.Attributes = protocol.AppendHeader(f.Info.Attributes, map[string]string{unquote(t, name): unquote(t, value)})
	}
	both(t, v, f, appendBlob, protocol.DecodeBlob)
	if f.Op == protocol.BlobData {
		assert.Equal(t, v.hex, append(protocol.AppendBlobHead(nil, f.ID, f.Offset), f.Data...))
	}
}

// TestBlobDigestVectors says in its own words what SPEC.md 10.4 says of the digest; the
// package blob is held to the same table.
func TestBlobDigestVectors(t *testing.T) {
	_, bodies := blocks(t, "digest")
	require.Len(t, bodies, 1)
	require.Greater(t, len(bodies[0]), 3)
	for _, row := range bodies[0][1:] {
		cells := strings.Fields(row)
		var state [sha256.Size]byte
		size := uint64(0)
		for _, cell := range cells[:len(cells)-1] {
			times, s, many := strings.Cut(cell, "*")
			n := 1
			if many {
				var err error
				n, err = strconv.Atoi(times)
				require.NoError(t, err)
			} else {
				s = cell
			}
			chunk := strings.Repeat(unquote(t, s), n)
			b := binary.LittleEndian.AppendUint32(state[:], protocol.Sum(0, []byte(chunk)))
			state = sha256.Sum256(binary.LittleEndian.AppendUint32(b, uint32(len(chunk))))
			size += uint64(len(chunk))
		}
		final := sha256.Sum256(binary.LittleEndian.AppendUint64(state[:], size))
		assert.Equal(t, unhex(t, cells[len(cells)-1]), final[:], row)
	}
}

func blobOf(r *rand.Rand) protocol.Blob {
	f := protocol.Blob{Op: protocol.BlobOp(1 + r.UintN(8)), ID: 1 + number(r, protocol.MaxNumber-1)}
	switch f.Op {
	case protocol.BlobOffer:
		f.Info = protocol.BlobInfo{
			Name: oneOf(r, "run.tif"), MediaType: strings.Repeat("m", r.IntN(2)*protocol.MaxText), Sized: r.IntN(2) == 0,
			Time: oneOf(r, int64(r.Uint64())), Keyed: r.IntN(2) == 0,
		}
		if n := r.IntN(3); n > 0 {
			f.Info.Attributes = protocol.AppendHeader(nil, headerOf(r, n))
		}
		if f.Info.Sized {
			f.Info.Size = number(r, protocol.MaxBlob)
		}
		if f.Info.Keyed {
			copy(f.Info.First[:], bytesOf(r, 32))
			f.Info.Modified = oneOf(r, int64(r.Uint64()))
		}
	case protocol.BlobAccept, protocol.BlobCredit:
		f.Yours, f.Offset, f.Limit = true, number(r, protocol.MaxBlob), number(r, protocol.MaxNumber)
	case protocol.BlobData:
		f.Offset, f.Data = number(r, protocol.MaxBlob), bytesOf(r, 1+r.IntN(100))
	case protocol.BlobEnd:
		f.Offset = number(r, protocol.MaxBlob)
	case protocol.BlobDone:
		f.Yours = true
	case protocol.BlobAbort:
		f.Yours, f.Code, f.Reason = r.IntN(2) == 0, protocol.BlobCode(r.UintN(256)), strings.Repeat("r", r.IntN(2)*protocol.MaxText)
	case protocol.BlobSeen:
		f.Yours = r.IntN(2) == 0
	}
	if f.Op == protocol.BlobAccept || f.Op == protocol.BlobEnd {
		copy(f.Digest[:], bytesOf(r, 32))
	}
	return f
}

func TestBlobRoundTrips(t *testing.T) {
	r := seeded()
	for range rounds {
		f := blobOf(r)
		b := appendBlob(nil, f)
		got, err := protocol.DecodeBlob(b)
		require.NoError(t, err)
		require.Equal(t, f, got)
		if f.Op == protocol.BlobData { // no copy of it
			b[len(b)-1] ^= 1
			require.NotEqual(t, f.Data, got.Data)
			require.Equal(t, len(got.Data), cap(got.Data))
			continue
		}
		for n := range b { // whatever is cut short is refused, but an offer between two fields
			if _, err := protocol.DecodeBlob(b[:n]); err == nil {
				require.Equal(t, protocol.BlobOffer, f.Op)
			}
		}
	}
	long := strings.Repeat("é", protocol.MaxText)
	got, err := protocol.DecodeBlob(appendBlob(nil, protocol.Blob{Op: protocol.BlobAbort, ID: 1, Reason: long}))
	require.NoError(t, err)
	assert.Equal(t, protocol.Clip(long), got.Reason)
	assert.LessOrEqual(t, len(protocol.AppendBlobHead(nil, protocol.MaxNumber, protocol.MaxBlob)), protocol.MaxBlobHead)
	assert.Equal(t, "unknown", (protocol.BlobSeen + 1).String())
}

func FuzzDecodeBlob(f *testing.F) {
	seed(f, "blob")
	r := seeded()
	for range 40 {
		f.Add(appendBlob(nil, blobOf(r)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		reencodes(t, b, func(b []byte) (protocol.Blob, error) {
			v, err := protocol.DecodeBlob(b)
			if len(v.Info.Attributes) == 0 {
				v.Info.Attributes = nil // empty ones are left away
			}
			return v, err
		}, appendBlob)
	})
}
