package serpy

import (
	"slices"

	"github.com/serpy-go/serpy/protocol"
)

// leftovers are the connections that ended with messages unread, oldest first: those
// messages were confirmed, and wait for a handler that is at work still, for Accept or
// for Messages. Guarded by the server's mutex.
type leftovers struct {
	list  []leftover
	bytes int64 // that they held when they were last looked at: at most so many
	look  int   // how long the list may get until they are looked at again
}

// A leftover is one of them, and what it held when it was last looked at.
type leftover struct {
	c     *Connection
	bytes int64
}

// full says whether they are as many, or hold as much, as they may. s.mu is held.
func (s *Server) leftFull() bool {
	return len(s.left.list) >= s.opt.MaxConnections || s.left.bytes >= s.opt.MaxMemory
}

// leave keeps a connection that ended with so many bytes unread.
func (s *Server) leave(c *Connection, bytes int) {
	s.mu.Lock()
	s.left.list = append(s.left.list, leftover{c, int64(bytes)})
	s.left.bytes += int64(bytes)
	look := s.leftFull() || len(s.left.list) > s.left.look
	s.mu.Unlock()
	if look {
		s.lookAtLeft()
	}
}

// lookAtLeft finds out what is unread still. Beyond the bounds the oldest of those that
// Accept gave away are forgotten here: their messages are with whoever has them.
func (s *Server) lookAtLeft() {
	s.mu.Lock()
	list := slices.Clone(s.left.list)
	s.mu.Unlock()
	read := make(map[*Connection]int64, len(list))
	for _, l := range list {
		_, bytes := l.c.rq.size()
		read[l.c] = l.bytes - int64(bytes)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	empty := make(map[*Connection]bool)
	for i := range s.left.list {
		l := &s.left.list[i]
		n := min(read[l.c], l.bytes) // of one that came meanwhile: none
		l.bytes -= n
		s.left.bytes -= n
		empty[l.c] = l.bytes == 0
	}
	s.left.list = slices.DeleteFunc(s.left.list, func(l leftover) bool { return empty[l.c] })
	s.waiting = slices.DeleteFunc(s.waiting, func(c *Connection) bool { return empty[c] })
	if s.leftFull() {
		s.left.list = slices.DeleteFunc(s.left.list, func(l leftover) bool {
			if !l.c.given || !s.leftFull() {
				return false
			}
			s.left.bytes -= l.bytes
			return true
		})
	}
	s.left.look = 2*len(s.left.list) + 16
}

// drained forgets a connection that ended, if it has no more messages.
func (s *Server) drained(c *Connection) {
	if n, _ := c.rq.size(); n > 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.left.list, func(l leftover) bool { return l.c == c })
	if i < 0 {
		return
	}
	s.left.bytes -= s.left.list[i].bytes
	s.left.list = slices.Delete(s.left.list, i, i+1)
	s.waiting = without(s.waiting, c)
}

// roomFor says whether a session may be opened, or gone on with: new ones are refused
// while more wait than may, and while too much of what others sent before their end is
// unread.
func (s *Server) roomFor(id protocol.ID) error {
	s.mu.Lock()
	known, many, full := s.conns[id] != nil, len(s.waiting) >= s.opt.MaxConnections, s.leftFull()
	s.mu.Unlock()
	if known || !many && !full {
		return nil
	}
	s.lookAtLeft() // some of it may have been read
	s.mu.Lock()
	many, full = len(s.waiting) >= s.opt.MaxConnections, s.leftFull()
	s.mu.Unlock()
	switch {
	case many:
		return turnAway(protocol.CodeBusy, "too many sessions")
	case full:
		return turnAway(protocol.CodeBusy, "too much of what ended sessions sent is unread")
	}
	return nil
}
