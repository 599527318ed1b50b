package serpy_test

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/serpy1"
	"github.com/serpy-go/serpy/protocol/serpy2"
)

// What the Python originals do wrong, where it takes a whole connection to survive it:
// by the numbers of docs/wires.md. Those of the codecs alone are in their packages.

const (
	serpyAck  = "\x01ACKEOT!!\x1f"
	serpyMode = "\x01ACKMODCG\x1f"
)

// listening gives a server's connection to a raw client, which has said hello.
func listening(t *testing.T, o *serpy.Options, hello string) (*serpy.Connection, net.Conn) {
	t.Helper()
	s, err := serpy.Listen("tcp://127.0.0.1:0", o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	conn := raw(t, s, hello)
	return accepted(t, s), conn
}

// Q5: the original loses an empty message in a mode without acknowledgements. Ours
// refuses it at once.
func TestQ5AnEmptyMessageIsRefusedOrAcked(t *testing.T) {
	c, conn := listening(t, on(serpy1.Wire{}), "")
	for _, mode := range []serpy.Mode{serpy.Plain, serpy.Base85} {
		_, err := c.SendMessage(t.Context(), serpy.Message{Mode: mode})
		require.ErrorIs(t, err, serpy.ErrUnsupported)
		require.ErrorContains(t, err, "send it acked")
	}
	put(t, c, "", serpy.Acked)
	put(t, c, "", serpy.Base85Acked)
	hears(t, conn, "\x01SETMODE1\x1f\x04\x1f\x01SETMODE3\x1f\x04\x1f")
	_, _ = conn.Write([]byte(serpyMode + serpyAck + serpyMode + serpyAck))
	require.NoError(t, c.Flush(within(t, time.Minute)))
}

// Q6: the original acknowledges a message before it finds that it cannot read it, and
// is deaf from then on. Ours drops it, says so, and acknowledges the others alone.
func TestQ6WhatCannotBeReadIsNotAcknowledged(t *testing.T) {
	c, conn := listening(t, on(serpy1.Wire{}), "\x01SETMODE3\x1f")
	_, _ = conn.Write([]byte("bTR\x04\x1f|NsC1\x04\x1fa b\x04\x1f" + "bTa\x04\x1f\x01SETMODE0\x1fend\x1f"))
	assert.Equal(t, "t2", get(t, c).String())
	assert.Equal(t, "t3", get(t, c).String())
	assert.Equal(t, "end", get(t, c).String())
	for range 2 {
		require.ErrorContains(t, event[serpy.WireFault](t, c).Err, "mode 3: base85")
	}
	require.NoError(t, c.Send(t.Context(), []byte("not deaf")))
	answers := map[string]int{}
	for _, block := range strings.SplitAfter(hearsUntil(t, conn, "not deaf\x1f"), "\x1f") {
		answers[block]++
	}
	assert.Equal(t, 2, answers[serpyAck])
	assert.Equal(t, 2, answers[serpyMode])
}

// hearsUntil reads up to the end of what is due.
func hearsUntil(t *testing.T, conn net.Conn, end string) string {
	t.Helper()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Minute)))
	var heard []byte
	for b := make([]byte, 4096); !strings.HasSuffix(string(heard), end); {
		n, err := conn.Read(b)
		require.NoError(t, err)
		heard = append(heard, b[:n]...)
	}
	return string(heard)
}

// Q7: behind an application that does not read, the original acknowledges some more, and
// its close hangs. Ours acknowledges what is in the queue, loses nothing, and closes.
func TestQ7AnApplicationThatDoesNotRead(t *testing.T) {
	o := on(serpy1.Wire{})
	o.ReceiveQueue = serpy.Queue{Messages: 10}
	c, conn := listening(t, o, "\x01SETMODE1\x1f")
	const n = 500
	go func() {
		for range n {
			_, _ = conn.Write([]byte("x\x04\x1f"))
		}
	}()
	event[serpy.SlowReader](t, c)
	for range n / 2 {
		require.Equal(t, "x", get(t, c).String())
	}
	hears(t, conn, serpyMode+strings.Repeat(serpyAck, n/2))
	require.NoError(t, c.Close(), "with the other half unread")
}

