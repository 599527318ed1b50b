package peer

import (
	"context"
	"path/filepath"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func jetStreamPeers() []Peer {
	with := func(name, about string) Peer {
		return Peer{
			Name: name, About: about, Module: "github.com/nats-io/nats-server/v2",
			Lack: only(TCP, Acked), Listen: jetStreamListen, Dial: jetStreamDial,
		}
	}
	return []Peer{
		with("jetstream-memory", "a stream in memory, the broker within the listening process; the broker confirms"),
		with("jetstream-file", "a stream in files, without an fsync for each message; the broker confirms"),
	}
}

// jetStreamSide is the broker, which confirms by itself, or an application.
type jetStreamSide struct {
	spec   Spec
	broker *server.Server
	conn   *nats.Conn
	js     jetstream.JetStream
}

func jetStreamListen(_ context.Context, s Spec) (Side, string, error) {
	broker, err := startNATS(s, filepath.Join(s.Dir, "store"))
	if err != nil {
		return nil, "", err
	}
	return &jetStreamSide{spec: s, broker: broker}, broker.ClientURL(), nil
}

func jetStreamDial(ctx context.Context, s Spec, address string) (Side, error) {
	c, err := connectNATS(s, address)
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(c)
	if err != nil {
		return nil, err
	}
	config := jetstream.StreamConfig{
		Name: natsSubject, Subjects: []string{natsSubject}, Storage: jetstream.FileStorage,
		MaxBytes: 64 << 20, Discard: jetstream.DiscardOld,
	}
	if s.Peer == "jetstream-memory" {
		config.Storage = jetstream.MemoryStorage
	}
	_, err = js.CreateStream(ctx, config)
	return &jetStreamSide{spec: s, conn: c, js: js}, err
}

func (s *jetStreamSide) Close() error {
	if s.broker != nil {
		s.broker.Shutdown()
		return nil
	}
	s.conn.Close()
	return nil
}

func (s *jetStreamSide) Run(ctx context.Context, n int) (Outcome, error) {
	data := make([]byte, s.spec.Size)
	switch {
	case s.broker != nil:
		return Outcome{}, nil
	case s.spec.Window > 1:
		return Outcome{}, confirmations(n, s.spec.Window, func() (jetstream.PubAckFuture, error) {
			return s.js.PublishAsync(natsSubject, data)
		}, confirmed)
	}
	return timed(n, func() error {
		_, err := s.js.Publish(ctx, natsSubject, data)
		return err
	})
}

// confirmed waits for what the broker says.
func confirmed(f jetstream.PubAckFuture) error {
	select {
	case <-f.Ok():
		return nil
	case err := <-f.Err():
		return err
	}
}
