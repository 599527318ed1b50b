package peer

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/serpy-go/serpy"
)

// batch is how many messages a batch call takes.
const batch = 256

// depthQueue is the bound of the queues in messages; the default of 4096 is short for
// messages of 16 bytes.
const depthQueue = 64 << 10

// restBeat is the heartbeat where what is held at rest is measured, so that it need not
// take as long as the default.
const restBeat = 1200 * time.Millisecond

func serpyPeers() []Peer {
	variant := func(name, about string, lack func(Spec) string) Peer {
		return Peer{Name: name, About: about, Module: "this tree", Lack: lack, Listen: serpyListen, Dial: serpyDial}
	}
	return []Peer{
		variant("serpy", "Send, Receive and Release, one message a call; queues of 64 Ki messages",
			func(s Spec) string {
				if s.Kind == Encode || s.Kind == Decode {
					return "has codecs of its own"
				}
				return ""
			}),
		variant("serpy-batch", "SendBatch and ReceiveBatch, 256 messages a call",
			only(TCP+TLS+Unix, OneWay, Spread)),
		variant("serpy-keep", "without Release: the received memory is the application's for good",
			only(TCP, OneWay, PingPong, Acked, FanOut)),
		variant("serpy-spin", "Options.Spin: who waits asks the socket for up to 20 µs before it sleeps",
			func(s Spec) string {
				if !canSpin || s.Window > 1 {
					return "where each answer is waited for"
				}
				return only(TCP, PingPong, Acked)(s)
			}),
		variant("serpy-nocopy", "NoCopy: the payload is written from where it lies",
			func(s Spec) string {
				if s.Size < 64<<10 {
					return "for large messages"
				}
				return only(TCP+TLS+Unix, OneWay)(s)
			}),
		variant("serpy-blob", "SendBlob from memory, ReceiveBlob into a CRC-32C, beside the digest that both sides compute; another blob for each run",
			func(s Spec) string {
				if s.Size < BlobSize {
					return "for blobs"
				}
				return only(TCP, OneWay)(s)
			}),
	}
}

// serpySide is a side of the library itself.
type serpySide struct {
	spec   Spec
	how    string // the variant: "", "batch", "keep", "nocopy", "spin"
	server *serpy.Server
	links  []*serpy.Connection
	idle   sync.WaitGroup
}

func serpyOptions(s Spec) *serpy.Options {
	o := &serpy.Options{MaxConnections: -1, MaxHandshakes: -1}
	o.Transport.Congestion = s.Congestion
	o.Spin = variantOf(s) == "spin"
	if s.Rest {
		o.Heartbeat = restBeat // with a sign of life behind a second of silence memory is given back
	}
	var queue serpy.Queue
	switch s.Kind {
	case Depth:
		// Two more, as the bound must not be what stops the sender.
		queue = serpy.Queue{Messages: s.Depth + 2, Bytes: max(s.Depth*(s.Size+64), 32<<20)}
	case FanOut, Idle, Spread: // as a server with many connections would have it
	default:
		queue.Messages = depthQueue
	}
	o.SendQueue, o.ReceiveQueue = queue, queue
	return o
}

func serpyListen(_ context.Context, s Spec) (Side, string, error) {
	o := serpyOptions(s)
	address := "tcp://127.0.0.1:0"
	switch s.Net {
	case Unix:
		address = "unix://" + filepath.Join(s.Dir, "s")
	case TLS:
		config, err := serverTLS()
		if err != nil {
			return nil, "", err
		}
		o.TLS, address = config, "tls://127.0.0.1:0"
	}
	server, err := serpy.Listen(address, o)
	if err != nil {
		return nil, "", err
	}
	return &serpySide{spec: s, how: variantOf(s), server: server}, server.Address(), nil
}

// variantOf is what stands behind "serpy-".
func variantOf(s Spec) string { return strings.TrimPrefix(strings.TrimPrefix(s.Peer, "serpy"), "-") }

func serpyDial(ctx context.Context, s Spec, address string) (Side, error) {
	o := serpyOptions(s)
	if s.Net == TLS {
		o.TLS = clientTLS()
	}
	side := &serpySide{spec: s, how: variantOf(s)}
	if s.Kind == Idle {
		return newIdle(s, func() (link, error) {
			c, err := serpy.Dial(ctx, address, o)
			return serpyLink{c}, err
		}), nil
	}
	for range max(s.Conns, 1) {
		c, err := serpy.Dial(ctx, address, o)
		if err != nil {
			return nil, err
		}
		side.links = append(side.links, c)
	}
	return side, nil
}

