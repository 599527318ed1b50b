package peer

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// rawBuffer is the size of the buffers of a bare socket, in bytes.
const rawBuffer = 64 << 10

func rawPeers() []Peer {
	raw := func(name, about string, lack func(Spec) string) Peer {
		return Peer{Name: name, About: about, Lack: lack, Listen: rawListen, Dial: rawDial}
	}
	return []Peer{
		raw("rawtcp", "a TCP socket, a length of 4 bytes before each message, buffers of 64 KiB; the caller flushes",
			func(s Spec) string {
				if s.Kind == Depth {
					return "has no queues"
				}
				return only(TCP+TLS, OneWay, PingPong, Acked, FanOut, Idle, Spread)(s)
			}),
		raw("rawtcp-memory", "the same frames lie in memory already and go out in writes of 256 KiB",
			func(s Spec) string {
				if s.Size < BlobSize {
					return "for blobs"
				}
				return only(TCP, OneWay)(s)
			}),
		raw("rawtcp-crc", "io.Copy from memory to the socket and from it, with a CRC-32C on both sides",
			func(s Spec) string {
				if s.Size < BlobSize {
					return "for blobs"
				}
				return only(TCP, OneWay)(s)
			}),
		raw("rawtcp-spin", "the receiver asks the socket again for 20 µs before it sleeps, unless that was in vain lately",
			func(s Spec) string {
				if !canSpin || s.Window > 1 {
					return "for round trips on Linux"
				}
				return only(TCP, PingPong, Acked)(s)
			}),
		raw("rawunix", "as rawtcp, over a unix socket", only(Unix, OneWay)),
	}
}

// rawSide is a side that frames by hand.
type rawSide struct {
	spec     Spec
	listener net.Listener
	links    []*rawLink
	accepted chan net.Conn
	idle     sync.WaitGroup
}

// rawLink is a connection with its buffers.
type rawLink struct {
	conn net.Conn
	r    *bufio.Reader
	w    *bufio.Writer
	into []byte
	head [4]byte
}

func newRawLink(c net.Conn, s Spec) *rawLink {
	var r io.Reader = c
	if s.Peer == "rawtcp-spin" {
		r = spinning(c)
	}
	if s.Kind == Idle { // the default size, and nothing to write
		return &rawLink{conn: c, r: bufio.NewReader(r)}
	}
	size := rawBuffer
	if s.Kind == Spread { // as much as is sent at once: there are many of them
		size = Burst * (s.Size + 4)
	}
	return &rawLink{conn: c, r: bufio.NewReaderSize(r, size), w: bufio.NewWriterSize(c, size), into: make([]byte, max(s.Size, Confirmed))}
}

func (l *rawLink) send(data []byte) error {
	binary.LittleEndian.PutUint32(l.head[:], uint32(len(data))) //nolint:gosec // G115: sizes of this program
	if _, err := l.w.Write(l.head[:]); err != nil {
		return err
	}
	_, err := l.w.Write(data)
	return err
}

func (l *rawLink) receive() ([]byte, error) {
	if _, err := io.ReadFull(l.r, l.head[:]); err != nil {
		return nil, err
	}
	n := int(binary.LittleEndian.Uint32(l.head[:]))
	if n > len(l.into) {
		return nil, errors.New("message of another size")
	}
	_, err := io.ReadFull(l.r, l.into[:n])
	return l.into[:n], err
}

func (l *rawLink) close() error { return l.conn.Close() }

func rawListen(ctx context.Context, s Spec) (Side, string, error) {
	l, address, err := listen(ctx, s)
	if err != nil {
		return nil, "", err
	}
	side := &rawSide{spec: s, listener: l, accepted: make(chan net.Conn, max(1024, s.Conns))} // all of them before the first run
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if t, ok := c.(*tls.Conn); ok && t.HandshakeContext(ctx) != nil {
				_ = c.Close()
				continue
			}
			side.accepted <- c
		}
	}()
	return side, address, nil
}

func rawDial(ctx context.Context, s Spec, address string) (Side, error) {
	side := &rawSide{spec: s}
	if s.Kind == Idle {
		return newIdle(s, func() (link, error) {
			c, err := dial(ctx, s, address)
			if err != nil {
				return nil, err
			}
			return newRawLink(c, s), nil
		}), nil
	}
	for range max(s.Conns, 1) {
		c, err := dial(ctx, s, address)
		if err != nil {
			return nil, err
		}
		side.links = append(side.links, newRawLink(c, s))
	}
	return side, nil
}

func (s *rawSide) Close() error {
	for _, l := range s.links {
		_ = l.conn.Close()
	}
	if s.listener != nil {
		return s.listener.Close()
	}
	return nil
}

