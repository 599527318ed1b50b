package serpy_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/protocol"
)

// on gives options for one wire.
func on(w protocol.Codec) *serpy.Options { return &serpy.Options{Wires: []protocol.Codec{w}} }

// both starts a server and a client on a wire, over TCP, and gives their connections.
func both(t *testing.T, listening, dialling *serpy.Options) (a, c *serpy.Connection) {
	t.Helper()
	s, err := serpy.Listen("tcp://127.0.0.1:0", listening)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() }) // a test may leave what cannot be confirmed
	c = dial(t, s, dialling)
	return accepted(t, s), c
}

// raw connects to a server without a library.
func raw(t *testing.T, s *serpy.Server, first string) net.Conn {
	t.Helper()
	return knock(t, strings.TrimPrefix(s.Address(), "tcp://"), []byte(first))
}

// said is one thing on the wire tally.
func said(letter byte, payload string) string { return string(tell(nil, letter, []byte(payload))) }

// hears reads exactly what is due.
func hears(t *testing.T, conn net.Conn, due string) {
	t.Helper()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Minute)))
	b := make([]byte, len(due))
	_, err := io.ReadFull(conn, b)
	require.NoError(t, err)
	require.Equal(t, due, string(b))
}

func TestForeignEcho(t *testing.T) {
	s := serve(t, on(counts()), echo)
	c := dial(t, s, on(counts()))
	for _, mode := range []serpy.Mode{serpy.Plain, serpy.Acked, serpy.Base85, serpy.Base85Acked} {
		for _, size := range []int{0, 1, 127, 16384, 65536, 65537, 1 << 20, 5<<20 + 3} {
			data := bytes.Repeat([]byte{'x'}, size)
			r, err := c.SendMessage(t.Context(), serpy.Message{Data: data, Mode: mode, Tag: 7, Type: serpy.Text, Header: serpy.Header{"a": "b"}})
			require.NoError(t, err)
			m := get(t, c)
			require.True(t, bytes.Equal(data, m.Data), "%v %d", mode, size)
			require.Equal(t, mode, m.Mode)
			require.Equal(t, len(m.Data), cap(m.Data))
			require.Zero(t, m.ID, "the wire has no numbers")
			require.Zero(t, m.Tag)
			if mode == serpy.Acked {
				require.NoError(t, r.Wait(t.Context()))
			}
		}
	}
	require.NoError(t, c.Flush(t.Context()))
	require.NoError(t, c.Close())
	require.NoError(t, c.Err())
}

func TestWhatTheWireCannotCarryGoesAsBase85(t *testing.T) {
	a, c := both(t, on(counts()), on(counts()))
	put(t, c, "with a \x00", serpy.Plain)
	m := get(t, a)
	assert.Equal(t, "with a \x00", m.String())
	assert.Equal(t, serpy.Base85, m.Mode)
	require.NoError(t, c.SendAcked(t.Context(), []byte("\x00")))
	assert.Equal(t, serpy.Base85Acked, get(t, a).Mode)
}

func TestWhatTheWireCannotPromiseIsAnError(t *testing.T) {
	w := tally{caps: protocol.Caps{CleanBinary: true, MaxPayload: 10}}
	a, c := both(t, on(w), on(w))
	require.ErrorIs(t, c.SendAcked(t.Context(), []byte("x")), serpy.ErrUnsupported)
	require.ErrorIs(t, a.SendAcked(t.Context(), []byte("x")), serpy.ErrUnsupported)
	for _, mode := range []serpy.Mode{serpy.Acked, serpy.Base85, serpy.Base85Acked} {
		_, err := c.SendMessage(t.Context(), serpy.Message{Data: []byte("x"), Mode: mode})
		require.ErrorIs(t, err, serpy.ErrUnsupported, mode)
	}
	_, err := c.SendMessage(t.Context(), serpy.Message{Data: []byte("x"), Mode: serpy.Base85})
	require.ErrorIs(t, err, errNoText, "why")
	_, err = c.SendBatch(t.Context(), []serpy.Message{{Data: []byte("x")}, {Data: []byte("y"), Mode: serpy.Acked}})
	require.ErrorIs(t, err, serpy.ErrUnsupported)
	require.ErrorIs(t, c.Send(t.Context(), []byte("more than ten")), serpy.ErrTooLarge)
	_, err = c.Request(t.Context(), serpy.Message{})
	require.ErrorIs(t, err, serpy.ErrUnsupported)
	require.ErrorIs(t, c.CloseSend(t.Context()), serpy.ErrUnsupported)
	require.NoError(t, c.Send(t.Context(), []byte("0123456789")))
	require.NoError(t, c.Flush(t.Context()), "written is all there is")
	assert.Equal(t, "x", get(t, a).String(), "of the batch")
	assert.Equal(t, "0123456789", get(t, a).String())
	g := c.Guarantees()
	assert.Equal(t, serpy.Guarantees{CleanBinary: true}, g)
	assert.Equal(t, "tally", a.Peer().Wire)
}

