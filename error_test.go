package serpy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/serpytest"
	"github.com/serpy-go/serpy/transport"
)

// deaf is a handler that reads nothing until it is told to end.
func deaf(ctx context.Context, _ *serpy.Connection) error { <-ctx.Done(); return nil }

// named checks that the text of an error names the package once, and first.
func named(t *testing.T, err error) {
	t.Helper()
	require.Error(t, err)
	assert.True(t, strings.HasPrefix(err.Error(), "serpy: "), "%q", err)
	assert.Equal(t, 1, strings.Count(err.Error(), "serpy: "), "%q", err)
}

// ended is a context that is done.
func ended(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func TestErrTooLarge(t *testing.T) {
	c := dial(t, serve(t, &serpy.Options{MaxMessage: 100_000}, echo), nil)
	many := serpy.Header{}
	for i := range 33 {
		many[fmt.Sprint(i)] = "x"
	}
	for name, send := range map[string]func() error{
		"our bound":         func() error { return c.Send(t.Context(), make([]byte, 16<<20+1)) },
		"the peer's bound":  func() error { return c.Send(t.Context(), make([]byte, 100_001)) },
		"the same, acked":   func() error { return c.SendAcked(t.Context(), make([]byte, 100_001)) },
		"the same, request": func() error { _, err := c.Request(t.Context(), serpy.Message{Data: make([]byte, 100_001)}); return err },
		"too many names":    func() error { _, err := c.TrySend(serpy.Message{Header: many}); return err },
		"too large a header": func() error {
			_, err := c.TrySend(serpy.Message{Header: serpy.Header{"a": strings.Repeat("x", 4097)}})
			return err
		},
	} {
		err := send()
		require.ErrorIs(t, err, serpy.ErrTooLarge, name)
		named(t, err)
	}
	require.NoError(t, c.Send(t.Context(), make([]byte, 100_000)))
	m, err := c.Receive(t.Context())
	require.NoError(t, err)
	require.Len(t, m.Data, 100_000)
	require.EqualValues(t, 1, m.ID, "what was refused was never sent, and is not counted")
	require.Equal(t, 1, c.Stats().Links)
}

func TestErrTooLargeForTheQueue(t *testing.T) {
	c := dial(t, serve(t, nil, echo), nil)
	require.NoError(t, c.SetSendQueue(serpy.Queue{Bytes: 1000}))
	require.ErrorIs(t, c.Send(t.Context(), make([]byte, 1001)), serpy.ErrTooLarge)
	require.NoError(t, c.Send(t.Context(), make([]byte, 1000)))
	_, err := c.Receive(t.Context())
	require.NoError(t, err)
}

func TestErrQueueFull(t *testing.T) {
	s := serve(t, &serpy.Options{ReceiveQueue: serpy.Queue{Messages: 4}, AckWhen: serpy.OnProcessed, CloseTimeout: 50 * time.Millisecond}, deaf)
	c := dial(t, s, &serpy.Options{SendQueue: serpy.Queue{Messages: 4}, CloseTimeout: 50 * time.Millisecond})
	for range 4 {
		_, err := c.TrySend(serpy.Message{Mode: serpy.Acked})
		require.NoError(t, err)
	}
	_, err := c.TrySend(serpy.Message{})
	require.ErrorIs(t, err, serpy.ErrQueueFull)
	named(t, err)
	require.NoError(t, c.SetSendQueue(serpy.Queue{Messages: 4, Policy: serpy.Fail}))
	err = c.Send(t.Context(), nil)
	require.ErrorIs(t, err, serpy.ErrQueueFull)
	named(t, err)
	require.EqualValues(t, 4, c.Stats().Sent)
}

func TestErrUnsupported(t *testing.T) {
	connections := make(chan *serpy.Connection, 1)
	s := serve(t, nil, func(ctx context.Context, c *serpy.Connection) error {
		connections <- c
		return deaf(ctx, c)
	})
	dial(t, s, nil)
	err := (<-connections).Reconnect()
	require.ErrorIs(t, err, serpy.ErrUnsupported)
	named(t, err)
	_, err = s.Accept(t.Context())
	require.ErrorIs(t, err, serpy.ErrUnsupported, "Serve has the connections")
	named(t, err)
	require.ErrorIs(t, s.Serve(t.Context(), echo), serpy.ErrUnsupported)
	err = serpy.Message{}.Reply(t.Context(), serpy.Message{})
	require.ErrorIs(t, err, serpy.ErrUnsupported)
	named(t, err)
}

func TestErrNotAcked(t *testing.T) {
	c := dial(t, serve(t, nil, echo), nil)
	r, err := c.SendMessage(t.Context(), serpy.TextMessage("plain"))
	require.NoError(t, err)
	for _, r := range []serpy.Receipt{r, {}} {
		err = r.Wait(t.Context())
		require.ErrorIs(t, err, serpy.ErrNotAcked)
		named(t, err)
		resolved, err := r.Poll()
		require.True(t, resolved)
		require.ErrorIs(t, err, serpy.ErrNotAcked)
		<-r.Done()
	}
}

// A receipt that nobody resolved says so at the end, and the close says how many.
func TestErrUnconfirmedAtTheEnd(t *testing.T) {
	s := serve(t, &serpy.Options{AckWhen: serpy.OnProcessed, CloseTimeout: 50 * time.Millisecond}, deaf)
	c := dial(t, s, &serpy.Options{CloseTimeout: 50 * time.Millisecond})
	var receipts []serpy.Receipt
	for range 3 {
		r, err := c.SendMessage(t.Context(), serpy.Message{Mode: serpy.Acked})
		require.NoError(t, err)
		receipts = append(receipts, r)
	}
	resolved, err := receipts[0].Poll()
	require.False(t, resolved)
	require.NoError(t, err)

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err = c.SendAcked(ctx, []byte("4"))
	require.ErrorIs(t, err, serpy.ErrUnconfirmed, "it was accepted")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	named(t, err)
	err = c.SendAcked(ctx, []byte("5"))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotErrorIs(t, err, serpy.ErrUnconfirmed, "it was never sent")
	require.EqualValues(t, 4, c.Stats().Sent)

	var unconfirmed *serpy.UnconfirmedError
	err = c.Flush(ctx)
	require.ErrorAs(t, err, &unconfirmed)
	require.Equal(t, 4, unconfirmed.Count)
	named(t, err)
	err = c.Close()
	require.ErrorAs(t, err, &unconfirmed)
	require.Equal(t, 4, unconfirmed.Count)
	require.ErrorIs(t, err, serpy.ErrUnconfirmed)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	named(t, err)
	for _, r := range receipts {
		err := r.Wait(t.Context())
		require.ErrorIs(t, err, serpy.ErrUnconfirmed)
		named(t, err)
		<-r.Done()
	}
	require.ErrorAs(t, c.Shutdown(ended(t)), &unconfirmed, "it says so again")
}

func TestErrClosed(t *testing.T) {
	c := dial(t, serve(t, nil, echo), nil)
	require.NoError(t, c.Close())
	require.NoError(t, c.Close())
	require.NoError(t, c.Err(), "a normal end")
	require.Equal(t, serpy.Ended, c.State())
	_, errReceive := c.Receive(t.Context())
	_, errBatch := c.ReceiveBatch(t.Context(), make([]serpy.Message, 1))
	_, errTry := c.TrySend(serpy.Message{})
	_, errSendBatch := c.SendBatch(t.Context(), make([]serpy.Message, 2))
	_, errRequest := c.Request(t.Context(), serpy.Message{})
	for _, err := range []error{
		c.Send(t.Context(), nil), c.SendAcked(t.Context(), nil), errTry, errSendBatch, errRequest,
		errReceive, errBatch, c.CloseSend(t.Context()), c.WaitConnected(t.Context()), c.Reconnect(),
	} {
		require.ErrorIs(t, err, serpy.ErrClosed)
		require.ErrorIs(t, err, net.ErrClosed)
		named(t, err)
	}
	require.NoError(t, c.Flush(t.Context()), "all that was accepted is confirmed")
	_, ok := c.TryReceive()
	require.False(t, ok)
}

func TestNackError(t *testing.T) {
	s := serve(t, &serpy.Options{AckWhen: serpy.OnProcessed}, func(ctx context.Context, c *serpy.Connection) error {
		return c.Handle(ctx, func(_ context.Context, m serpy.Message) error {
			if m.String() == "bad" {
				return errors.New("not today")
			}
			return nil
		})
	})
	c := dial(t, s, nil)
	require.NoError(t, c.SendAcked(t.Context(), []byte("good")))
	err := c.SendAcked(t.Context(), []byte("bad"))
	var nack *serpy.NackError
	require.ErrorAs(t, err, &nack)
	require.Equal(t, "not today", nack.Reason)
	named(t, err)
	require.NoError(t, c.Send(t.Context(), []byte("bad")))
	require.NoError(t, c.Flush(t.Context()), "Flush asks only whether the peer had it")
	require.NoError(t, c.SendAcked(t.Context(), []byte("good")), "a refusal stands for one message alone")
	nacked := 0
	require.NoError(t, c.Close())
	for e := range c.Events(t.Context()) {
		if n, ok := e.(serpy.Nacked); ok {
			nacked++
			require.EqualValues(t, nacked, n.Total)
			require.Equal(t, "not today", n.Reason)
		}
	}
	require.Equal(t, 2, nacked)
}

func TestLinkError(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	address := l.Addr().String()

	// Nobody answers: time runs out.
	begin := time.Now()
	_, err = serpy.Dial(t.Context(), address, &serpy.Options{HandshakeTimeout: 50 * time.Millisecond})
	var link *serpy.LinkError
	require.ErrorAs(t, err, &link)
	require.Equal(t, "handshake", link.Op)
	require.Equal(t, address, link.Addr)
	var netErr net.Error
	require.ErrorAs(t, err, &netErr)
	require.True(t, netErr.Timeout())
	named(t, err)
	require.Less(t, time.Since(begin), busy)

	// Nobody listens.
	require.NoError(t, l.Close())
	_, err = serpy.Dial(t.Context(), address, nil)
	require.ErrorAs(t, err, &link)
	require.Equal(t, "dial", link.Op)
	require.Equal(t, 1, link.Attempt)
	require.False(t, link.Timeout())
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	named(t, err)

	// The caller's time runs out.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = serpy.Dial(ctx, address, &serpy.Options{Reconnect: serpy.Reconnect{FirstDial: serpy.RetryUntilDone}})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	named(t, err)

	_, err = serpy.Dial(t.Context(), "nonsense://x", nil)
	var address2 *transport.AddressError
	require.ErrorAs(t, err, &address2)
	named(t, err)
	_, err = serpy.Listen("nonsense://x", nil)
	require.ErrorAs(t, err, &address2)
	named(t, err)
}

// Without reconnection the loss of the link ends the connection, and says why; as
// every error that ends one, it is net.ErrClosed.
func TestLinkErrorEndsTheConnection(t *testing.T) {
	c, cut := serpytest.Serve(t, deaf, &serpy.Options{Reconnect: serpy.Reconnect{Off: true}, CloseTimeout: 50 * time.Millisecond})
	cut()
	<-c.Done()
	_, errReceive := c.Receive(t.Context())
	for _, err := range []error{c.Err(), errReceive, c.Send(t.Context(), nil)} {
		var link *serpy.LinkError
		require.ErrorAs(t, err, &link)
		require.Equal(t, "read", link.Op)
		require.ErrorIs(t, err, net.ErrClosed)
		require.NotErrorIs(t, err, serpy.ErrClosed, "we did not close it")
	}
	named(t, errReceive)
	require.NoError(t, c.Close())
}

func TestRefusedError(t *testing.T) {
	s := serve(t, &serpy.Options{
		MaxConnections: 1,
		Authorize: func(_ context.Context, p serpy.Peer) error {
			if p.Name == "Mallory" {
				return errors.New("not on the list")
			}
			return nil
		},
	}, deaf)
	var refused *serpy.RefusedError
	_, err := serpy.Dial(t.Context(), s.Address(), &serpy.Options{Name: "Mallory", Reconnect: serpy.Reconnect{FirstDial: serpy.RetryUntilDone}})
	require.ErrorAs(t, err, &refused, "final: not even RetryUntilDone goes on")
	require.Equal(t, serpy.RefusedError{Reason: "not on the list", Final: true}, *refused)
	named(t, err)
	dial(t, s, nil)
	_, err = serpy.Dial(t.Context(), s.Address(), nil)
	require.ErrorAs(t, err, &refused)
	require.Equal(t, serpy.RefusedError{Reason: "too many sessions"}, *refused, "it may try again")
	require.EqualValues(t, 2, s.Stats().Refused)
	require.EqualValues(t, 1, s.Stats().Accepted)
}

// A server that started anew does not know the session: the dialler goes on with a
// new one, and says what may be lost. On the server's side the loss is the end.
func TestSessionLostError(t *testing.T) {
	l, first := serpytest.Listen(serpytest.Link{}), serpytest.Listen(serpytest.Link{})
	o := &serpy.Options{AckWhen: serpy.OnProcessed, SessionTimeout: 100 * time.Millisecond, CloseTimeout: 50 * time.Millisecond}
	s, err := serpy.NewServer(first, o)
	require.NoError(t, err)
	defer s.Close()
	now := make(chan *serpytest.Listener, 2)
	now <- first
	c, err := serpy.Dial(t.Context(), "tcp://x:1", &serpy.Options{
		Dial: func(ctx context.Context, a string) (net.Conn, error) {
			at := <-now
			now <- at
			return at.DialAddress(ctx, a)
		},
		Reconnect: serpy.Reconnect{Max: 100 * time.Millisecond},
	})
	require.NoError(t, err)
	server, err := s.Accept(t.Context())
	require.NoError(t, err)
	r, err := c.SendMessage(t.Context(), serpy.Message{Mode: serpy.Acked})
	require.NoError(t, err)
	_, err = server.Receive(t.Context())
	require.NoError(t, err)
	require.NoError(t, server.Send(t.Context(), []byte("for nobody")))

	s2, err := serpy.NewServer(l, nil)
	require.NoError(t, err)
	defer s2.Close()
	<-now
	now <- l
	before := c.ID()
	first.CutAll()

	var lost *serpy.SessionLostError
	for e := range c.Events(t.Context()) {
		if e, ok := e.(serpy.SessionLost); ok {
			require.ErrorAs(t, e.Err, &lost)
			break
		}
	}
	server2, err := s2.Accept(t.Context())
	require.NoError(t, err)
	require.NoError(t, r.Wait(t.Context()), "a peer that acknowledges when processed has it sent again")
	m, err := server2.Receive(t.Context())
	require.NoError(t, err)
	require.True(t, m.Redelivered)
	require.NotEqual(t, before, c.ID())
	require.NoError(t, c.Close())

	<-server.Done()
	require.ErrorAs(t, server.Err(), &lost)
	require.ErrorIs(t, server.Err(), net.ErrClosed)
}

// What was written and not confirmed is reported, by the receipt, an event, and a
// Gap in the stream of the next session.
func TestUnconfirmedByALostSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := serpytest.Listen(serpytest.Link{})
		s, err := serpy.NewServer(l, &serpy.Options{SessionTimeout: time.Second})
		require.NoError(t, err)
		defer s.Close()
		c, err := serpy.Dial(t.Context(), "tcp://x:1", &serpy.Options{Dial: l.DialAddress})
		require.NoError(t, err)
		defer c.Close()
		require.NoError(t, c.SendAcked(t.Context(), []byte("1")))
		l.Conns()[0].In().Vanish() // the acknowledgement will not come back
		r, err := c.SendMessage(t.Context(), serpy.Message{Data: []byte("2"), Mode: serpy.Acked})
		require.NoError(t, err)
		synctest.Wait()
		l.Refuse(true)
		l.CutAll()
		time.Sleep(2 * time.Second) //nolint:forbidigo // in a bubble; the server gives the session up
		require.NoError(t, c.Send(t.Context(), []byte("3")))
		l.Refuse(false)

		err = r.Wait(t.Context())
		var lost *serpy.SessionLostError
		require.ErrorIs(t, err, serpy.ErrUnconfirmed)
		require.ErrorAs(t, err, &lost)
		require.Equal(t, 1, lost.Unconfirmed)
		named(t, err)
		_, err = s.Accept(t.Context())
		require.NoError(t, err)
		server, err := s.Accept(t.Context())
		require.NoError(t, err)
		m, err := server.Receive(t.Context())
		require.NoError(t, err)
		require.Equal(t, "3", m.String())
		require.EqualValues(t, 3, m.ID)
		require.Equal(t, &serpy.Gap{First: 2, Last: 2, Count: 1, Reason: serpy.LostWithSession}, m.Gap)
	})
}

