package serpy

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
)

// What the application takes and acknowledges of a lost session says nothing of the
// next one, whose numbers begin at 1 again.
func TestALostSessionMakesNoRoomInTheNext(t *testing.T) {
	c := offline(t, 10)
	c.opt.AckWhen = OnProcessed
	old := c.era
	require.Error(t, c.loseSession(errors.New("gone")))
	meetPeer(t, c, 10)
	body := protocol.AppendUnit(nil, 0, nil, []byte("x"))
	v, err := c.sess.HandleFrame(time.Now(), &protocol.Frame{
		Kind: protocol.KindData, First: 1, Count: 1, LimitUnits: 10, LimitBytes: 1 << 20, Body: body,
	})
	require.NoError(t, err)
	require.True(t, v.Units)
	before := c.sess.Counts()
	require.EqualValues(t, 1, c.sess.Unprocessed())

	c.taken(&freed{era: old, unit: 1, units: 1, bytes: 1024})
	require.Equal(t, before, c.sess.Counts())
	c.processed(&Message{unit: 1, epoch: old.epoch, wire: 1024}, "", false)
	require.EqualValues(t, 1, c.sess.Unprocessed())

	c.taken(&freed{era: c.era, unit: 1, units: 1, bytes: 1024})
	require.NotEqual(t, before, c.sess.Counts())
	c.processed(&Message{unit: 1, epoch: c.era.epoch, wire: 1024}, "", false)
	require.Zero(t, c.sess.Unprocessed())
}
