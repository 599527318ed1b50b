package serpy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"net"
	"os"
	"time"

	"github.com/serpy-go/serpy/internal/session"
	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/transport"
)

// Why a server's session ends without a Close.
var (
	errSessionTimeout = errors.New("the peer did not come back within the session timeout")
	errEvicted        = errors.New("a bound of the server on parked sessions")
	errTakenOver      = errors.New("a newer link of the session took its place")
	errFaults         = errors.New("the peer broke the protocol again and again")
)

// A handshake is a link that nobody knows yet.
type handshake struct {
	conn    net.Conn
	addr    string
	crowded bool // it gave way; guarded by Server.mu
	heard   bool // the peer has said who it is; likewise
}

// accept takes links from a listener until it is closed. Trouble that may pass
// (file descriptors, aborted links) is waited out.
func (s *Server) accept(l net.Listener) {
	defer s.tasks.Done()
	delay := 5 * time.Millisecond
	for {
		conn, err := l.Accept()
		if err == nil {
			delay = 5 * time.Millisecond
			s.begin(conn)
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		s.log.Warn("serpy: accept", "err", err, "again in", delay)
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
		case <-s.done:
			timer.Stop()
			return
		}
		delay = min(2*delay, time.Second)
	}
}

// begin starts the handshake of a link. At the bound the oldest unfinished one of
// the address that has most gives way.
func (s *Server) begin(conn net.Conn) {
	h := &handshake{conn: conn, addr: host(conn.RemoteAddr())}
	var victim *handshake
	s.mu.Lock()
	if s.down { // nobody would close it before its timeout
		s.mu.Unlock()
		_ = conn.Close()
		return
	}
	if len(s.handshakes) >= s.opt.MaxHandshakes {
		victim = s.crowded()
	}
	s.handshakes = append(s.handshakes, h)
	s.tasks.Add(1)
	s.mu.Unlock()
	if victim != nil {
		victim.giveWay()
	}
	go s.greet(h)
}

// giveWay ends the handshake: the read that it waits in fails, and where that can be,
// the peer is still told why.
func (h *handshake) giveWay() {
	if half, ok := h.conn.(interface{ CloseRead() error }); ok && half.CloseRead() == nil {
		return
	}
	_ = h.conn.Close()
}

func host(a net.Addr) string {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.IP.String()
	}
	if a == nil {
		return ""
	}
	return a.Network()
}

// crowded takes a handshake that has to give way from the list: of the peers that have
// not said who they are, as long as there are any. s.mu is held.
func (s *Server) crowded() *handshake {
	count := make(map[string]int)
	for _, h := range s.handshakes {
		count[h.addr]++
	}
	best := s.handshakes[0]
	for _, h := range s.handshakes {
		if best.heard && !h.heard || best.heard == h.heard && count[h.addr] > count[best.addr] {
			best = h
		}
	}
	s.endHandshake(best)
	best.crowded = true
	return best
}

// hear says that the peer of a handshake has said who it is: its link is about to be a
// session's, and does not give way any more to one that has said nothing. false: it did.
func (s *Server) hear(h *handshake) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	h.heard = true
	return !h.crowded
}

// endHandshake takes a handshake from the list. s.mu is held.
func (s *Server) endHandshake(h *handshake) {
	for i, have := range s.handshakes {
		if have == h {
			s.handshakes = append(s.handshakes[:i:i], s.handshakes[i+1:]...)
			return
		}
	}
}

// greet is the listener's half of the handshake; then the link is read to its end,
// which is one task.
func (s *Server) greet(h *handshake) {
	c, l, err := s.shake(h)
	s.mu.Lock()
	s.endHandshake(h)
	if err != nil {
		s.counts.Refused++
		if h.crowded {
			err = errCrowded
		}
	}
	s.mu.Unlock()
	if err != nil {
		s.refuse(h, l, err)
		s.tasks.Done()
		return
	}
	l.start(func(err error) {
		s.linkEnded(c, l, err)
		s.tasks.Done()
	})
}

