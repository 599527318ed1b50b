package peer

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

func natsPeers() []Peer {
	return []Peer{{
		Name: "nats", About: "core, the broker within the listening process; acked and ping-pong are a request and its response",
		Module: "github.com/nats-io/nats-server/v2",
		Lack:   only(TCP+TLS, OneWay, PingPong, Acked, FanOut, Idle),
		Listen: natsListen, Dial: natsDial,
	}}
}

// The subjects.
const (
	natsSubject = "bench"
	natsReplies = "bench.replies"
)

// startNATS starts a broker in this process. store is where JetStream keeps its
// streams; "" for without.
func startNATS(s Spec, store string) (*server.Server, error) {
	o := &server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true,
		MaxConn: 1 << 20, JetStream: store != "", StoreDir: store,
	}
	if s.Net == TLS {
		config, err := serverTLS()
		if err != nil {
			return nil, err
		}
		o.TLS, o.TLSConfig, o.TLSTimeout = true, config, 5
	}
	broker, err := server.NewServer(o)
	if err != nil {
		return nil, err
	}
	broker.Start()
	if !broker.ReadyForConnections(5 * time.Second) {
		return nil, errors.New("the broker does not start")
	}
	forceCongestion(s.Congestion) // of its listener, before anybody connects
	return broker, nil
}

func connectNATS(s Spec, address string) (*nats.Conn, error) {
	options := []nats.Option{nats.SetCustomDialer(dialer(s)), nats.Timeout(5 * time.Second), nats.NoReconnect()}
	if s.Net == TLS {
		options = append(options, nats.Secure(clientTLS()))
	}
	return nats.Connect(address, options...)
}

// natsSide is the broker with an application beside it, or an application.
type natsSide struct {
	spec   Spec
	broker *server.Server
	conns  []*nats.Conn
	count  counter
}

func natsListen(_ context.Context, s Spec) (Side, string, error) {
	broker, err := startNATS(s, "")
	if err != nil {
		return nil, "", err
	}
	side := &natsSide{spec: s, broker: broker, count: counter{lossy: true}}
	c, err := connectNATS(s, broker.ClientURL())
	if err != nil {
		return nil, "", err
	}
	side.conns = []*nats.Conn{c}
	if s.Kind != FanOut && s.Kind != Idle {
		err = side.subscribe(c, natsSubject, side.take)
	}
	return side, broker.ClientURL(), err
}

// take is what the listening application does with a message.
func (s *natsSide) take(m *nats.Msg) {
	switch s.spec.Kind {
	case PingPong:
		_ = m.Respond(m.Data)
	case Acked:
		_ = m.Respond(make([]byte, Confirmed))
	default:
	}
	s.count.add()
}

// subscribe has f called with each message, however many wait for it.
func (s *natsSide) subscribe(c *nats.Conn, subject string, f nats.MsgHandler) error {
	sub, err := c.Subscribe(subject, f)
	if err != nil {
		return err
	}
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return err
	}
	return c.Flush() // the broker knows of it
}

func natsDial(_ context.Context, s Spec, address string) (Side, error) {
	if s.Kind == Idle {
		return newIdle(s, func() (link, error) {
			c, err := connectNATS(s, address)
			if err != nil {
				return nil, err
			}
			sub, err := c.SubscribeSync(natsSubject)
			return natsIdle{c, sub}, err
		}), nil
	}
	side := &natsSide{spec: s, count: counter{lossy: true}}
	var err error
	side.conns, err = connections(s, func() (*nats.Conn, error) { return connectNATS(s, address) }, func(c *nats.Conn) error {
		return side.subscribe(c, natsSubject, func(*nats.Msg) { side.count.add() })
	})
	if err != nil {
		return nil, err
	}
	if s.Kind == Acked && s.Window > 1 {
		return side, side.subscribe(side.conns[0], natsReplies, func(*nats.Msg) { side.count.add() })
	}
	return side, nil
}

// natsIdle is a connection with a subscription on which nothing comes.
type natsIdle struct {
	c   *nats.Conn
	sub *nats.Subscription
}

func (l natsIdle) send(data []byte) error { return l.c.Publish(natsSubject, data) }

func (l natsIdle) receive() ([]byte, error) {
	m, err := l.sub.NextMsgWithContext(context.Background())
	if err != nil {
		return nil, err
	}
	return m.Data, nil
}

func (l natsIdle) close() error { l.c.Close(); return nil }

func (s *natsSide) Close() error {
	for _, c := range s.conns {
		c.Close()
	}
	if s.broker != nil {
		s.broker.Shutdown()
	}
	return nil
}

func (s *natsSide) Run(ctx context.Context, n int) (Outcome, error) {
	c := s.conns[0]
	data := make([]byte, s.spec.Size)
	switch {
	case s.broker != nil && s.spec.Kind == FanOut, s.broker == nil && s.spec.Kind == OneWay:
		for range n {
			if err := c.Publish(natsSubject, data); err != nil {
				return Outcome{}, err
			}
		}
		return Outcome{}, c.Flush()
	case s.broker != nil && s.spec.Kind == Idle:
		return Outcome{}, awaitClients(ctx, n, time.Millisecond, s.broker.NumClients)
	case s.broker != nil:
		return s.count.wait(ctx, n)
	case s.spec.Kind == FanOut:
		return s.count.wait(ctx, n*len(s.conns))
	case s.spec.Window > 1:
		return s.window(ctx, n, data)
	}
	return timed(n, func() error {
		_, err := c.Request(natsSubject, data, 5*time.Second)
		return err
	})
}

// window keeps so many requests under way; their responses are counted.
func (s *natsSide) window(ctx context.Context, n int, data []byte) (Outcome, error) {
	c := s.conns[0]
	before := s.count.expected
	for i := range n {
		if i >= s.spec.Window {
			if err := s.count.atLeast(ctx, before+int64(i-s.spec.Window+1)); err != nil {
				return Outcome{}, err
			}
		}
		if err := c.PublishRequest(natsSubject, natsReplies, data); err != nil {
			return Outcome{}, err
		}
	}
	return s.count.wait(ctx, n)
}
