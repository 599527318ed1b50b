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
		return Outcome{}, s.window(n, data)
	}
	return timed(n, func() error {
		_, err := s.js.Publish(ctx, natsSubject, data)
		return err
	})
}

// window keeps the futures in a ring and waits for each.
func (s *jetStreamSide) window(n int, data []byte) error {
	ring := make([]jetstream.PubAckFuture, s.spec.Window)
	for i := range n + len(ring) {
		f := &ring[i%len(ring)]
		if i >= len(ring) && i-len(ring) < n {
			select {
			case <-(*f).Ok():
			case err := <-(*f).Err():
				return err
			}
		}
		if i >= n {
			continue
		}
		var err error
		if *f, err = s.js.PublishAsync(natsSubject, data); err != nil {
			return err
		}
	}
	return nil
}
