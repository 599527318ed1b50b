package serpy

import (
	"context"
	"iter"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/serpy-go/serpy/internal/session"
	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/transport"
)

// A Server takes connections on any number of listeners. All methods may be called
// from any goroutine.
type Server struct {
	opt *Options
	log *slog.Logger

	mu         sync.Mutex // a leaf
	registry   *session.Registry
	conns      map[protocol.ID]*Connection
	opening    map[protocol.ID]bool // in the registry, and not yet in conns
	order      roll                 // oldest first
	waiting    []*Connection        // for Serve or Accept
	left       leftovers
	listeners  []net.Listener
	handshakes []*handshake
	granted    int64 // of MaxMemory
	casts      castMemory
	serving    bool
	accepting  bool
	stopped    bool // StopAccepting
	ended      bool
	down       bool // closeDown has closed what it found
	counts     ServerStats
	sweep      *time.Timer
	armed      bool // sweep will come

	incoming chan struct{} // capacity 1: somebody waits
	arrived  chan struct{} // capacity 1: a connection may have a message
	events   eventRing[serverEvent]
	done     chan struct{} // closed by Close
	handlers sync.WaitGroup
	tasks    sync.WaitGroup // accept loops and links
	grace    context.Context
	endGrace context.CancelFunc
	closing  sync.Once
}

// A Handler serves one session, not one link. ctx has the values of Serve's, and
// ends with c, or when Shutdown's grace is over; that it ended with c does not keep
// Receive from giving what c received before. When the handler returns, c is closed
// as by c.Close, and what it did not receive is dropped; an error becomes the reason
// that the peer sees. Panics are not recovered.
type Handler func(ctx context.Context, c *Connection) error

// ServerStats are a server's counts: how many connections are up, parked, or in the
// handshake, and the totals of those accepted and refused.
type ServerStats struct {
	Connected, Parked, Handshaking int
	Accepted, Refused              uint64
}

// maxTombstones is how many ended sessions are remembered.
const maxTombstones = 4096

// Listen listens on an address, as Dial takes it, and accepts at once; ":0" picks a
// port, see Address. Sessions wait, bounded by MaxConnections and MaxMemory, for Serve
// or Accept.
func Listen(address string, o *Options) (*Server, error) {
	opt, err := o.forServer()
	if err != nil {
		return nil, err
	}
	a, err := transport.Parse(address)
	if err != nil {
		return nil, opError("listen", err)
	}
	switch {
	case a.Scheme() == transport.TLS && opt.TLS == nil:
		return nil, &OptionError{"TLS", nil, "a tls:// listener needs a certificate"}
	case a.Scheme() != transport.TLS && opt.TLS != nil:
		return nil, &OptionError{"TLS", address, "the address is not a tls:// one: nothing would be encrypted"}
	}
	l, err := transport.Listen(context.Background(), a, opt.TLS, opt.Transport)
	if err != nil {
		return nil, opError("listen", err)
	}
	return newServer(l, opt), nil
}

// NewServer serves on the caller's listener, which the server then owns, with the conns that
// it gives: nobody else may close them.
func NewServer(l net.Listener, o *Options) (*Server, error) {
	opt, err := o.forServer()
	if err != nil {
		return nil, err
	}
	return newServer(l, opt), nil
}

func newServer(l net.Listener, opt *Options) *Server {
	s := &Server{
		opt: opt, log: opt.Logger, conns: make(map[protocol.ID]*Connection), opening: make(map[protocol.ID]bool),
		registry: session.NewRegistry(session.Bounds{
			Sessions: opt.MaxConnections, Parked: opt.MaxParked, ParkedMem: opt.MaxMemory,
			Tombstones: maxTombstones, Keep: opt.SessionTimeout,
		}),
		incoming: make(chan struct{}, 1), arrived: make(chan struct{}, 1), done: make(chan struct{}),
	}
	s.events.keep = keptServerEvents
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.grace, s.endGrace = context.WithCancel(context.Background())
	s.add(l)
	return s
}

func (s *Server) add(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.stopped {
		return false
	}
	s.listeners = append(s.listeners, l)
	s.tasks.Add(1)
	go s.accept(l)
	return true
}

// AddListener serves on one more listener, which the server then owns.
func (s *Server) AddListener(l net.Listener) error {
	if !s.add(l) {
		return opError("add listener", ErrServerClosed)
	}
	return nil
}

// Address is that of the first listener, as Dial takes it: "tcp://127.0.0.1:41234".
func (s *Server) Address() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.listeners[0]
	if a, ok := transport.ListenerAddress(l); ok {
		return a.String()
	}
	return l.Addr().String()
}

// Accept gives the next session. It is instead of Serve. At the end it is
// ErrServerClosed.
func (s *Server) Accept(ctx context.Context) (*Connection, error) {
	s.mu.Lock()
	s.accepting = true
	serving := s.serving
	s.mu.Unlock()
	if serving {
		return nil, opError("accept", ErrUnsupported)
	}
	c, err := s.next(ctx)
	return c, opError("accept", err)
}