// accept takes connections until there are n.
func (s *rawSide) accept(ctx context.Context, n int) error {
	for len(s.links) < n {
		select {
		case c := <-s.accepted:
			s.links = append(s.links, newRawLink(c, s.spec))
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (s *rawSide) Run(ctx context.Context, n int) (Outcome, error) {
	if s.listener == nil {
		return s.client(n)
	}
	conns := s.spec.accepts(n)
	if err := s.accept(ctx, conns); err != nil {
		return Outcome{}, err
	}
	switch s.spec.Kind {
	case OneWay:
		if s.spec.Peer == "rawtcp-crc" {
			return Outcome{}, copySummed(io.Discard, io.LimitReader(s.links[0].conn, int64(n)*int64(s.spec.Size)))
		}
		return Outcome{}, s.links[0].drain(n)
	case PingPong:
		return Outcome{}, s.links[0].echo(n)
	case Acked:
		return Outcome{}, s.links[0].confirm(n)
	case FanOut:
		return Outcome{}, each(len(s.links), func(i int) error { return s.links[i].stream(n, make([]byte, s.spec.Size)) })
	case Spread:
		return Outcome{}, each(conns, func(i int) error { return s.links[i].drain(share(n, conns, i)) })
	case Idle:
		for _, l := range s.links {
			s.idle.Go(func() { _, _ = l.receive() })
		}
		return Outcome{}, nil
	default:
		return Outcome{}, errRun
	}
}

func (s *rawSide) client(n int) (Outcome, error) {
	data := make([]byte, s.spec.Size)
	l := s.links[0]
	switch s.spec.Kind {
	case OneWay:
		switch {
		case s.spec.Peer == "rawtcp-memory":
			return Outcome{}, l.streamMemory(n, s.spec.Size)
		case s.spec.Peer == "rawtcp-crc":
			return Outcome{}, copySummed(l.conn, newSource(int64(n)*int64(s.spec.Size)))
		case s.spec.Senders > 1:
			return Outcome{}, l.streamShared(n, s.spec.Senders, s.spec.Size)
		}
		return Outcome{}, l.stream(n, data)
	case PingPong:
		return l.ping(n, data)
	case Acked:
		if s.spec.Window == 1 {
			return l.ping(n, data)
		}
		return Outcome{}, l.window(n, s.spec.Window, data)
	case FanOut:
		return Outcome{}, each(len(s.links), func(i int) error { return s.links[i].drain(n) })
	case Spread:
		return Outcome{}, spread(len(s.links), n, func(i, k int) error { return s.links[i].stream(k, data) })
	default:
		return Outcome{}, errRun
	}
}

func (l *rawLink) stream(n int, data []byte) error {
	for range n {
		if err := l.send(data); err != nil {
			return err
		}
	}
	return l.w.Flush()
}

// streamMemory writes frames that are in memory already.
func (l *rawLink) streamMemory(n, size int) error {
	frame := binary.LittleEndian.AppendUint32(nil, uint32(size)) //nolint:gosec // G115: sizes of this program
	frame = append(frame, make([]byte, size)...)
	for range n {
		if _, err := l.conn.Write(frame); err != nil {
			return err
		}
	}
	return nil
}

// streamShared has several goroutines send on the connection, under a mutex.
func (l *rawLink) streamShared(n, senders, size int) error {
	var mu sync.Mutex
	err := each(senders, func(i int) error {
		data := make([]byte, size)
		for range share(n, senders, i) {
			mu.Lock()
			err := l.send(data)
			mu.Unlock()
			if err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(err, l.w.Flush())
}

func (l *rawLink) drain(n int) error {
	for range n {
		if _, err := l.receive(); err != nil {
			return err
		}
	}
	return nil
}

func (l *rawLink) echo(n int) error {
	for range n {
		m, err := l.receive()
		if err != nil {
			return err
		}
		if err := errors.Join(l.send(m), l.w.Flush()); err != nil {
			return err
		}
	}
	return nil
}

// confirm answers each message, and flushes when nothing more is there to read.
func (l *rawLink) confirm(n int) error {
	var answer [Confirmed]byte
	for i := range n {
		if _, err := l.receive(); err != nil {
			return err
		}
		binary.LittleEndian.PutUint64(answer[:], uint64(i))
		if err := l.send(answer[:]); err != nil {
			return err
		}
		if l.r.Buffered() == 0 {
			if err := l.w.Flush(); err != nil {
				return err
			}
		}
	}
	return l.w.Flush()
}

func (l *rawLink) ping(n int, data []byte) (Outcome, error) {
	took := make([]time.Duration, n)
	for i := range took {
		start := time.Now()
		if err := errors.Join(l.send(data), l.w.Flush()); err != nil {
			return Outcome{}, err
		}
		if _, err := l.receive(); err != nil {
			return Outcome{}, err
		}
		took[i] = time.Since(start)
	}
	return Outcome{Took: took}, nil
}

func (l *rawLink) window(n, window int, data []byte) error {
	for i := range n {
		if i >= window {
			if l.r.Buffered() == 0 {
				if err := l.w.Flush(); err != nil {
					return err
				}
			}
			if _, err := l.receive(); err != nil {
				return err
			}
		}
		if err := l.send(data); err != nil {
			return err
		}
	}
	if err := l.w.Flush(); err != nil {
		return err
	}
	return l.drain(min(n, window))
}
