package serpy_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/serpytest"
)

// A host is an address in memory at which one server lives after another. Use it
// in a bubble.
type host struct {
	mu   sync.Mutex
	l    *serpytest.Listener
	s    *serpy.Server
	link serpytest.Link
}

// start starts a server; one that was there before stays, but cannot be reached.
func (h *host) start(t *testing.T, o *serpy.Options) *serpy.Server {
	t.Helper()
	l := serpytest.Listen(h.link)
	s, err := serpy.NewServer(l, o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() }) // a test may leave sessions that cannot end well
	h.mu.Lock()
	defer h.mu.Unlock()
	h.l, h.s = l, s
	return s
}

// restart has the process of the server die, and another begin at its address: of
// what the first would still say nothing is heard.
func (h *host) restart(t *testing.T, o *serpy.Options) *serpy.Server {
	t.Helper()
	l, old := h.net(), h.s
	s := h.start(t, o)
	l.CutAll()
	done, cancel := context.WithCancel(t.Context())
	cancel()
	_ = old.Shutdown(done) // nobody is there any more to whom it could say so
	return s
}

// net is the present server's network.
func (h *host) net() *serpytest.Listener {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.l
}

// dial connects to the host.
func (h *host) dial(t *testing.T, o *serpy.Options) *serpy.Connection {
	t.Helper()
	var opt serpy.Options
	if o != nil {
		opt = *o
	}
	opt.Dial = func(ctx context.Context, address string) (net.Conn, error) { return h.net().DialAddress(ctx, address) }
	if opt.Reconnect.Min == 0 {
		opt.Reconnect.Min, opt.Reconnect.Max = time.Millisecond, 20*time.Millisecond
	}
	c, err := serpy.Dial(t.Context(), "tcp://host:1", &opt)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() }) // likewise
	return c
}

// meet starts a server, dials it, and gives both ends of the session.
func meet(t *testing.T, listening, dialling *serpy.Options) (h *host, a, c *serpy.Connection) {
	t.Helper()
	h = &host{}
	s := h.start(t, listening)
	c = h.dial(t, dialling)
	return h, accepted(t, s), c
}

// accepted gives the next session of a server.
func accepted(t *testing.T, s *serpy.Server) *serpy.Connection {
	t.Helper()
	c, err := s.Accept(within(t, time.Minute))
	require.NoError(t, err)
	return c
}

// within is a context for what has to happen in time.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// get receives a message.
func get(t *testing.T, c *serpy.Connection) serpy.Message {
	t.Helper()
	m, err := c.Receive(within(t, time.Minute))
	require.NoError(t, err)
	return m
}

// put sends a message of text.
func put(t *testing.T, c *serpy.Connection, text string, mode serpy.Mode) serpy.Receipt {
	t.Helper()
	r, err := c.SendMessage(within(t, time.Minute), serpy.Message{Data: []byte(text), Mode: mode})
	require.NoError(t, err)
	return r
}

// event waits for an event of a type.
func event[E serpy.Event](t *testing.T, c *serpy.Connection) (e E) {
	t.Helper()
	for e := range c.Events(within(t, time.Minute)) {
		if e, ok := e.(E); ok {
			return e
		}
	}
	assert.Fail(t, "no such event", "%T", e)
	return e
}

// bubbleSleep sleeps by the clock of a bubble, which costs no time.
func bubbleSleep(d time.Duration) { time.Sleep(d) } //nolint:forbidigo // in a bubble, where its callers all are