// serpyLink is an idle connection.
type serpyLink struct{ c *serpy.Connection }

func (l serpyLink) send(data []byte) error { return l.c.Send(context.Background(), data) }

func (l serpyLink) receive() ([]byte, error) {
	m, err := l.c.Receive(context.Background())
	return m.Data, err
}

func (l serpyLink) close() error { return l.c.Close() }

// Close ends the connections without the wait for what is queued.
func (s *serpySide) Close() error {
	done, cancel := context.WithCancel(context.Background())
	cancel()
	if s.server != nil {
		_ = s.server.Shutdown(done)
	}
	for _, c := range s.links {
		_ = c.Shutdown(done)
	}
	s.idle.Wait()
	return nil
}

func (s *serpySide) accept(ctx context.Context, n int) error {
	for len(s.links) < n {
		c, err := s.server.Accept(ctx)
		if err != nil {
			return err
		}
		s.links = append(s.links, c)
	}
	return nil
}

func (s *serpySide) Run(ctx context.Context, n int) (Outcome, error) {
	if s.server == nil {
		return s.client(ctx, n)
	}
	conns := s.spec.accepts(n)
	if err := s.accept(ctx, conns); err != nil {
		return Outcome{}, err
	}
	switch s.spec.Kind {
	case OneWay, Acked:
		if s.how == "blob" {
			return Outcome{}, s.receiveBlob(ctx)
		}
		return Outcome{}, s.drain(ctx, s.links[0], n)
	case PingPong:
		return Outcome{}, s.echo(ctx, n)
	case FanOut:
		return Outcome{}, s.broadcast(ctx, n)
	case Spread:
		return Outcome{}, each(conns, func(i int) error { return s.drain(ctx, s.links[i], share(n, conns, i)) })
	case Depth:
		return s.empty(ctx, n)
	case Idle:
		for _, c := range s.links {
			s.idle.Go(func() { _, _ = c.Receive(context.Background()) })
		}
		return Outcome{}, nil
	default:
		return Outcome{}, errRun
	}
}

func (s *serpySide) client(ctx context.Context, n int) (Outcome, error) {
	c := s.links[0]
	data := make([]byte, s.spec.Size)
	switch s.spec.Kind {
	case OneWay:
		if s.how == "blob" {
			return Outcome{}, s.sendBlob(ctx, int64(n)*int64(s.spec.Size))
		}
		senders := max(s.spec.Senders, 1)
		return Outcome{}, each(senders, func(i int) error {
			return s.stream(ctx, c, share(n, senders, i), make([]byte, s.spec.Size))
		})
	case PingPong:
		return s.ping(ctx, n, data)
	case Acked:
		if s.spec.Window == 1 {
			return s.acked(ctx, n, data)
		}
		return Outcome{}, s.window(ctx, n, data)
	case FanOut:
		return Outcome{}, each(len(s.links), func(i int) error { return s.drain(ctx, s.links[i], n) })
	case Spread:
		return Outcome{}, spread(len(s.links), n, func(i, k int) error { return s.stream(ctx, s.links[i], k, data) })
	case Depth:
		return s.fill(ctx, n, data)
	default:
		return Outcome{}, errRun
	}
}

// stream sends n messages.
func (s *serpySide) stream(ctx context.Context, c *serpy.Connection, n int, data []byte) error {
	switch s.how {
	case "batch":
		return sendBatches(ctx, c, n, data)
	case "nocopy":
		for range n {
			if _, err := c.SendMessage(ctx, serpy.Message{Data: data, NoCopy: true}); err != nil {
				return err
			}
		}
		return nil
	}
	for range n {
		if err := c.Send(ctx, data); err != nil {
			return err
		}
	}
	return nil
}

func sendBatches(ctx context.Context, c *serpy.Connection, n int, data []byte) error {
	ms := make([]serpy.Message, batch)
	for i := range ms {
		ms[i].Data = data
	}
	for n > 0 {
		k := min(n, batch)
		if _, err := c.SendBatch(ctx, ms[:k]); err != nil {
			return err
		}
		n -= k
	}
	return nil
}