// next waits for a session that nobody has taken.
func (s *Server) next(ctx context.Context) (*Connection, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s.mu.Lock()
		ended := s.ended || s.stopped && len(s.conns) == 0
		if len(s.waiting) > 0 && !s.ended {
			c := s.waiting[0]
			s.waiting = s.waiting[1:]
			c.given = !s.serving
			if s.serving {
				s.handlers.Add(1) // here, where it cannot meet Shutdown's Wait
			}
			more := len(s.waiting) > 0
			s.mu.Unlock()
			if more {
				poke(s.incoming)
			}
			return c, nil
		}
		s.mu.Unlock()
		if ended {
			poke(s.incoming)
			return nil, ErrServerClosed
		}
		select {
		case <-s.incoming:
		case <-ctx.Done():
			poke(s.incoming) // it may have come for us, and is another's then
		}
	}
}

// Serve runs h in a goroutine of its own for each session. The end of ctx is a
// Shutdown within CloseTimeout. It returns when every handler has: nil after a
// wanted end.
func (s *Server) Serve(ctx context.Context, h Handler) error {
	s.mu.Lock()
	taken := s.serving || s.accepting
	s.serving = s.serving || !taken
	s.mu.Unlock()
	if taken {
		return opError("serve", ErrUnsupported)
	}
	values := context.WithoutCancel(ctx)
	for {
		c, err := s.next(ctx)
		if err != nil {
			break
		}
		go s.handle(values, c, h)
	}
	if ctx.Err() != nil {
		_ = s.Close() // what was not confirmed is in the events of each connection
	}
	s.handlers.Wait()
	return nil
}

// handle runs the handler of one session.
func (s *Server) handle(values context.Context, c *Connection, h Handler) {
	defer s.handlers.Done()
	ctx, cancel := context.WithCancelCause(values)
	defer cancel(nil)
	stop := context.AfterFunc(s.grace, func() { cancel(nil) })
	defer stop()
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-c.done:
			cancel(ownEnd{c})
		case <-ended:
		}
	}()
	code, reason := protocol.CodeNormal, ""
	if err := h(ctx, c); err != nil {
		code, reason = protocol.CodeError, err.Error()
		c.opt.Logger.Info("serpy: the handler ended with an error", "peer", c.Peer().Name, "err", err)
	}
	if s.isStopped() {
		code = protocol.CodeGoingAway
	}
	_ = c.close(code, reason) // its outcome is in the events
	c.rq.discard()
	s.drained(c)
}

func (s *Server) isStopped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// Connections gives all sessions, parked ones too: see State.
func (s *Server) Connections() []*Connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.order.list()
}

// Len is how many sessions there are.
func (s *Server) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.order.len()
}

// All ranges over the sessions that are there when it begins.
func (s *Server) All() iter.Seq[*Connection] {
	return func(yield func(*Connection) bool) {
		for _, c := range s.Connections() {
			if !yield(c) {
				return
			}
		}
	}
}

// Readable gives the connections with a message waiting.
func (s *Server) Readable() []*Connection {
	var ready []*Connection
	for _, c := range s.sources() {
		if n, _ := c.rq.size(); n > 0 {
			ready = append(ready, c)
		}
	}
	return ready
}

// sources are the connections that may have messages, also those that have ended.
func (s *Server) sources() []*Connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.order.list()
	if s.serving { // they are their handlers'
		return all
	}
	for _, l := range s.left.list {
		all = append(all, l.c)
	}
	return all
}

// Messages ranges over the messages of all connections, one of each in turn, until
// ctx or the server ends; those of connections that have ended are among them. It
// waits without polling.
func (s *Server) Messages(ctx context.Context) iter.Seq2[*Connection, Message] {
	return func(yield func(*Connection, Message) bool) {
		defer poke(s.arrived) // what woke us may be another's, who ranges too
		for ctx.Err() == nil {
			idle := true
			for _, c := range s.sources() {
				m, ok := c.TryReceive()
				if !ok {
					s.drained(c)
					continue
				}
				idle = false
				if !yield(c, m) {
					return
				}
			}
			if !idle {
				continue
			}
			select {
			case <-s.arrived:
			case <-s.done:
				return
			case <-ctx.Done():
			}
		}
	}
}

// readable says that a connection may have a message.
func (s *Server) readable() { poke(s.arrived) }

// Connection finds a session by its ID.
func (s *Server) Connection(id string) (*Connection, bool) {
	for _, c := range s.Connections() {
		if c.ID() == id {
			return c, true
		}
	}
	return nil, false
}

// Events ranges over the events of all connections, from the oldest kept (of 1024),
// until ctx or the server ends. Where the connection is nil the event is Refused.
func (s *Server) Events(ctx context.Context) iter.Seq2[*Connection, Event] {
	return func(yield func(*Connection, Event) bool) {
		for e := range s.events.all(ctx) {
			if !yield(e.c, shown(e.e)) {
				return
			}
		}
	}
}

// Stats gives the counts as they are now.
func (s *Server) Stats() ServerStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.counts
	n, parked := s.registry.Len()
	st.Connected, st.Parked, st.Handshaking = n-parked, parked, len(s.handshakes)
	return st
}
