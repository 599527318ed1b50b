package serpytest

import (
	"context"
	"testing"

	"github.com/serpy-go/serpy"
)

// Serve connects a client to a server in memory: h serves each of its
// sessions, and c is the dialled end of the first. cut breaks the link there is
// ([Conn.Cut]); c reconnects, as it would over a socket. o is of both sides, its
// Dial aside; nil: the default. The test fails where the two cannot be
// connected; when it ends, Serve closes c, then the server, waits for the handlers, and
// reports an error of the server's Serve.
//
// In a testing/synctest bubble, call it inside. For links with faults:
// [ServeOn].
func Serve(tb testing.TB, h serpy.Handler, o *serpy.Options) (c *serpy.Connection, cut func()) {
	tb.Helper()
	l := Listen(Link{})
	return ServeOn(tb, l, h, o), func() { l.CutAll() }
}

// ServeOn is Serve on a listener of the caller's, which has the methods for
// faults: latency, refusals, a cut of the n-th link at an exact byte. The server closes it.
func ServeOn(tb testing.TB, l *Listener, h serpy.Handler, o *serpy.Options) *serpy.Connection {
	tb.Helper()
	var serving, dialling serpy.Options
	if o != nil {
		serving, dialling = *o, *o
	}
	serving.Dial, dialling.Dial = nil, l.DialAddress
	s, err := serpy.NewServer(l, &serving)
	if err != nil {
		tb.Fatalf("serpytest: %v", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, h) }()
	tb.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			tb.Errorf("serpytest: Serve: %v", err)
		}
	})
	c, err := serpy.Dial(tb.Context(), "tcp://"+l.Addr().String()+":1", &dialling)
	if err != nil {
		tb.Fatalf("serpytest: %v", err)
	}
	tb.Cleanup(func() { _ = c.Close() }) // Runs first; a test that cuts may leave messages unconfirmed.
	return c
}
