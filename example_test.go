package serpy_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log"
	"net"
	"sync/atomic"
	"time"

	"github.com/serpy-go/serpy"
)

// newServer is a server on a free port with a handler, and what ends it.
func newServer(h serpy.Handler, o *serpy.Options) (s *serpy.Server, stop func()) {
	s, err := serpy.Listen("localhost:0", o)
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- s.Serve(ctx, h) }()
	return s, func() {
		cancel()
		if err := <-served; err != nil {
			log.Fatal(err)
		}
	}
}

// newClient dials a server.
func newClient(s *serpy.Server, o *serpy.Options) *serpy.Connection {
	c, err := serpy.Dial(context.Background(), s.Address(), o)
	if err != nil {
		log.Fatal(err)
	}
	return c
}

// answer replies to each message with itself.
func answer(ctx context.Context, c *serpy.Connection) error {
	return c.Handle(ctx, func(ctx context.Context, m serpy.Message) error { return m.Reply(ctx, m) })
}

// A server that sends what one says to all others: a chat.
func Example() {
	ctx := context.Background()
	var s *serpy.Server
	ready := make(chan struct{}, 2)
	begun := make(chan struct{})
	s, stop := newServer(func(ctx context.Context, c *serpy.Connection) error {
		<-begun
		ready <- struct{}{}
		for m := range c.Messages(ctx) {
			if _, err := s.Broadcast(m, c); err != nil {
				return err
			}
		}
		return c.Err()
	}, nil)
	close(begun)
	defer stop()

	ada, bob := newClient(s, &serpy.Options{Name: "Ada"}), newClient(s, &serpy.Options{Name: "Bob"})
	defer bob.Close()
	<-ready
	<-ready
	if _, err := ada.SendMessage(ctx, serpy.TextMessage("hello")); err != nil {
		fmt.Println(err)
	}
	m, err := bob.Receive(ctx)
	fmt.Println(">>>", m, err)
	fmt.Println(ada.Close()) // sends what is queued, and says what was not confirmed
	// Output:
	// >>> hello <nil>
	// <nil>
}

// An instrument sends frames to whoever is connected, and answers commands.
func ExampleServer_Broadcast() {
	const frames = 1
	ready := make(chan struct{}, 1)
	s, stop := newServer(func(ctx context.Context, c *serpy.Connection) error {
		ready <- struct{}{}
		return c.Handle(ctx, func(ctx context.Context, m serpy.Message) error {
			return m.Reply(ctx, serpy.TextMessage("ACME,1,0,1"))
		})
	}, nil)
	defer stop()
	c := newClient(s, nil)
	defer c.Close()
	<-ready
	missed, err := s.Broadcast(serpy.Message{Data: []byte("a frame"), Tag: frames, Time: time.Now(), NoCopy: true})
	fmt.Println(missed, err)
	m, _ := c.Receive(context.Background())
	fmt.Println(m.Tag == frames, m)
	idn, _ := c.Request(context.Background(), serpy.TextMessage("*IDN?"))
	fmt.Println(idn)
	// Output:
	// 0 <nil>
	// true a frame
	// ACME,1,0,1
}

// All of it for a recorder, the newest for a viewer: the handler decides, by what the
// peer asks for.
func ExampleConnection_SetSendQueue() {
	s, stop := newServer(func(ctx context.Context, c *serpy.Connection) error {
		if m, err := c.Receive(ctx); err != nil {
			return err
		} else if m.String() == "VIEW" {
			if err := c.SetSendQueue(serpy.Queue{Messages: 1, Policy: serpy.KeepLatest}); err != nil {
				return err
			}
		}
		for i := range 10_000 {
			if err := c.Send(ctx, fmt.Append(nil, i)); err != nil {
				return err
			}
		}
		return c.CloseSend(ctx)
	}, nil)
	defer stop()
	for _, what := range []string{"RECORD", "VIEW"} {
		c := newClient(s, nil)
		_ = c.Send(context.Background(), []byte(what))
		got, missing, last := 0, uint64(0), ""
		for m := range c.Messages(context.Background()) {
			got++
			if m.Gap != nil {
				missing += m.Gap.Count
			}
			last = m.String()
		}
		fmt.Println(what, got+int(missing), "last", last, "all", missing == 0)
		_ = c.Close()
	}
	// Output:
	// RECORD 10000 last 9999 all true
	// VIEW 10000 last 9999 all false
}

