package serpy

import (
	"time"

	"github.com/serpy-go/serpy/protocol"
)

// A blobLane is the blobs under way on a connection, in both directions. Guarded by
// c.mu.
type blobLane struct {
	speaks bool // the peer of the present link takes blobs
}

// A blobChunk is a part of a blob that is about to be written.
type blobChunk struct{}

// blobsDue says whether the writer would find something of a blob. c.mu is held.
func (c *Connection) blobsDue() bool { return false }

// sayBlobs adds what has to be said about blobs to the control that is written next.
// c.mu is held.
func (l *link) sayBlobs(now time.Time) error { return nil }

// pickChunk takes one chunk for the next write: whatever else comes waits for no more
// than that. c.mu is held.
func (l *link) pickChunk(now time.Time) {}

// sealChunk makes the chunk that was picked ready, behind everything else.
func (l *link) sealChunk() {}

// unpinChunk gives the chunk that was written back to its blob. c.mu is held.
func (l *link) unpinChunk() {}

// takeBlob takes a frame of a blob. c.mu is held.
func (c *Connection) takeBlob(l *link, f *protocol.Frame) error {
	return protocol.Errorf("3.1", "a blob, which was not agreed")
}

// blobsUp says that a link is up. c.mu is held.
func (c *Connection) blobsUp(l *link) {
	c.blobs.speaks = c.caps.Blobs && l.hello.Features&protocol.FeatureBlob != 0
}

// blobsDown says that the link is gone. c.mu is held.
func (c *Connection) blobsDown() {}

// blobsLost says that the session is lost, and another one begins. c.mu is held.
func (c *Connection) blobsLost(err error) {}

// blobsEnd ends all blobs: the connection is closed. c.mu is held.
func (c *Connection) blobsEnd(err error) {}