func TestCloseError(t *testing.T) {
	end := make(chan error)
	s := serve(t, nil, func(context.Context, *serpy.Connection) error { return <-end })
	for _, reason := range []error{nil, errors.New("out of film")} {
		c := dial(t, s, nil)
		go func() { end <- reason }()
		_, err := c.Receive(t.Context())
		var closed *serpy.CloseError
		require.ErrorAs(t, err, &closed)
		require.True(t, closed.Remote)
		require.ErrorIs(t, err, net.ErrClosed)
		named(t, err)
		<-c.Done()
		if reason == nil {
			require.ErrorIs(t, err, io.EOF)
			require.EqualValues(t, protocol.CodeNormal, closed.Code)
			require.NoError(t, c.Err())
			continue
		}
		require.NotErrorIs(t, err, io.EOF)
		require.EqualValues(t, protocol.CodeError, closed.Code)
		require.Equal(t, "out of film", closed.Reason)
		require.ErrorAs(t, c.Err(), &closed)
	}
}

// Every call whose context is done says so at once, also where it could have gone on.
func TestADoneContextWins(t *testing.T) {
	c := dial(t, serve(t, nil, echo), nil)
	r, err := c.SendMessage(t.Context(), serpy.Message{Mode: serpy.Acked})
	require.NoError(t, err)
	require.NoError(t, r.Wait(t.Context()))
	ctx := ended(t)
	_, errMessage := c.SendMessage(ctx, serpy.Message{})
	_, errBatch := c.SendBatch(ctx, make([]serpy.Message, 1))
	_, errReceive := c.Receive(ctx)
	_, errReceiveBatch := c.ReceiveBatch(ctx, make([]serpy.Message, 1))
	_, errRequest := c.Request(ctx, serpy.Message{})
	for _, err := range []error{
		c.Send(ctx, nil), c.SendAcked(ctx, nil), errMessage, errBatch, errReceive, errReceiveBatch, errRequest,
		r.Wait(ctx), c.Flush(ctx), c.WaitConnected(ctx),
	} {
		require.ErrorIs(t, err, context.Canceled)
		named(t, err)
	}
	require.EqualValues(t, 1, c.Stats().Sent)
	for range c.Messages(ctx) {
		require.Fail(t, "a message")
	}
	require.ErrorIs(t, c.Handle(ctx, func(context.Context, serpy.Message) error { return nil }), context.Canceled)
}
