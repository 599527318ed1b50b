package peer

import (
	"context"

	"github.com/serpy-go/serpy/blob"
)

// sendBlob sends a blob of so many bytes.
func (s *serpySide) sendBlob(ctx context.Context, size int64) error {
	_, err := s.links[0].SendBlob(ctx, blob.Info{Name: "bench", Size: size}, newSource(size), nil)
	return err
}

// receiveBlob reads the next blob to its end, and sums it.
func (s *serpySide) receiveBlob(ctx context.Context) error {
	b, err := s.links[0].ReceiveBlob(ctx)
	if err != nil {
		return err
	}
	_, err = b.WriteTo(newSum())
	return err
}
