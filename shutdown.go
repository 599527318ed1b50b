package serpy

import (
	"context"
	"slices"
	"time"

	"github.com/serpy-go/serpy/protocol"
)

// StopAccepting refuses new sessions. Those that are there live on and may still
// resume: the listeners stay for that until the last has ended.
func (s *Server) StopAccepting() error {
	s.mu.Lock()
	s.stopped = true
	s.registry.StopAccepting()
	ended := s.ended
	s.mu.Unlock()
	poke(s.incoming)
	s.closeIfEmpty()
	if ended {
		return opError("stop accepting", ErrServerClosed)
	}
	return nil
}

// Shutdown ends the server gracefully: StopAccepting; Receive, Messages and Handle
// end with ErrServerClosed when nothing waits; the handlers are waited for; what is
// queued is confirmed; each session is closed with "going away", so that a dialler
// comes again. At the end of ctx handlers' contexts end and everything is closed at
// once; the error is ctx's then. From a handler, end Serve's ctx instead.
func (s *Server) Shutdown(ctx context.Context) error {
	_ = s.StopAccepting() // too late is fine
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	poke(s.incoming)
	for _, c := range s.Connections() {
		c.interrupt(ErrServerClosed)
	}
	handlers := make(chan struct{})
	go func() { s.handlers.Wait(); close(handlers) }()
	select {
	case <-handlers:
	case <-ctx.Done():
	}
	s.closeAll(ctx)
	s.endGrace()
	s.closing.Do(s.closeDown)
	<-handlers
	s.tasks.Wait()
	return opError("shutdown", ctx.Err())
}

// Close is Shutdown within CloseTimeout.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), min(s.opt.CloseTimeout, 24*time.Hour))
	defer cancel()
	return s.Shutdown(ctx)
}

// closeAll closes all sessions at the same time.
func (s *Server) closeAll(ctx context.Context) {
	conns := s.Connections()
	closed := make(chan struct{}, len(conns))
	for _, c := range conns {
		go func() {
			_ = c.shutdown(ctx, protocol.CodeGoingAway, "the server goes away", true)
			closed <- struct{}{}
		}()
	}
	for range conns {
		<-closed
	}
}

// closeDown closes listeners and handshakes.
func (s *Server) closeDown() {
	s.mu.Lock()
	s.down = true
	listeners := s.listeners
	handshakes := slices.Clone(s.handshakes)
	if s.sweep != nil {
		s.sweep.Stop()
	}
	s.mu.Unlock()
	for _, l := range listeners {
		_ = l.Close()
	}
	for _, h := range handshakes {
		_ = h.conn.Close()
	}
	s.events.close()
	close(s.done)
}

// interrupt makes Receive end with err when nothing waits.
func (c *Connection) interrupt(err error) {
	c.mu.Lock()
	c.cutOff = err
	l := c.link
	if c.blobs != nil {
		poke(c.blobs.offered)
	}
	c.mu.Unlock()
	c.rq.signal()
	if l != nil && l.foreign == nil { // its reader is nobody's, and an interruption would be its end
		l.lookUp()
	}
}

// forget takes a connection that has ended out of the lists.
func (s *Server) forget(c *Connection) {
	defer s.closeIfEmpty()
	n, bytes := c.rq.size()
	if n > 0 { // there is something to be read, and it was confirmed
		s.leave(c, bytes)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns[c.ident.session] == c {
		delete(s.conns, c.ident.session)
		s.registry.Remove(c.ident.session)
		s.granted -= int64(c.rq.maxBytes) //nolint:gosec // bounded by the options
	}
	s.order.remove(c)
	if n == 0 {
		s.waiting = without(s.waiting, c)
	}
	if s.stopped {
		poke(s.incoming)
	}
}

// closeIfEmpty closes the listeners when no new session is taken and none is left
// that might resume.
func (s *Server) closeIfEmpty() {
	s.mu.Lock()
	empty := s.stopped && s.order.len() == 0
	s.mu.Unlock()
	if empty {
		s.closing.Do(s.closeDown)
	}
}

func without(list []*Connection, c *Connection) []*Connection {
	for i, have := range list {
		if have == c {
			return append(append([]*Connection(nil), list[:i]...), list[i+1:]...)
		}
	}
	return list
}

// bury leaves a tombstone of a session that is closed.
func (s *Server) bury(c *Connection, code protocol.Code, reason string) {
	c.mu.Lock()
	final := c.finalCounts(code, reason)
	c.mu.Unlock()
	now := time.Now()
	s.mu.Lock()
	s.registry.Bury(now, c.ident.session, final)
	s.schedule(now)
	s.mu.Unlock()
}

// drop forgets a session without a tombstone.
func (s *Server) drop(c *Connection) {
	s.mu.Lock()
	s.registry.Remove(c.ident.session)
	s.mu.Unlock()
}

// schedule arms the sweep for what runs out next. s.mu is held.
func (s *Server) schedule(now time.Time) {
	if s.armed || s.ended {
		return // what is kept from now on runs out later than what was kept before
	}
	t, ok := s.registry.Deadline()
	if !ok {
		return
	}
	s.armed = true
	wait := max(t.Sub(now), time.Millisecond)
	if s.sweep == nil {
		s.sweep = time.AfterFunc(wait, s.expire)
		return
	}
	s.sweep.Reset(wait)
}

// expire ends the sessions whose time ran out.
func (s *Server) expire() {
	now := time.Now()
	s.mu.Lock()
	s.armed = false
	lost := s.pick(s.registry.Expire(now))
	s.schedule(now)
	s.mu.Unlock()
	for _, c := range lost {
		c.lose(errSessionTimeout)
	}
}

func (s *Server) pick(ids []protocol.ID) (conns []*Connection) {
	for _, id := range ids {
		if c := s.conns[id]; c != nil {
			conns = append(conns, c)
		}
	}
	return conns
}