// A raw peer acknowledges by hand.
func TestTheNthAckStandsForTheNthAckedMessage(t *testing.T) {
	s, err := serpy.Listen("tcp://127.0.0.1:0", on(counts()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	conn := raw(t, s, said('K', "")+said('P', "hello"))
	c := accepted(t, s)
	assert.Equal(t, "hello", get(t, c).String())
	assert.ErrorContains(t, event[serpy.WireFault](t, c).Err, "acknowledged what was not sent")
	first := put(t, c, "1", serpy.Acked)
	put(t, c, "2", serpy.Plain)
	third := put(t, c, "3", serpy.Acked)
	hears(t, conn, said('A', "1")+said('P', "2")+said('A', "3"))
	resolved, _ := first.Poll()
	require.False(t, resolved, "the first K came before it")
	_, _ = conn.Write([]byte(said('K', "")))
	require.NoError(t, first.Wait(t.Context()))
	resolved, _ = third.Poll()
	require.False(t, resolved)
	require.NoError(t, conn.Close())
	require.ErrorIs(t, third.Wait(t.Context()), serpy.ErrUnconfirmed)
	require.Equal(t, 1, event[serpy.SessionLost](t, c).Unconfirmed)
	<-c.Done()
	require.NoError(t, c.Err(), "the end of what it says is the only Close that the peer has")
	require.Error(t, c.Send(t.Context(), nil))
}

func TestAcksAreWrittenOnceForEachMessageAskingForOne(t *testing.T) {
	for _, when := range []serpy.AckWhen{serpy.OnReceipt, serpy.OnProcessed} {
		o := on(counts())
		o.AckWhen = when
		s, err := serpy.Listen("tcp://127.0.0.1:0", o)
		require.NoError(t, err)
		t.Cleanup(func() { _ = s.Close() })
		conn := raw(t, s, said('A', "1")+said('P', "2")+said('A', "3")+said('Q', ""))
		c := accepted(t, s)
		var ms []serpy.Message
		for range 3 {
			ms = append(ms, get(t, c))
		}
		if when == serpy.OnProcessed {
			hears(t, conn, said('R', ""))
			ms[2].Ack()
			ms[0].Ack()
			hears(t, conn, said('K', ""))
			ms[1].Nack("of a message that wanted no ack")
			hears(t, conn, said('K', ""))
			continue
		}
		hears(t, conn, said('R', "")+said('K', "")+said('K', ""))
	}
}

func TestARefusalThatTheWireCannotSayEndsTheLink(t *testing.T) {
	o := on(counts())
	o.AckWhen = serpy.OnProcessed
	a, c := both(t, o, on(counts()))
	r := put(t, c, "1", serpy.Acked)
	m := get(t, a)
	m.Nack("no")
	require.ErrorIs(t, r.Wait(t.Context()), serpy.ErrUnconfirmed)
	<-a.Done()
	require.ErrorContains(t, a.Err(), "can only confirm")
}

func TestBadInputIsDroppedAndTold(t *testing.T) {
	s, err := serpy.Listen("tcp://127.0.0.1:0", on(counts()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	conn := raw(t, s, said('P', "before")+said('X', "bad")+said('P', "after")+"\x00\x01")
	c := accepted(t, s)
	assert.Equal(t, "before", get(t, c).String())
	assert.Equal(t, "after", get(t, c).String())
	fault := event[serpy.WireFault](t, c)
	var bad *serpy.ProtocolError
	require.ErrorAs(t, fault.Err, &bad)
	require.ErrorContains(t, fault.Err, `an X: "bad"`)
	require.NoError(t, conn.Close())
	<-c.Done()
	require.NoError(t, c.Err())
	faults := 0
	for e := range c.Events(t.Context()) {
		if f, ok := e.(serpy.WireFault); ok {
			if faults++; faults == 2 {
				assert.ErrorContains(t, f.Err, "2 bytes of no message")
			}
		}
	}
	assert.Equal(t, 2, faults)
}

func TestBytesOfNoWireEndTheConnection(t *testing.T) {
	for _, bad := range []string{said('Z', ""), "P\xff\xff\xff\xff"} {
		s, err := serpy.Listen("tcp://127.0.0.1:0", on(counts()))
		require.NoError(t, err)
		t.Cleanup(func() { _ = s.Close() })
		raw(t, s, said('P', "before")+bad)
		c := accepted(t, s)
		assert.Equal(t, "before", get(t, c).String())
		<-c.Done()
		var wrong *serpy.ProtocolError
		require.ErrorAs(t, c.Err(), &wrong)
		assert.Equal(t, "tally", wrong.Codec)
	}
}

// A peer that asks without end, and never reads the answers, is not read either.
func TestAnswersAreBounded(t *testing.T) {
	s, err := serpy.Listen("tcp://127.0.0.1:0", on(counts()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	conn := raw(t, s, said('P', "x"))
	c := accepted(t, s)
	get(t, c)
	require.NoError(t, conn.SetWriteDeadline(time.Now().Add(2*time.Second)))
	flood := []byte(strings.Repeat(said('Q', ""), 10_000))
	var sent int
	for err == nil && sent < 64<<20 {
		var n int
		n, err = conn.Write(flood)
		sent += n
	}
	require.Less(t, sent, 64<<20, "it goes on reading")
	assert.Equal(t, serpy.Up, c.State())
}

// Whoever does not read stalls the link, where the wire has no Limit; nothing is lost.
func TestAFullReceiveQueueStopsTheReader(t *testing.T) {
	small := on(counts())
	small.ReceiveQueue = serpy.Queue{Messages: 8}
	a, c := both(t, small, on(counts()))
	const n = 20_000
	sent := make(chan error, 1)
	go func() {
		var err error
		for i := 0; i < n && err == nil; i++ {
			err = c.Send(t.Context(), bytes.Repeat([]byte{byte('a' + i%26)}, 1000))
		}
		sent <- err
	}()
	event[serpy.SlowReader](t, a)
	eventually(t, func() bool { return c.Stats().SendQueue.Messages == 4096 })
	for i := range n {
		require.Equal(t, byte('a'+i%26), get(t, a).Data[0], i)
	}
	require.NoError(t, <-sent)
}

// Close still hears what is acknowledged when its own application does not read.
func TestCloseHearsAcksBehindAFullQueue(t *testing.T) {
	small := on(counts())
	small.ReceiveQueue = serpy.Queue{Messages: 4}
	a, c := both(t, on(counts()), small)
	for range 100 {
		require.NoError(t, a.Send(t.Context(), []byte("nobody reads this")))
	}
	event[serpy.SlowReader](t, c)
	r := put(t, c, "last words", serpy.Acked)
	read := make(chan error, 1)
	go func() { _, err := a.Receive(t.Context()); read <- err }()
	require.NoError(t, c.Close())
	require.NoError(t, <-read)
	require.NoError(t, r.Wait(t.Context()))
}

func TestADialledForeignLinkIsMadeAnew(t *testing.T) {
	for _, resend := range []serpy.SessionLostPolicy{serpy.Report, serpy.Resend} {
		h := &host{}
		s := h.start(t, on(counts()))
		o := on(counts())
		o.OnSessionLost = resend
		c := h.dial(t, o)
		a := accepted(t, s)
		require.NoError(t, c.SendAcked(t.Context(), []byte("1")))
		assert.Equal(t, "1", get(t, a).String())
		require.NoError(t, a.Close())
		if resend == serpy.Report { // what is written before it is noticed would be lost, and be told
			event[serpy.SessionLost](t, c)
		}
		require.NoError(t, c.SendAcked(t.Context(), []byte("2")), "on the next link")
		b := accepted(t, s)
		assert.Equal(t, "2", get(t, b).String())
		if resend == serpy.Resend {
			event[serpy.SessionLost](t, c)
		}
		assert.NoError(t, c.Err())
		assert.False(t, event[serpy.Connected](t, b).Resumed)
		require.NoError(t, b.Send(t.Context(), []byte("3")))
		assert.Equal(t, serpy.LostWithSession, get(t, c).Gap.Reason)
		require.NoError(t, c.Close())
	}
}

func TestWithoutReconnectTheEndOfThePeerIsANormalOne(t *testing.T) {
	o := on(counts())
	o.Reconnect.Off = true
	a, c := both(t, on(counts()), o)
	require.NoError(t, a.Send(t.Context(), []byte("last")))
	require.NoError(t, a.Close())
	assert.Equal(t, "last", get(t, c).String())
	_, err := c.Receive(within(t, time.Minute))
	require.ErrorIs(t, err, io.EOF)
	<-c.Done()
	require.NoError(t, c.Err())
}

// The link stays open for a while behind the last message that nobody acknowledged,
// and ends at once behind one that was.
func TestCloseLingers(t *testing.T) {
	for _, mode := range []serpy.Mode{serpy.Plain, serpy.Acked} {
		bubble(t, mode.String(), func(t *testing.T) {
			w := counts()
			w.linger = 100 * time.Millisecond
			h := &host{}
			s := h.start(t, on(w))
			c := h.dial(t, on(w))
			a := accepted(t, s)
			for range 4 {
				put(t, c, "x", mode)
			}
			begin := time.Now()
			require.NoError(t, c.Close())
			if mode == serpy.Acked {
				assert.Zero(t, time.Since(begin))
			} else {
				assert.Equal(t, 400*time.Millisecond, time.Since(begin))
			}
			for range 4 {
				get(t, a)
			}
			<-a.Done()
			require.NoError(t, a.Err())
		})
	}
}

func TestNoSignOfLifeIsAskedForOnAForeignWire(t *testing.T) {
	bubble(t, "idle", func(t *testing.T) {
		h := &host{}
		s := h.start(t, on(counts()))
		c := h.dial(t, on(counts()))
		a := accepted(t, s)
		bubbleSleep(time.Hour)
		require.NoError(t, c.SendAcked(t.Context(), []byte("still there")))
		assert.Equal(t, "still there", get(t, a).String())
		assert.Equal(t, 1, c.Stats().Links)
	})
}

func TestOneMessageALink(t *testing.T) {
	w := tally{caps: protocol.Caps{CleanBinary: true, OneMessage: true}}
	got := make(chan string, 20)
	s := serve(t, on(w), func(ctx context.Context, c *serpy.Connection) error {
		if m, err := c.Receive(ctx); err == nil { // else it was closed before it said anything
			_, err = c.Receive(ctx)
			assert.ErrorIs(t, err, io.EOF)
			got <- m.String()
		}
		return nil
	})
	c := dial(t, s, on(w))
	for range 20 {
		require.NoError(t, c.Send(t.Context(), []byte("a message")))
	}
	require.NoError(t, c.Flush(t.Context()))
	assert.GreaterOrEqual(t, c.Stats().Links, 20)
	for range 20 {
		assert.Equal(t, "a message", <-got)
	}
	require.NoError(t, c.Close())
}

func TestOneMessageALinkFromTheListener(t *testing.T) {
	w := tally{caps: protocol.Caps{CleanBinary: true, OneMessage: true}}
	s := serve(t, on(w), func(ctx context.Context, c *serpy.Connection) error {
		_ = c.Send(ctx, []byte("for whoever comes")) // it may have gone before
		err := c.Send(ctx, []byte("one too many"))
		assert.True(t, errors.Is(err, serpy.ErrUnsupported) || errors.Is(err, net.ErrClosed) || ctx.Err() != nil, "%v", err)
		_ = c.Flush(ctx)
		return nil
	})
	c := dial(t, s, on(w))
	for range 20 {
		m := get(t, c)
		assert.Equal(t, "for whoever comes", m.String())
		assert.Nil(t, m.Gap, "nothing was lost")
	}
	require.NoError(t, c.Send(t.Context(), []byte("x")))
	// The listener may be first, again and again, or at the same time.
	if err := c.Flush(t.Context()); err != nil {
		require.ErrorIs(t, err, serpy.ErrUnconfirmed)
	}
	end := c.Stats()
	assert.LessOrEqual(t, end.Links, int(end.Received)+2, "nothing is dialled for nothing")
	require.NoError(t, c.Close())
}

func TestShutdownOfAServerOfForeignLinks(t *testing.T) {
	s, err := serpy.Listen("tcp://127.0.0.1:0", on(counts()))
	require.NoError(t, err)
	o := on(counts())
	o.Reconnect.Off = true
	c := dial(t, s, o)
	a := accepted(t, s)
	require.NoError(t, a.Send(t.Context(), []byte("goodbye")))
	require.NoError(t, s.Close())
	require.ErrorIs(t, a.Send(t.Context(), nil), net.ErrClosed)
	assert.Equal(t, "goodbye", get(t, c).String())
	<-c.Done()
	require.True(t, c.Err() == nil || errors.Is(c.Err(), net.ErrClosed))
}
