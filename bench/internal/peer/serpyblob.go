package peer

import (
	"context"
	"io"

	"github.com/serpy-go/serpy/blob"
)

// sendBlob sends a blob of so many bytes.
func (s *serpySide) sendBlob(ctx context.Context, size int64) error {
	_, err := s.links[0].SendBlob(ctx, blob.Info{Name: "bench", Size: size}, io.LimitReader(zeros{}, size), nil)
	return err
}

// receiveBlob reads the next blob to its end.
func (s *serpySide) receiveBlob(ctx context.Context) error {
	b, err := s.links[0].ReceiveBlob(ctx)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, b)
	return err
}

// zeros is a source without an end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