// Q9: in the original one acknowledgement, even a late one, releases whoever waits.
func TestQ9AnAcknowledgementReleasesOne(t *testing.T) {
	c, conn := listening(t, on(serpy1.Wire{}), "")
	one, two := put(t, c, "1", serpy.Acked), put(t, c, "2", serpy.Acked)
	hears(t, conn, "\x01SETMODE1\x1f1\x04\x1f2\x04\x1f")
	_, _ = conn.Write([]byte(serpyMode + serpyAck + "heard\x1f"))
	assert.Equal(t, "heard", get(t, c).String())
	require.NoError(t, one.Wait(within(t, time.Minute)))
	resolved, _ := two.Poll()
	require.False(t, resolved)
	_, _ = conn.Write([]byte(serpyAck))
	require.NoError(t, two.Wait(within(t, time.Minute)))
}

// Q10: a peer that never answers a SETMODE stops the original for good. Ours does not
// wait for the answer.
func TestQ10AModeThatIsNeverAnswered(t *testing.T) {
	c, conn := listening(t, on(serpy1.Wire{}), "")
	put(t, c, "text", serpy.Plain)
	put(t, c, "four", serpy.Base85)
	put(t, c, "text", serpy.Plain)
	require.NoError(t, c.Flush(within(t, time.Minute)))
	hears(t, conn, "\x01SETMODE0\x1ftext\x1f\x01SETMODE2\x1fW^Z+J\x1f\x01SETMODE0\x1ftext\x1f")
}

// Q11: an original that made its link anew repeats no SETMODE, and decodes in the old
// mode. Ours says its mode on every link and begins to read in mode 0, or in the one that
// the Wire names.
func TestQ11EachLinkBeginsWithItsMode(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	c, err := serpy.Dial(t.Context(), listener.Addr().String(), on(serpy1.Wire{}))
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	for range 3 {
		conn, err := listener.Accept()
		require.NoError(t, err)
		hears(t, conn, "\x01SETMODE0\x1f")
		put(t, c, "four", serpy.Base85)
		hears(t, conn, "\x01SETMODE2\x1fW^Z+J\x1f")
		_, _ = conn.Write([]byte("\x01SETMODE1\x1fa\x04\x1f"))
		m := get(t, c)
		require.Equal(t, serpy.Acked, m.Mode, "it did not go on in mode 1 from before")
		hears(t, conn, serpyMode+serpyAck)
		require.NoError(t, conn.Close())
		event[serpy.SessionLost](t, c)
	}
	old, _ := listening(t, on(serpy1.Wire{ReceiveMode: 2}), "W^Z+J\x1f")
	assert.Equal(t, "four", get(t, old).String())
}

// Q12: an original with an encoding like UTF-16 spoils its SETMODE. It is told, and
// nothing is switched.
func TestQ12ASpoiltSetModeIsTold(t *testing.T) {
	c, _ := listening(t, on(serpy1.Wire{}), "\x01SETMODE\xff\xfe2\x00\x1ftext\x1f")
	assert.Equal(t, "text", get(t, c).String())
	require.ErrorContains(t, event[serpy.WireFault](t, c).Err, "malformed SETMODE")
}

// Q14 and P8: the originals' servers take no connection any more after a few, when
// nobody asks for them, and their close hangs.
func TestQ14P8AServerTakesConnectionsForEver(t *testing.T) {
	for _, w := range []protocol.Codec{serpy1.Wire{}, serpy2.Wire{}} {
		s, err := serpy.Listen("tcp://127.0.0.1:0", on(w))
		require.NoError(t, err)
		for range 100 {
			require.NoError(t, raw(t, s, "").Close())
		}
		hello := map[string]string{"serpy": "hello\x1f", "serpy2": serpy2Says(0x21, "hello")}[w.Name()]
		raw(t, s, hello)
		for {
			m, err := accepted(t, s).Receive(within(t, time.Minute))
			if err == nil {
				require.Equal(t, "hello", m.String())
				break
			}
			require.ErrorIs(t, err, io.EOF)
		}
		for range 10 { // that nobody accepts
			raw(t, s, hello)
		}
		require.NoError(t, s.Close())
	}
}