// A workstation confirms what it has written, and no sooner.
func ExampleConnection_Handle() {
	full := errors.New("disk full")
	var newest atomic.Pointer[serpy.Message]
	s, stop := newServer(func(ctx context.Context, c *serpy.Connection) error {
		return c.Handle(ctx, func(_ context.Context, m serpy.Message) error {
			if m.Gap != nil {
				fmt.Println(m.Gap)
			}
			if m.String() == "large" {
				return full // Nack: the sender learns
			}
			newest.Store(&m)
			return nil // Ack
		})
	}, &serpy.Options{AckWhen: serpy.OnProcessed})
	defer stop()
	c := newClient(s, &serpy.Options{Reconnect: serpy.Reconnect{FirstDial: serpy.RetryUntilDone}})
	defer c.Close()
	fmt.Println(c.SendAcked(context.Background(), []byte("small")), newest.Load())
	fmt.Println(c.SendAcked(context.Background(), []byte("large")))
	// Output:
	// <nil> small
	// serpy: send acked: refused by the peer's application: disk full
}

// A program with a clock of its own, such as a GUI, never waits.
func ExampleConnection_TryReceive() {
	s, stop := newServer(answer, nil)
	defer stop()
	c := newClient(s, nil)
	defer c.Close()
	var trigger serpy.Receipt
	click := func() {
		r, err := c.TrySend(serpy.Message{Data: []byte("*TRG"), Mode: serpy.Acked})
		if errors.Is(err, serpy.ErrQueueFull) {
			fmt.Println("busy")
			return
		}
		trigger = r
	}
	done := false
	tick := func() {
		for range 100 {
			m, ok := c.TryReceive()
			if !ok {
				break
			}
			fmt.Println(m)
			done = true
		}
		if resolved, err := trigger.Poll(); resolved && err != nil {
			fmt.Println(err)
		}
		if c.State() != serpy.Up {
			fmt.Println("link down")
		}
	}
	click()
	for !done {
		tick()
	}
	// Output: *TRG
}

// Write with a callback, try to write, shut down: as pipes do it elsewhere.
func ExampleConnection_CloseSend() {
	ctx := context.Background()
	s, stop := newServer(func(ctx context.Context, c *serpy.Connection) error {
		n := 0
		for range c.Messages(ctx) {
			n++
		}
		return c.Send(ctx, fmt.Append(nil, n, " messages"))
	}, nil)
	defer stop()
	c := newClient(s, nil)
	defer c.Close()
	callback := make(chan error)
	r, err := c.SendMessage(ctx, serpy.Message{Data: []byte("PING"), Mode: serpy.Acked})
	if err != nil {
		log.Fatal(err)
	}
	go func() { callback <- r.Wait(ctx) }()
	fmt.Println(<-callback)
	if _, err := c.TrySend(serpy.Message{Data: []byte("x")}); errors.Is(err, serpy.ErrQueueFull) {
		fmt.Println("would block;", c.Stats().SendQueue.Bytes)
	}
	fmt.Println(c.CloseSend(ctx))
	m, _ := c.Receive(ctx)
	fmt.Println(m)
	// Output:
	// <nil>
	// <nil>
	// 2 messages
}

