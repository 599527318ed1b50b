package serpy

import "time"

// A stream is a link over which messages are accepted faster than they can be written
// one by one. Then who sends writes the full groups himself, while they are in the cache
// of his processor, and no other goroutine has to run beside him: what two of them take
// from one another is more than they do at the same time. What is left of the last
// group is written by whoever waits next, or else when the stream is looked after.
//
// The flusher finds out that there is a stream, and a timer that there is none any
// more. It is guarded by the connection's mutex.
type stream struct {
	on     bool
	wrote  bool  // who sends has written since it was looked after
	all    bool  // somebody waits: what is left is written, too
	late   bool  // it was looked after while somebody wrote: endTurn sets the timer
	rounds int32 // how often in a row the flusher found more to write
	timer  *time.Timer
}

const (
	// streamRounds is after how many writes in a row there is a stream.
	streamRounds = 16
	// streamLook is how often a stream is looked after: what is left of it waits for
	// twice as long at most.
	streamLook = time.Millisecond
)

// leaves says that the last group is not written while units can be added to it.
func (s *stream) leaves() bool { return s.on && !s.all }

// found says that the flusher has more to write, again, and whether it is a stream now.
func (l *link) found() {
	s := &l.stream
	if s.on || l.raw == nil {
		return
	}
	if s.rounds++; s.rounds < streamRounds {
		return
	}
	s.on, s.wrote, s.rounds = true, true, 0
	if s.timer == nil {
		s.timer = time.AfterFunc(streamLook, l.lookAfter)
	} else {
		s.timer.Reset(streamLook)
	}
}

// end is of a link that has ended.
func (s *stream) end() {
	if s.timer != nil {
		s.timer.Stop()
	}
}

// lookAfter writes what is left where nobody has written of late.
func (l *link) lookAfter() {
	c, s := l.c, &l.stream
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case l.dead || c.link != l:
	case l.writing:
		s.wrote, s.late = false, true
	case s.wrote:
		s.wrote = false
		s.timer.Reset(streamLook)
	default:
		s.on = false
		c.kick()
	}
}

// hurry has what is left of a stream written, for one who is about to wait. c.mu is
// held, and is not any more when it returns.
func (c *Connection) hurry() {
	if l := c.link; l != nil && l.stream.on && c.q.unsent < c.q.groups.len() {
		c.writeNow(false) // while somebody writes: he writes the rest, too
		return
	}
	c.mu.Unlock()
}

// full says how many groups wait to be written to which nothing can be added.
func (q *sendQueue) full() int {
	n := q.groups.len() - q.unsent
	if n > 0 && !q.groups.at(q.groups.len()-1).closed {
		n--
	}
	return n
}