// Q15, P14 and P7: an original's reader never learns that its peer has gone, and loses
// what came right before. Ours gets all of that, and then the end.
func TestQ15P14P7EverythingComesBeforeTheEnd(t *testing.T) {
	for w, text := range map[protocol.Codec]string{serpy1.Wire{}: "x\x1f", serpy2.Wire{}: serpy2Says(0x21, "x")} {
		c, conn := listening(t, on(w), strings.Repeat(text, 3000))
		require.NoError(t, conn.Close())
		for range 3000 {
			require.Equal(t, "x", get(t, c).String())
		}
		_, err := c.Receive(within(t, time.Minute))
		require.ErrorIs(t, err, io.EOF)
		<-c.Done()
		require.NoError(t, c.Err())
	}
}

// P4: at bytes that begin no message the original throws away good ones, and may never
// find its way again. Ours hands over what was good and ends the link; with Resync it
// goes on behind them, and says how many there were.
func TestP4GarbageEndsTheLinkOrIsSkipped(t *testing.T) {
	stream := serpy2Says(0x21, "before") + "garbage" + serpy2Says(0x21, "after")
	c, _ := listening(t, on(serpy2.Wire{}), stream)
	assert.Equal(t, "before", get(t, c).String())
	<-c.Done()
	require.ErrorContains(t, c.Err(), "not the beginning of a message")
	c, _ = listening(t, on(serpy2.Wire{Resync: true}), stream)
	assert.Equal(t, "before", get(t, c).String())
	assert.Equal(t, "after", get(t, c).String())
	require.ErrorContains(t, event[serpy.WireFault](t, c).Err, "skipped")
}

// P6 and P7: the original takes a message every 10 ms, and loses what it has not taken
// when the link ends. Ours keeps the link open, and reads, for so long.
func TestP7CloseWaitsForASlowOriginal(t *testing.T) {
	bubble(t, "serpy2", func(t *testing.T) {
		h := &host{}
		s := h.start(t, on(serpy2.Wire{}))
		c := h.dial(t, on(serpy2.Wire{}))
		a := accepted(t, s)
		for range 50 {
			put(t, c, "x", serpy.Plain)
		}
		begin := time.Now()
		require.NoError(t, c.Close())
		assert.Equal(t, 700*time.Millisecond, time.Since(begin))
		for range 50 {
			get(t, a)
		}
	})
	bubble(t, "serpy", func(t *testing.T) {
		h := &host{}
		s := h.start(t, on(serpy1.Wire{}))
		c := h.dial(t, on(serpy1.Wire{}))
		a := accepted(t, s)
		put(t, c, "x", serpy.Plain)
		begin := time.Now()
		require.NoError(t, c.Close())
		assert.Equal(t, 500*time.Millisecond, time.Since(begin))
		get(t, a)
	})
}

// P9: unread messages block the original's reader, and then its close. Ours stops
// reading, goes on without a loss, and closes.
func TestP9AnApplicationThatDoesNotRead(t *testing.T) {
	o := on(serpy2.Wire{})
	o.ReceiveQueue = serpy.Queue{Messages: 20}
	c, conn := listening(t, o, "")
	go func() {
		for i := range 500 {
			_, _ = conn.Write([]byte(serpy2Says(0x01, string([]byte{byte(i), byte(i >> 8), 0, 0, 0, 0, 0, 0}))))
		}
	}()
	event[serpy.SlowReader](t, c)
	for i := range 400 {
		m := get(t, c)
		v, err := m.Value()
		require.NoError(t, err)
		require.Equal(t, int64(i), v)
	}
	require.NoError(t, c.Close(), "with the rest unread")
}