// refuse tells a peer and the log why it is turned away.
func (s *Server) refuse(h *handshake, l *link, err error) {
	var answer *protocol.Refuse
	if l != nil {
		if answer = l.answer(err); answer != nil {
			_ = h.conn.SetWriteDeadline(time.Now().Add(time.Second))
			_ = l.writeFrame(protocol.KindRefuse, protocol.AppendRefuse(nil, answer)) // it is going anyway
		}
		l.in.close()
	}
	s.log.Info("serpy: refused", "addr", addrString(h.conn), "err", err)
	s.events.add(serverEvent{nil, Refused{Addr: addrString(h.conn), Err: err}})
	if half, ok := h.conn.(interface{ CloseWrite() error }); ok && answer != nil && !errors.Is(err, errCrowded) {
		_ = half.CloseWrite()
		drain(h.conn)
	}
	_ = h.conn.Close()
}

// answer is what is said to a peer whose handshake fails; nil: nothing, as it does
// not speak this wire, or has had its answer.
func (l *link) answer(err error) *protocol.Refuse {
	if turned, ok := errors.AsType[*turnedAway](err); ok {
		return turned.refuse
	}
	if l.c != nil || l.in.chunk == nil || !bytes.HasPrefix(l.in.waiting(), []byte(protocol.Preface)) {
		return nil
	}
	refuse := &protocol.Refuse{Code: protocol.CodeProtocol, Reason: err.Error()}
	if _, busy := errors.AsType[*RefusedError](err); busy {
		refuse.Code = protocol.CodeBusy
	}
	return refuse
}

// drain reads what a refused peer still sends, briefly: a socket that is closed with
// unread bytes is reset, and the answer would be lost.
func drain(conn net.Conn) {
	_ = conn.SetReadDeadline(time.Now().Add(time.Second))
	var b [512]byte
	for range 64 {
		if _, err := conn.Read(b[:]); err != nil {
			return
		}
	}
}

func addrString(conn net.Conn) string {
	if a := conn.RemoteAddr(); a != nil {
		return a.String()
	}
	return ""
}

// A turnedAway is a Hello that is answered by a Refuse.
type turnedAway struct{ refuse *protocol.Refuse }

func (e *turnedAway) Error() string { return e.refuse.Code.String() + ": " + e.refuse.Reason }

func (e *turnedAway) Unwrap() error {
	return &RefusedError{Reason: e.refuse.Reason, Final: e.refuse.Code.Final()}
}

func turnAway(code protocol.Code, reason string) error {
	return &turnedAway{&protocol.Refuse{Code: code, Reason: reason}}
}

// shake finds out who the peer is and what it wants, and answers.
func (s *Server) shake(h *handshake) (c *Connection, l *link, err error) {
	conn := h.conn
	_ = conn.SetDeadline(deadlineIn(s.opt.HandshakeTimeout))
	if t, ok := conn.(*tls.Conn); ok {
		ctx, cancel := context.WithTimeout(context.Background(), min(s.opt.HandshakeTimeout, 24*time.Hour))
		err := t.HandshakeContext(ctx)
		cancel()
		if err != nil {
			return nil, nil, &LinkError{Op: "handshake", Addr: addrString(conn), Err: err}
		}
	}
	if err := transport.Tune(conn, s.opt.Transport); err != nil {
		s.log.Warn("serpy: socket options", "err", err)
	}
	codec, in, err := s.match(conn)
	if err != nil {
		return nil, nil, err
	}
	l = newLink(codec, s.opt.MaxMessage, conn)
	l.in = in
	l.peer = peerOf(conn, addrString(conn), codec.Name())
	if l.foreign != nil {
		if err = errCrowded; s.hear(h) {
			c, err = s.openForeign(h, l)
		}
		if err != nil {
			l.in.close()
			l = nil // nothing can be said to the peer
		}
		return c, l, err
	}
	f, err := l.readFrame()
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = &LinkError{Op: "handshake", Addr: l.peer.Address, Err: errNoHello}
		}
		return nil, l, err
	}
	if f.Kind != protocol.KindHello {
		return nil, l, turnAway(protocol.CodeProtocol, "a link begins with a Hello")
	}
	if *l.hello, err = protocol.DecodeHello(f.Body); err != nil {
		return nil, l, turnAway(protocol.CodeProtocol, err.Error())
	}
	l.number = l.hello.Link
	l.peer.Name, l.peer.Instance = l.hello.Name, l.hello.Instance
	l.agree()
	if !s.hear(h) {
		return nil, l, errCrowded
	}
	c, err = s.open(h, l)
	return c, l, err
}

