package peer

import (
	"context"
	"net"
	"sync"

	"github.com/go-zeromq/zmq4"
	"github.com/go-zeromq/zmq4/transport"
)

func goZeroMQPeers() []Peer {
	return []Peer{{
		Name: "go-zeromq", About: "push and pull, pair with an answer of 8 bytes, pub and sub",
		Module: "github.com/go-zeromq/zmq4",
		Lack:   only(TCP, OneWay, PingPong, Acked, FanOut, Idle),
		Listen: goZeroMQListen, Dial: goZeroMQDial,
	}}
}

// A zmqTransport makes the sockets as a Spec says. It listens once.
type zmqTransport struct {
	spec     Spec
	listener net.Listener
}

func (t *zmqTransport) Dial(ctx context.Context, _ transport.Dialer, address string) (net.Conn, error) {
	return dial(ctx, t.spec, address)
}

func (t *zmqTransport) Listen(context.Context, string) (net.Listener, error) { return t.listener, nil }

func (t *zmqTransport) Addr(endpoint string) (string, error) { return endpoint, nil }

// zmqScheme is the name of our transport; a process has one Spec.
const zmqScheme = "bench"

var zmqOnce sync.Once

func registerZMQ(t *zmqTransport) (err error) {
	zmqOnce.Do(func() { err = zmq4.RegisterTransport(zmqScheme, t) })
	return err
}

type zmqLink struct{ s zmq4.Socket }

func (l zmqLink) send(data []byte) error { return l.s.Send(zmq4.NewMsg(data)) }

func (l zmqLink) receive() ([]byte, error) {
	m, err := l.s.Recv()
	return m.Bytes(), err
}

func (l zmqLink) close() error { return l.s.Close() }

func zmqSocket(kind string) (zmq4.Socket, error) {
	ctx := context.Background()
	switch kind {
	case pushKind:
		return zmq4.NewPush(ctx), nil
	case pullKind:
		return zmq4.NewPull(ctx), nil
	case pubKind:
		return zmq4.NewPub(ctx), nil
	case subKind:
		s := zmq4.NewSub(ctx)
		return s, s.SetOption(zmq4.OptionSubscribe, "")
	}
	return zmq4.NewPair(ctx), nil
}

func goZeroMQListen(ctx context.Context, s Spec) (Side, string, error) {
	l, address, err := listen(ctx, s)
	if err != nil {
		return nil, "", err
	}
	if err := registerZMQ(&zmqTransport{spec: s, listener: l}); err != nil {
		return nil, "", err
	}
	socket, err := zmqSocket(patternOf(s.Kind).listens)
	if err != nil {
		return nil, "", err
	}
	return newSingle(s, zmqLink{socket}), address, socket.Listen(zmqScheme + "://" + address)
}

func goZeroMQDial(_ context.Context, s Spec, address string) (Side, error) {
	if err := registerZMQ(&zmqTransport{spec: s}); err != nil {
		return nil, err
	}
	side, err := dialAll(s, func() (link, error) {
		socket, err := zmqSocket(patternOf(s.Kind).dials)
		if err != nil {
			return nil, err
		}
		return zmqLink{socket}, socket.Dial(zmqScheme + "://" + address)
	})
	return subscribed(s, side, err)
}
