package serpy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"time"

	"github.com/serpy-go/serpy/protocol"
)

// maxHello bounds the bytes that a peer may send before its Hello is understood.
const maxHello = 8 << 10

// build is what a Hello says of this library.
var build = func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "serpy-go"
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == "github.com/serpy-go/serpy" {
			return "serpy-go " + m.Version
		}
	}
	return "serpy-go"
}()

// hello is what we say of ourselves and of the session. c.mu is held, and no link
// of the session is alive: what it says stands still.
func (c *Connection) hello(l *link) protocol.Hello {
	cfg := c.sess.Config()
	h := protocol.Hello{
		MinVersion: protocol.Version, MaxVersion: protocol.Version,
		Session: c.ident.session, Instance: c.life, Name: c.opt.Name, Build: build,
		MaxMessage: uint64(c.rq.limit), AckWhen: c.opt.AckWhen, //nolint:gosec // not negative
		BaseID: cfg.BaseID, Redelivered: cfg.Redelivered,
		Heartbeat: uint64(cfg.Heartbeat / time.Millisecond), //nolint:gosec // not negative
		Lanes:     []protocol.Counts{c.sess.Counts()},
	}
	if l.checked() {
		h.Features |= protocol.FeatureNoSum
	}
	if c.caps.Blobs {
		h.Features |= protocol.FeatureBlob
	}
	if c.server != nil { // it answers with what both offer
		h.Features &= l.hello.Features
	}
	return h
}

// checked says that the transport below checks its bytes: TLS does, and a unix
// socket has no wire to spoil them.
func (l *link) checked() bool {
	if l.peer.TLS != nil {
		return true
	}
	_, isUnix := l.conn.(*net.UnixConn)
	return isUnix
}

// agree takes the features that both sides offer.
func (l *link) agree() {
	if l.hello.Features&protocol.FeatureNoSum != 0 && l.checked() {
		l.noSum = protocol.NoSum
	}
}

// readFrame reads one frame of the handshake.
func (l *link) readFrame() (f protocol.Frame, err error) {
	for {
		if l.in.chunk != nil {
			f, n, err := l.dec.Decode(l.in.waiting())
			if err == nil {
				l.in.parsed += n
				l.offset += int64(n)
				return f, nil
			}
			if !protocol.IsShort(err) {
				return f, l.protocolError(err)
			}
			if l.in.filled-l.in.parsed >= maxHello {
				return f, l.protocolError(protocol.Errorf("5.1", "a Hello longer than %d bytes", maxHello))
			}
		}
		n, err := l.conn.Read(l.in.space())
		l.in.filled += n
		if n == 0 {
			if refusedByTLS(err) {
				return f, &RefusedError{Reason: err.Error(), Final: true}
			}
			return f, &LinkError{Op: "handshake", Addr: l.peer.Address, Err: err}
		}
	}
}

// refusedByTLS says that the peer did not like our certificate: with TLS 1.3 that
// shows at the first read, not in the handshake of TLS.
func refusedByTLS(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

// writeFrame writes one frame of the handshake.
func (l *link) writeFrame(kind protocol.Kind, body []byte) error {
	b, err := l.enc.Append(make([]byte, 0, protocol.HeadSize+len(body)+16), &protocol.Frame{Kind: kind, Body: body})
	if err == nil {
		_, err = l.conn.Write(b)
	}
	if err != nil {
		return &LinkError{Op: "handshake", Addr: l.peer.Address, Err: err}
	}
	return nil
}

// errUnknownSession says that the server does not have our session any more.
var errUnknownSession = errors.New("the server does not have the session any more")

// A sessionEnd is a tombstone's answer: the session was closed while we were away.
type sessionEnd struct{ refuse protocol.Refuse }

func (e *sessionEnd) Error() string { return "the session was closed: " + e.refuse.Reason }

// greet is the dialler's half of the handshake.
func (l *link) greet(ctx context.Context) error {
	c := l.c
	stop := context.AfterFunc(ctx, func() { _ = l.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	_ = l.conn.SetDeadline(deadlineIn(c.opt.HandshakeTimeout))
	c.mu.Lock()
	c.ident.link++
	h := c.hello(l)
	h.Secret, h.Link, h.Seen = c.ident.secret, c.ident.link, c.ident.seen
	c.mu.Unlock()
	if err := l.writeFrame(protocol.KindHello, protocol.AppendHello(make([]byte, 0, 256), &h)); err != nil {
		return err
	}
	f, err := l.readFrame()
	if err != nil {
		return err
	}
	switch f.Kind {
	case protocol.KindHello:
		if *l.hello, err = protocol.DecodeHello(f.Body); err == nil {
			err = l.checkHello(&h)
		}
	case protocol.KindRefuse:
		return l.refused(f.Body)
	default:
		err = protocol.Errorf("5.1", "a %v frame instead of a Hello", f.Kind)
	}
	if err != nil {
		err = l.protocolError(err)
		l.protest(err)
		return err
	}
	_ = l.conn.SetDeadline(time.Time{})
	l.agree()
	l.peer.Name, l.peer.Instance = l.hello.Name, l.hello.Instance
	c.mu.Lock()
	c.ident.seen = l.hello.Opening
	c.mu.Unlock()
	return nil
}

func deadlineIn(d time.Duration) time.Time {
	if d >= off {
		return time.Time{}
	}
	return time.Now().Add(d)
}

// checkHello judges the listener's answer.
func (l *link) checkHello(ours *protocol.Hello) error {
	h := l.hello
	switch {
	case h.Session != ours.Session:
		return protocol.Errorf("5.1", "the answer is of another session")
	case h.MinVersion > protocol.Version || h.MaxVersion < protocol.Version:
		return protocol.Errorf("5.1", "the peer speaks versions %d to %d of the wire, this side %d", h.MinVersion, h.MaxVersion, protocol.Version)
	case h.Opening.IsZero():
		return protocol.Errorf("5.1", "the answer does not name the opening of the session")
	}
	return nil
}

// refused reads why the server turned us away.
func (l *link) refused(body []byte) error {
	r, err := protocol.DecodeRefuse(body)
	if err != nil {
		return l.protocolError(err)
	}
	switch {
	case r.Closed:
		return &sessionEnd{r}
	case r.Code == protocol.CodeUnknown, r.Code == protocol.CodeEvicted:
		return fmt.Errorf("%w: %s", errUnknownSession, r.Reason)
	case r.Code == protocol.CodeStale, r.Code == protocol.CodeProtocol:
		return &LinkError{Op: "handshake", Addr: l.peer.Address, Err: &RefusedError{Reason: r.Reason}}
	}
	return &RefusedError{Reason: r.Reason, Final: r.Code.Final()}
}
