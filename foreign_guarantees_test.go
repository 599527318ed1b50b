package serpy_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/blob"
	"github.com/serpy-go/serpy/protocol"
	wireline "github.com/serpy-go/serpy/protocol/line"
	"github.com/serpy-go/serpy/protocol/npipes"
	"github.com/serpy-go/serpy/protocol/serpy1"
	"github.com/serpy-go/serpy/protocol/serpy2"
)

// foreignWires are those of docs/wires.md, in the order of its columns.
var foreignWires = []protocol.Codec{serpy1.Wire{}, serpy2.Wire{}, wireline.Wire{}, npipes.Wire{}}

// Whatever a wire cannot do is an error at once, and no link has to be there for it.
func TestAskingForMoreThanTheWireCanIsAnErrorAtOnce(t *testing.T) {
	for _, w := range foreignWires {
		t.Run(w.Name(), func(t *testing.T) {
			o := on(w)
			o.Reconnect.FirstDial = serpy.InBackground
			c, err := serpy.Dial(t.Context(), "tcp://127.0.0.1:1", o)
			require.NoError(t, err)
			t.Cleanup(func() { _ = c.Close() })
			counts := w.Caps().Acks == protocol.Counted
			assert.Equal(t, serpy.Guarantees{Confirms: counts, CleanBinary: w.Caps().CleanBinary}, c.Guarantees())

			_, err = c.Request(t.Context(), serpy.TextMessage("x"))
			require.ErrorIs(t, err, serpy.ErrUnsupported)
			require.ErrorIs(t, c.CloseSend(t.Context()), serpy.ErrUnsupported)
			_, err = c.SendBlob(t.Context(), blob.Info{Name: "x"}, strings.NewReader("x"), nil)
			require.ErrorIs(t, err, serpy.ErrUnsupported)
			for mode, can := range map[serpy.Mode]bool{serpy.Acked: counts, serpy.Base85: counts, serpy.Base85Acked: counts} {
				m := serpy.TextMessage("x")
				m.Mode = mode
				_, err = c.SendMessage(t.Context(), m)
				_, batch := c.SendBatch(t.Context(), []serpy.Message{serpy.TextMessage("y"), m})
				if can {
					require.NoError(t, err)
					require.NoError(t, batch)
				} else {
					require.ErrorIs(t, err, serpy.ErrUnsupported, mode)
					require.ErrorIs(t, batch, serpy.ErrUnsupported, mode)
				}
			}
			_, err = c.SendMessage(t.Context(), serpy.Message{Data: []byte("1234567"), Type: serpy.Int})
			require.ErrorIs(t, err, serpy.ErrUnsupported, "an Int has 8 bytes")
			if most := w.Caps().MaxPayload; most > 0 && most < 1<<20 {
				require.ErrorIs(t, c.Send(t.Context(), bytes.Repeat([]byte("x"), most+1)), serpy.ErrTooLarge)
			}
			if !counts {
				require.ErrorIs(t, c.SendAcked(t.Context(), []byte("x")), serpy.ErrUnsupported)
			}
		})
	}
}

// docs/wires.md has a column for each wire, and says of receipts, blobs and modes what
// Guarantees does.
func TestTheTableOfWires(t *testing.T) {
	b, err := os.ReadFile("docs/wires.md")
	require.NoError(t, err)
	rows := map[string][]string{}
	for row := range strings.Lines(string(b)) {
		if cells := strings.Split(strings.Trim(strings.TrimSpace(row), "|"), "|"); len(cells) == len(foreignWires)+2 {
			rows[strings.TrimSpace(cells[0])] = cells[2:]
		}
	}
	says := func(row string, column int) bool {
		require.Contains(t, rows, row)
		cell := strings.TrimSpace(rows[row][column])
		return cell != "no" && !strings.HasPrefix(cell, "no:")
	}
	for i, w := range foreignWires {
		assert.Contains(t, rows[""][i], w.Name())
		counts := w.Caps().Acks == protocol.Counted
		assert.Equal(t, counts, says("receipts, `SendAcked`", i), w.Name())
		assert.Equal(t, counts, says("modes `Base85`, `Base85Acked`", i), w.Name())
		for _, row := range []string{"`Request`", "`Tag`, `Time`, `Header`, `Message.ID`", "`CloseSend`, blobs", "heartbeats, `IdleTimeout`"} {
			assert.False(t, says(row, i), "%s: %s", w.Name(), row)
		}
	}
}