var errNoHello = timeoutError("no Hello within the handshake timeout")

// errCrowded ends the handshake that gives way to another one.
var errCrowded = &RefusedError{Reason: "too many handshakes are under way"}

// clientIdentity is who the transport says the peer is.
func clientIdentity(p *Peer) string {
	if p.TLS == nil {
		return ""
	}
	if len(p.TLS.PeerCertificates) == 0 {
		return "tls"
	}
	sum := sha256.Sum256(p.TLS.PeerCertificates[0].Raw)
	return "tls:" + hex.EncodeToString(sum[:])
}

// open lets the registry decide, and brings the link in.
func (s *Server) open(h *handshake, l *link) (*Connection, error) {
	if err := s.roomFor(l.hello.Session); err != nil {
		return nil, err
	}
	s.mu.Lock()
	if s.opening[l.hello.Session] { // its link number must stay, or nobody could park it
		s.mu.Unlock()
		return nil, turnAway(protocol.CodeStale, "the session is being opened")
	}
	d := s.registry.Open(time.Now(), l.hello, newID(), clientIdentity(l.peer), h.addr)
	c := s.conns[l.hello.Session]
	if d.Outcome == session.Opened {
		s.opening[l.hello.Session] = true
	}
	s.mu.Unlock()
	switch d.Outcome {
	case session.Refused:
		return nil, &turnedAway{&d.Refuse}
	case session.Resumed:
		if c == nil {
			return nil, turnAway(protocol.CodeStale, "the session is being opened")
		}
		err := s.bring(c, l, d.Opening, true)
		if err != nil {
			s.park(c, l) // unless a newer link came: then it is not this one's to park
		}
		return c, err
	case session.Opened:
	}
	return s.openNew(l, d.Opening)
}

// openNew makes the connection of a new session.
func (s *Server) openNew(l *link, opening protocol.ID) (*Connection, error) {
	id := l.hello.Session
	if s.opt.Authorize != nil {
		ctx, cancel := context.WithTimeout(context.Background(), min(s.opt.HandshakeTimeout, 24*time.Hour))
		err := s.opt.Authorize(ctx, *l.peer)
		cancel()
		if err != nil {
			s.mu.Lock()
			s.registry.Remove(id)
			delete(s.opening, id)
			s.mu.Unlock()
			return nil, turnAway(protocol.CodeRefused, err.Error())
		}
	}
	c := newConnection(s.opt, s, "", l.codec)
	c.newSession(id, protocol.ID{}, 0)
	c.peer = l.peer // Accept may give it before the link is brought in
	s.mu.Lock()
	delete(s.opening, id)
	if s.ended { // closeAll may have looked already
		s.registry.Remove(id)
		s.granted -= int64(c.rq.maxBytes) //nolint:gosec // bounded by the options
		s.mu.Unlock()
		return nil, turnAway(protocol.CodeGoingAway, "the server goes away")
	}
	s.list(c, id)
	s.mu.Unlock()
	if err := s.bring(c, l, opening, false); err != nil {
		// The dialler may come again with the same session: it is parked.
		s.park(c, l)
		poke(s.incoming)
		return nil, err
	}
	poke(s.incoming)
	s.readable()
	return c, nil
}