// A server of images asks for numbers and sends pictures.
func ExampleMessage_Value() {
	image := func(n int64) []byte { return make([]byte, n) }
	s, stop := newServer(func(ctx context.Context, c *serpy.Connection) error {
		for m := range c.Messages(ctx) {
			if v, _ := m.Value(); v != nil {
				if n, ok := v.(int64); ok {
					if err := c.Send(ctx, image(n)); err != nil {
						return err
					}
				}
			}
		}
		return c.Err()
	}, nil)
	defer stop()
	c := newClient(s, nil)
	defer c.Close()
	m, err := serpy.ValueMessage(4096)
	if err != nil {
		log.Fatal(err)
	}
	_, _ = c.SendMessage(context.Background(), m)
	m, _ = c.Receive(context.Background())
	fmt.Println(len(m.Data))
	// Output: 4096
}

// A protocol object for each connection, on a listener of one's own.
func ExampleNewServer() {
	type counter struct{ n uint32 }
	talk := func(ctx context.Context, p *counter, c *serpy.Connection) error {
		for range c.Messages(ctx) {
			p.n++
			if err := c.Send(ctx, binary.LittleEndian.AppendUint32(nil, p.n)); err != nil {
				return err
			}
		}
		return c.Err()
	}
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		log.Fatal(err)
	}
	s, err := serpy.NewServer(l, nil)
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error)
	go func() {
		served <- s.Serve(ctx, func(ctx context.Context, c *serpy.Connection) error { return talk(ctx, &counter{}, c) })
	}()
	c := newClient(s, nil)
	for range 3 {
		_ = c.Send(context.Background(), []byte("tick"))
		m, _ := c.Receive(context.Background())
		fmt.Println(binary.LittleEndian.Uint32(m.Data))
	}
	fmt.Println(c.Close())
	cancel()
	fmt.Println(<-served)
	// Output:
	// 1
	// 2
	// 3
	// <nil>
	// <nil>
}

// What happens to connections, as callbacks would tell it.
func ExampleServer_Events() {
	s, stop := newServer(answer, nil)
	c := newClient(s, nil)
	fmt.Println(c.Close())
	for _, e := range s.Events(context.Background()) {
		switch e := e.(type) {
		case serpy.Connected:
			fmt.Println("on_connected")
		case serpy.Closed:
			fmt.Println("on_disconnected", e.Err)
			stop()
			return
		case serpy.WireFault:
			fmt.Println("on_error", e.Err)
		}
	}
	// Output:
	// <nil>
	// on_connected
	// on_disconnected <nil>
}

func ExampleConnection_Request() {
	s, stop := newServer(func(ctx context.Context, c *serpy.Connection) error {
		return c.Handle(ctx, func(ctx context.Context, m serpy.Message) error {
			if m.String() != "*IDN?" {
				return errors.New("no such command")
			}
			return m.Reply(ctx, serpy.TextMessage("ACME,1,0,1"))
		})
	}, nil)
	defer stop()
	c := newClient(s, nil)
	defer c.Close()
	m, err := c.Request(context.Background(), serpy.TextMessage("*IDN?"))
	fmt.Println(m, err)
	_, err = c.Request(context.Background(), serpy.TextMessage("*RST"))
	var nack *serpy.NackError
	fmt.Println(errors.As(err, &nack), err)
	// Output:
	// ACME,1,0,1 <nil>
	// true serpy: request: refused by the peer's application: no such command
}

func ExampleConnection_SendAcked() {
	s, stop := newServer(answer, nil)
	defer stop()
	c := newClient(s, nil)
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	switch err := c.SendAcked(ctx, []byte("once")); {
	case err == nil:
		fmt.Println("the peer has it")
	case errors.Is(err, serpy.ErrUnconfirmed):
		fmt.Println("it may or may not have arrived; it stays queued")
	default:
		fmt.Println("never sent:", err)
	}
	// Output: the peer has it
}

func ExampleConnection_Flush() {
	s, stop := newServer(answer, nil)
	defer stop()
	c := newClient(s, nil)
	defer c.Close()
	for range 1000 {
		_ = c.Send(context.Background(), []byte("plain"))
	}
	err := c.Flush(context.Background())
	stats := c.Stats()
	fmt.Println(err, stats.Sent, stats.Confirmed, stats.SendQueue.Messages)
	// Output: <nil> 1000 1000 0
}

