package serpy_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/serpytest"
)

// A strangeServer answers Hellos, and then does with each link what a test wants.
func strangeServer(t *testing.T, l *serpytest.Listener, change func(h *protocol.Hello), do func(p *stranger)) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		p := &stranger{t: t, conn: conn, dec: protocol.Native{}.NewDecoder(1 << 20)}
		f, err := p.read()
		if err != nil {
			continue
		}
		h, err := protocol.DecodeHello(f.Body)
		assert.NoError(t, err)
		p.hello = &h
		answer := strangerHello()
		answer.Session, answer.Secret, answer.Link, answer.Opening = h.Session, protocol.ID{}, 0, protocol.ID{1}
		answer.Resumed = h.Link > 1
		change(answer)
		_, _ = conn.Write(hello(answer))
		do(p)
	}
}

// A peer that says Close with the code for a broken rule ends the link, not the
// session: the dialler comes again to resume it.
func TestAccusedGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := serpytest.Listen(serpytest.Link{})
		defer l.Close()
		hellos := make(chan *protocol.Hello, 10)
		go strangeServer(t, l, func(*protocol.Hello) {}, func(p *stranger) {
			hellos <- p.hello
			if p.hello.Link <= 5 {
				p.say(func(f *protocol.Frame) {
					f.Kind, f.Body = protocol.KindClose, protocol.AppendClose(nil, protocol.Close{Code: protocol.CodeProtocol, Reason: "a crooked nose"})
				})
			}
		})
		c := dialMemory(t, l, nil)
		first := <-hellos
		for range 5 {
			again := <-hellos
			require.Equal(t, first.Session, again.Session)
			require.Equal(t, protocol.ID{1}, again.Seen)
		}
		for e := range c.Events(t.Context()) {
			if down, ok := e.(serpy.Disconnected); ok {
				require.ErrorContains(t, down.Err, "a crooked nose")
				var link *serpy.LinkError
				require.ErrorAs(t, down.Err, &link)
				break
			}
		}
		require.NoError(t, c.Err())
		l.CutAll()
		_ = c.Close()
	})
}

// A server whose Hello breaks a rule is told which, and so is one that breaks it later.
func TestDiallerAccuses(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(h *protocol.Hello)
		do     func(p *stranger)
		says   string
	}{
		{"another session", func(h *protocol.Hello) { h.Session = protocol.ID{9} }, func(*stranger) {}, "another session"},
		{"received what was not sent", func(h *protocol.Hello) { h.Lanes[0].Received = 7 }, func(*stranger) {}, "SPEC.md 7.2"},
		{"acknowledges what was not sent", func(*protocol.Hello) {}, func(p *stranger) { p.say(func(f *protocol.Frame) { f.Received = 7 }) }, "SPEC.md 3.2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := serpytest.Listen(serpytest.Link{})
				defer l.Close()
				said := make(chan protocol.Close, 10)
				go strangeServer(t, l, test.change, func(p *stranger) {
					test.do(p)
					said <- p.reason()
					_ = p.conn.Close()
				})
				c := dialMemory(t, l, &serpy.Options{Reconnect: serpy.Reconnect{FirstDial: serpy.InBackground}})
				why := <-said
				require.Equal(t, protocol.CodeProtocol, why.Code)
				require.Contains(t, why.Reason, test.says)
				l.CutAll()
				_ = c.Close()
			})
		})
	}
}