// drain receives n messages.
func (s *serpySide) drain(ctx context.Context, c *serpy.Connection, n int) error {
	switch s.how {
	case "batch":
		into := make([]serpy.Message, batch)
		for n > 0 {
			k, err := c.ReceiveBatch(ctx, into[:min(n, batch)])
			if err != nil {
				return err
			}
			n -= k
		}
		return nil
	case "keep":
		for range n {
			if _, err := c.Receive(ctx); err != nil {
				return err
			}
		}
		return nil
	}
	for range n {
		m, err := c.Receive(ctx)
		if err != nil {
			return err
		}
		if m.Gap != nil {
			return fmt.Errorf("a gap: %v", m.Gap)
		}
		m.Release()
	}
	return nil
}

func (s *serpySide) release(m serpy.Message) {
	if s.how != "keep" {
		m.Release()
	}
}

func (s *serpySide) echo(ctx context.Context, n int) error {
	for range n {
		m, err := s.links[0].Receive(ctx)
		if err != nil {
			return err
		}
		if err := s.links[0].Send(ctx, m.Data); err != nil {
			return err
		}
		s.release(m)
	}
	return nil
}

func (s *serpySide) ping(ctx context.Context, n int, data []byte) (Outcome, error) {
	took := make([]time.Duration, n)
	for i := range took {
		start := time.Now()
		if err := s.links[0].Send(ctx, data); err != nil {
			return Outcome{}, err
		}
		m, err := s.links[0].Receive(ctx)
		if err != nil {
			return Outcome{}, err
		}
		s.release(m)
		took[i] = time.Since(start)
	}
	return Outcome{Took: took}, nil
}

func (s *serpySide) acked(ctx context.Context, n int, data []byte) (Outcome, error) {
	took := make([]time.Duration, n)
	for i := range took {
		start := time.Now()
		if err := s.links[0].SendAcked(ctx, data); err != nil {
			return Outcome{}, err
		}
		took[i] = time.Since(start)
	}
	return Outcome{Took: took}, nil
}

// window keeps the receipts in a ring and waits for each.
func (s *serpySide) window(ctx context.Context, n int, data []byte) error {
	ring := make([]serpy.Receipt, s.spec.Window)
	m := serpy.Message{Data: data, Mode: serpy.Acked}
	for i := range n + len(ring) {
		r := &ring[i%len(ring)]
		if i >= len(ring) && i-len(ring) < n {
			if err := r.Wait(ctx); err != nil {
				return err
			}
		}
		if i >= n {
			continue
		}
		receipt, err := s.links[0].SendMessage(ctx, m)
		if err != nil {
			return err
		}
		*r = receipt
	}
	return nil
}

func (s *serpySide) broadcast(ctx context.Context, n int) error {
	m := serpy.Message{Data: make([]byte, s.spec.Size)}
	for range n {
		if err := s.server.BroadcastWait(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// fill fills the queues with Depth messages, and waits until the receiver has emptied
// them; the time that the sends took counts.
func (s *serpySide) fill(ctx context.Context, n int, data []byte) (Outcome, error) {
	var o Outcome
	for ; n > 0; n -= s.spec.Depth {
		start := time.Now()
		for range min(n, s.spec.Depth) {
			if err := s.links[0].Send(ctx, data); err != nil {
				return o, err
			}
		}
		o.Time += time.Since(start)
		if _, err := s.links[0].Receive(ctx); err != nil {
			return o, err
		}
	}
	return o, nil
}

// empty waits until Depth messages are there, takes them, and says so; the time that
// it took to take them counts.
func (s *serpySide) empty(ctx context.Context, n int) (Outcome, error) {
	var o Outcome
	c := s.links[0]
	for ; n > 0; n -= s.spec.Depth {
		k := min(n, s.spec.Depth)
		for c.Stats().ReceiveQueue.Messages < k {
			if c.Err() != nil || ctx.Err() != nil {
				return o, errors.Join(c.Err(), ctx.Err())
			}
			time.Sleep(20 * time.Microsecond) // Stats takes the lock that the link needs
		}
		start := time.Now()
		if err := s.drain(ctx, c, k); err != nil {
			return o, err
		}
		o.Time += time.Since(start)
		if err := c.Send(ctx, nil); err != nil {
			return o, err
		}
	}
	return o, nil
}