func ExampleConnection_ReceiveBatch() {
	s, stop := newServer(answer, nil)
	defer stop()
	c := newClient(s, nil)
	defer c.Close()
	batch := make([]serpy.Message, 500)
	for i := range batch {
		batch[i].Data = fmt.Append(nil, i)
	}
	r, err := c.SendBatch(context.Background(), batch)
	fmt.Println(err, r.Wait(context.Background()))
	var kept []serpy.Message
	for sum := 0; sum < len(batch); {
		n, err := c.ReceiveBatch(context.Background(), batch)
		if err != nil {
			log.Fatal(err)
		}
		kept = append(kept, batch[n-1].Clone()) // Data is lent until the next ReceiveBatch
		sum += n
	}
	fmt.Println(kept[len(kept)-1])
	// Output:
	// <nil> serpy: wait: message has no acknowledgement
	// 499
}

func ExampleConnection_Events() {
	s, stop := newServer(answer, nil)
	defer stop()
	c := newClient(s, nil)
	_ = c.Reconnect()
	_ = c.SendAcked(context.Background(), []byte("over the second link"))
	_ = c.Close()
	for e := range c.Events(context.Background()) {
		switch e := e.(type) {
		case serpy.Connected:
			fmt.Println("up, resumed:", e.Resumed)
		case serpy.Disconnected:
			fmt.Println("down")
		case serpy.Closed:
			fmt.Println("closed:", e.Err)
		}
	}
	// Output:
	// up, resumed: false
	// down
	// up, resumed: true
	// down
	// closed: <nil>
}

func ExampleConnection_Shutdown() {
	forever, end := context.WithCancel(context.Background())
	s, stop := newServer(func(context.Context, *serpy.Connection) error {
		<-forever.Done() // it takes nothing, and so processes nothing
		return nil
	}, &serpy.Options{AckWhen: serpy.OnProcessed, CloseTimeout: 10 * time.Millisecond})
	defer stop()
	defer end()
	c := newClient(s, nil)
	_ = c.Send(context.Background(), []byte("x"))
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	err := c.Shutdown(ctx)
	var unconfirmed *serpy.UnconfirmedError
	fmt.Println(errors.As(err, &unconfirmed), err)
	// Output: true serpy: shutdown: 1 messages not confirmed: context deadline exceeded
}

func ExampleConnection_WaitConnected() {
	s, stop := newServer(answer, nil)
	defer stop()
	c := newClient(s, &serpy.Options{Reconnect: serpy.Reconnect{FirstDial: serpy.InBackground}})
	defer c.Close()
	fmt.Println(c.WaitConnected(context.Background()), c.State(), c.Peer().Wire)
	fmt.Printf("%+v\n", c.Guarantees())
	// Output:
	// <nil> up native
	// {Confirms:true Resumes:true Correlates:true CleanBinary:true Metadata:true Flow:true Heartbeats:true Blobs:true AckWhen:0}
}

func ExampleConnection_SetReconnect() {
	s, stop := newServer(answer, nil)
	defer stop()
	c := newClient(s, nil)
	c.SetReconnect(false)
	_ = c.Reconnect() // drops the link: it was the last one
	<-c.Done()
	fmt.Println(errors.Is(c.Err(), net.ErrClosed), c.State())
	// Output: true ended
}

func ExampleServer_Shutdown() {
	s, stop := newServer(answer, nil)
	c := newClient(s, &serpy.Options{Reconnect: serpy.Reconnect{Off: true}})
	_ = s.StopAccepting() // who is there may go on, and come back
	_, err := serpy.Dial(context.Background(), s.Address(), nil)
	fmt.Println(err)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	fmt.Println(s.Shutdown(ctx))
	<-c.Done()
	stop()
	// Output:
	// serpy: dial: refused by the server: the server takes no new sessions
	// <nil>
}