// beginBring waits until nobody brings a link in, and endBring says that it is done.
// It is no mutex, as the old link is waited for meanwhile.
func (c *Connection) beginBring() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.bringing {
		if c.brought == nil {
			c.brought = make(chan struct{})
		}
		brought := c.brought
		c.mu.Unlock()
		<-brought
		c.mu.Lock()
	}
	c.bringing = true
}

func (c *Connection) endBring() {
	c.mu.Lock()
	c.bringing = false
	if c.brought != nil {
		close(c.brought)
		c.brought = nil
	}
	c.mu.Unlock()
}

// bring makes l the link of c: it joins the old one, sees that no newer one came
// meanwhile, and only then says what was received.
func (s *Server) bring(c *Connection, l *link, opening protocol.ID, resumed bool) error {
	l.c = c
	c.beginBring()
	defer c.endBring()
	c.mu.Lock()
	old := c.link
	if old != nil {
		old.gone = make(chan struct{})
	}
	c.mu.Unlock()
	if old != nil {
		old.fail(&LinkError{Op: "read", Addr: old.peer.Address, Err: errTakenOver})
		<-old.gone
	}
	s.mu.Lock()
	current := s.registry.Current(l.hello.Session, l.hello.Link)
	s.mu.Unlock()
	if !current {
		return turnAway(protocol.CodeStale, "a newer link of the session came first")
	}
	c.mu.Lock()
	hello := c.hello(l)
	c.mu.Unlock()
	hello.Opening, hello.Resumed = opening, resumed
	if err := l.writeFrame(protocol.KindHello, protocol.AppendHello(make([]byte, 0, 256), &hello)); err != nil {
		return err
	}
	_ = l.conn.SetDeadline(time.Time{})
	return c.attachLink(l)
}

// linkEnded parks or ends the session of a link that has ended.
func (s *Server) linkEnded(c *Connection, l *link, err error) {
	err = l.ended(err)
	if l.foreign != nil {
		s.foreignEnded(c, l, err)
		return
	}
	broken := c.detachLink(l, err)
	defer l.left() // a link that takes over finds the session parked or ended
	c.mu.Lock()
	closing, remote, failure := c.closing && !c.patient, c.remote, c.failure
	code, reason := c.closeCode, c.closeReason
	c.mu.Unlock()
	switch {
	case failure != nil:
		s.drop(c)
		c.finish(failure, failure)
	case remote != nil:
		s.bury(c, protocol.CodeNormal, "")
		c.finish(endOf(remote), remote)
	case closing:
		s.bury(c, code, reason)
		c.finish(nil, ErrClosed)
	case broken:
		s.drop(c)
		c.lose(errFaults)
	default:
		s.park(c, l)
	}
}

// park keeps a session without a link, and ends those that the bounds push out.
func (s *Server) park(c *Connection, l *link) {
	c.mu.Lock()
	load := session.Load{Bytes: int64(c.q.bytes), Pending: c.q.messages > 0}
	c.mu.Unlock()
	waiting, bytes := c.rq.size()
	load.Bytes += int64(bytes)
	load.Pending = load.Pending || waiting > 0
	now := time.Now()
	s.mu.Lock()
	evicted := s.pick(s.registry.Park(now, c.ident.session, l.number, load))
	s.schedule(now)
	s.mu.Unlock()
	for _, e := range evicted {
		e.lose(errEvicted)
	}
}

// lose ends a server's session whose peer is gone.
func (c *Connection) lose(cause error) {
	c.mu.Lock()
	n := c.q.messages
	undelivered := 0
	if next := c.sess.Next() - 1; next > c.sess.PeerTaken() {
		undelivered = min(n, int(next-c.sess.PeerTaken())) //nolint:gosec // bounded by the queue
	}
	c.mu.Unlock()
	err := &SessionLostError{Unconfirmed: n, Err: cause}
	c.say(SessionLost{Unconfirmed: n, Undelivered: undelivered, Total: uint64(n), Err: err}) //nolint:gosec // not negative
	c.finish(err, err)
}
