package serpy

import (
	"errors"
	"time"

	"github.com/serpy-go/serpy/protocol"
)

// farewell is for how long a peer that broke a rule is told so.
const farewell = 250 * time.Millisecond

// leave ends the link for what was read: a peer that broke a rule is told which
// one. Its bytes are read on for a moment, as a socket that is closed with unread
// bytes may destroy what is on its way. For the reader alone.
func (l *link) leave(err error) {
	if l.accuse(err) {
		end := time.AfterFunc(farewell, func() { _ = l.conn.Close() })
		l.writer.Wait()
		drain(l.conn)
		end.Stop()
	}
	l.fail(err)
}

// accuse has the writer say which rule the peer broke, and nothing behind it. false:
// err is another trouble, or nothing can be said any more.
func (l *link) accuse(err error) bool {
	broken, ok := errors.AsType[*ProtocolError](err)
	if !ok || !l.c.caps.Resume {
		return false
	}
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	if l.dead || l.saidClose {
		return false
	}
	l.err, l.accusation = err, broken.Err
	l.c.kick()
	return true
}

// protest says to a peer whose Hello broke a rule which one, and reads on for a
// moment. Nobody else writes yet.
func (l *link) protest(err error) {
	broken, ok := errors.AsType[*ProtocolError](err)
	if !ok {
		return
	}
	now := time.Now()
	l.c.mu.Lock()
	f := l.c.sess.Accuse(now, broken.Err.Error())
	l.c.mu.Unlock()
	end := time.AfterFunc(farewell, func() { _ = l.conn.Close() })
	defer end.Stop()
	b, err := l.enc.Append(nil, &f)
	if err != nil {
		return
	}
	if _, err = l.conn.Write(b); err == nil {
		l.closeWrite()
		drain(l.conn)
	}
}

// accused is how a link ends whose peer says that we broke a rule. The session goes
// on with another link, if the peer still has it.
func (l *link) accused(p *protocol.Close) error {
	return &LinkError{Op: "read", Addr: l.peer.Address, Err: errors.New("the peer says that this side broke the protocol: " + p.Reason)}
}
