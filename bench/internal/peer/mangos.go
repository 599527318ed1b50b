package peer

import (
	"context"
	"errors"

	"go.nanomsg.org/mangos/v3"
	"go.nanomsg.org/mangos/v3/protocol/pair"
	"go.nanomsg.org/mangos/v3/protocol/pub"
	"go.nanomsg.org/mangos/v3/protocol/pull"
	"go.nanomsg.org/mangos/v3/protocol/push"
	"go.nanomsg.org/mangos/v3/protocol/sub"
	_ "go.nanomsg.org/mangos/v3/transport/tcp"    // tcp://
	_ "go.nanomsg.org/mangos/v3/transport/tlstcp" // tls+tcp://
)

func mangosPeers() []Peer {
	return []Peer{{
		Name: "mangos", About: "push and pull, pair with an answer of 8 bytes, pub and sub; it makes its own sockets, and the one that dialled gets another congestion control only when it is connected",
		Module: "go.nanomsg.org/mangos/v3",
		Lack:   only(TCP+TLS, OneWay, PingPong, Acked, FanOut, Idle),
		Listen: mangosListen, Dial: mangosDial,
	}}
}

type mangosLink struct{ s mangos.Socket }

func (l mangosLink) send(data []byte) error { return l.s.Send(data) }

func (l mangosLink) receive() ([]byte, error) { return l.s.Recv() }

func (l mangosLink) close() error { return l.s.Close() }

func mangosSocket(kind string) (mangos.Socket, error) {
	switch kind {
	case pushKind:
		return push.NewSocket()
	case pullKind:
		return pull.NewSocket()
	case pubKind:
		return pub.NewSocket()
	case subKind:
		s, err := sub.NewSocket()
		if err != nil {
			return nil, err
		}
		return s, s.SetOption(mangos.OptionSubscribe, []byte{})
	}
	return pair.NewSocket()
}

func mangosListen(_ context.Context, s Spec) (Side, string, error) {
	socket, err := mangosSocket(patternOf(s.Kind).listens)
	if err != nil {
		return nil, "", err
	}
	scheme, options := "tcp://", map[string]any(nil)
	if s.Net == TLS {
		config, err := serverTLS()
		if err != nil {
			return nil, "", err
		}
		scheme, options = "tls+tcp://", map[string]any{mangos.OptionTLSConfig: config}
	}
	l, err := socket.NewListener(scheme+"127.0.0.1:0", options)
	if err != nil {
		return nil, "", err
	}
	if err := l.Listen(); err != nil {
		return nil, "", err
	}
	forceCongestion(s.Congestion)
	return newSingle(s, mangosLink{socket}), l.Address(), nil
}

func mangosDial(_ context.Context, s Spec, address string) (Side, error) {
	side, err := dialAll(s, func() (link, error) {
		socket, err := mangosSocket(patternOf(s.Kind).dials)
		if err != nil {
			return nil, err
		}
		options := map[string]any{mangos.OptionDialAsynch: false}
		if s.Net == TLS {
			options[mangos.OptionTLSConfig] = clientTLS()
		}
		if err := socket.DialOptions(address, options); err != nil {
			return nil, errors.Join(err, socket.Close())
		}
		return mangosLink{socket}, nil
	})
	forceCongestion(s.Congestion)
	return subscribed(s, side, err)
}
