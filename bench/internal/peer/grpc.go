package peer

import (
	"context"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func grpcPeers() []Peer {
	return []Peer{{
		Name: "grpc", About: "one stream both ways for each connection, messages of the type BytesValue",
		Module: "google.golang.org/grpc",
		Lack:   only(TCP+TLS+Unix, OneWay, PingPong, Acked, FanOut, Idle),
		Listen: grpcListen, Dial: grpcDial,
	}}
}

// grpcStream is what both sides' streams have.
type grpcStream interface {
	SendMsg(m any) error
	RecvMsg(m any) error
}

type grpcLink struct {
	stream   grpcStream
	in       wrapperspb.BytesValue
	shutdown func() error
}

// send makes a message of its own: a stream may still use it when SendMsg has returned.
func (l *grpcLink) send(data []byte) error {
	return l.stream.SendMsg(&wrapperspb.BytesValue{Value: data})
}

func (l *grpcLink) receive() ([]byte, error) {
	err := l.stream.RecvMsg(&l.in)
	return l.in.GetValue(), err
}

func (l *grpcLink) close() error { return l.shutdown() }

// waited is a link that somebody else waits on.
type waited struct{}

func (waited) send([]byte) error { return errRun }

func (waited) receive() ([]byte, error) { return nil, errRun }

func (waited) close() error { return nil }

// talk is the one method of the service: messages both ways.
var talk = grpc.StreamDesc{StreamName: "Talk", ServerStreams: true, ClientStreams: true}

const talkMethod = "/bench.Bench/Talk"

func grpcListen(ctx context.Context, s Spec) (Side, string, error) {
	l, address, err := listen(ctx, s)
	if err != nil {
		return nil, "", err
	}
	d := newListening(s)
	method := talk
	method.Handler = func(_ any, stream grpc.ServerStream) error {
		l := &grpcLink{stream: stream, shutdown: func() error { return nil }}
		if s.Kind == Idle { // this goroutine is the one that waits
			d.accepted <- waited{}
			_, _ = l.receive()
			return nil
		}
		d.accepted <- l
		<-stream.Context().Done() // a stream ends when its handler returns
		return nil
	}
	server := grpc.NewServer()
	server.RegisterService(&grpc.ServiceDesc{ServiceName: "bench.Bench", HandlerType: (*any)(nil), Streams: []grpc.StreamDesc{method}}, nil)
	d.stop = func() error { server.Stop(); return nil }
	go func() { _ = server.Serve(l) }()
	return d, address, nil
}

func grpcDial(ctx context.Context, s Spec, address string) (Side, error) {
	return dialAll(s, func() (link, error) {
		c, err := grpc.NewClient("passthrough:///bench",
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return dial(ctx, s, address) }),
			grpc.WithTransportCredentials(insecure.NewCredentials())) // TLS is under it, in the connection
		if err != nil {
			return nil, err
		}
		stream, err := c.NewStream(ctx, &talk, talkMethod)
		if err != nil {
			return nil, err
		}
		return &grpcLink{stream: stream, shutdown: c.Close}, nil
	})
}
