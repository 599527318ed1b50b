package peer

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
)

func mqttPeers() []Peer {
	return []Peer{{
		Name: "mqtt", About: "mochi as the broker within the listening process, paho as client; acked is QoS 1, which the broker confirms, the rest QoS 0",
		Module: "github.com/mochi-mqtt/server/v2",
		Lack:   only(TCP+TLS, OneWay, PingPong, Acked, FanOut, Idle),
		Listen: mqttListen, Dial: mqttDial,
	}}
}

// The topics.
const (
	mqttTopic   = "bench"
	mqttReplies = "bench/replies"
)

// mqttSide is the broker with an application beside it, or an application.
type mqttSide struct {
	spec    Spec
	broker  *mochi.Server
	clients []paho.Client
	count   counter
	replies chan struct{}
}

func mqttListen(ctx context.Context, s Spec) (Side, string, error) {
	l, address, err := listen(ctx, s)
	if err != nil {
		return nil, "", err
	}
	capabilities := mochi.NewDefaultServerCapabilities()
	if s.Kind == OneWay { // else it drops what a busy subscriber has not taken; memory is taken for all of it
		capabilities.MaximumClientWritesPending = 1 << 20
	}
	capabilities.MaximumClients = math.MaxInt32
	capabilities.ReceiveMaximum = math.MaxUint16
	broker := mochi.New(&mochi.Options{Capabilities: capabilities, Logger: slog.New(slog.DiscardHandler)})
	if err := errors.Join(broker.AddHook(new(auth.AllowHook), nil), broker.AddListener(listeners.NewNet("bench", l)), broker.Serve()); err != nil {
		return nil, "", err
	}
	side := &mqttSide{spec: s, broker: broker, count: counter{lossy: true}}
	if s.Kind == Idle || s.Kind == Acked { // the broker has all to do
		return side, address, nil
	}
	c, err := connectMQTT(ctx, s, address)
	if err != nil {
		return nil, "", err
	}
	side.clients = []paho.Client{c}
	if s.Kind != FanOut {
		err = side.subscribe(c, mqttTopic, side.take)
	}
	return side, address, err
}

// mqttNames gives each client of a process another name.
var mqttNames atomic.Int64

func connectMQTT(ctx context.Context, s Spec, address string) (paho.Client, error) {
	name := strconv.FormatInt(time.Now().UnixNano(), 36) + "-" + strconv.FormatInt(mqttNames.Add(1), 36)
	o := paho.NewClientOptions().AddBroker("tcp://" + address).SetClientID(name).SetAutoReconnect(false).
		SetCustomOpenConnectionFn(func(*url.URL, paho.ClientOptions) (net.Conn, error) { return dial(ctx, s, address) })
	c := paho.NewClient(o)
	return c, token(c.Connect())
}

// token waits for what it stands for.
func token(t paho.Token) error {
	t.Wait()
	return t.Error()
}

func (s *mqttSide) subscribe(c paho.Client, topic string, f paho.MessageHandler) error {
	return token(c.Subscribe(topic, 0, f))
}

// take is what the listening application does with a message.
func (s *mqttSide) take(c paho.Client, m paho.Message) {
	if s.spec.Kind == PingPong {
		c.Publish(mqttReplies, 0, false, m.Payload())
	}
	s.count.add()
}

func mqttDial(ctx context.Context, s Spec, address string) (Side, error) {
	if s.Kind == Idle {
		return newIdle(s, func() (link, error) {
			c, err := connectMQTT(ctx, s, address)
			return mqttIdle{c}, err
		}), nil
	}
	side := &mqttSide{spec: s, replies: make(chan struct{}, 1), count: counter{lossy: true}}
	var err error
	side.clients, err = connections(s, func() (paho.Client, error) { return connectMQTT(ctx, s, address) }, func(c paho.Client) error {
		return side.subscribe(c, mqttTopic, func(paho.Client, paho.Message) { side.count.add() })
	})
	if err != nil {
		return nil, err
	}
	if s.Kind == PingPong {
		return side, side.subscribe(side.clients[0], mqttReplies, func(paho.Client, paho.Message) { side.replies <- struct{}{} })
	}
	return side, nil
}

// mqttIdle is a client on which nothing comes; its own goroutines wait.
type mqttIdle struct{ c paho.Client }

func (mqttIdle) send([]byte) error { return errRun }

func (mqttIdle) receive() ([]byte, error) { return nil, errRun }

func (l mqttIdle) close() error { l.c.Disconnect(0); return nil }

func (s *mqttSide) Close() error {
	for _, c := range s.clients {
		c.Disconnect(0)
	}
	if s.broker != nil {
		return s.broker.Close()
	}
	return nil
}

func (s *mqttSide) Run(ctx context.Context, n int) (Outcome, error) {
	data := make([]byte, s.spec.Size)
	switch {
	case s.broker != nil && s.spec.Kind == FanOut, s.broker == nil && s.spec.Kind == OneWay:
		return Outcome{}, s.publish(n, data)
	case s.broker != nil && s.spec.Kind == Idle:
		return Outcome{}, awaitClients(ctx, n, time.Millisecond, func() int { return int(s.broker.Info.Clone().ClientsConnected) })
	case s.broker != nil && s.spec.Kind == Acked:
		return Outcome{}, nil
	case s.broker != nil:
		return s.count.wait(ctx, n)
	case s.spec.Kind == FanOut:
		return s.count.wait(ctx, n*len(s.clients))
	case s.spec.Window > 1:
		return Outcome{}, confirmations(n, s.spec.Window, func() (paho.Token, error) {
			return s.clients[0].Publish(mqttTopic, 1, false, data), nil
		}, token)
	case s.spec.Kind == Acked:
		return timed(n, func() error { return token(s.clients[0].Publish(mqttTopic, 1, false, data)) })
	}
	return timed(n, func() error {
		if err := token(s.clients[0].Publish(mqttTopic, 0, false, data)); err != nil {
			return err
		}
		<-s.replies
		return nil
	})
}

func (s *mqttSide) publish(n int, data []byte) error {
	for range n {
		if err := token(s.clients[0].Publish(mqttTopic, 0, false, data)); err != nil {
			return err
		}
	}
	return nil
}
