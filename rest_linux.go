package serpy

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"time"
)

// A restPlace is where a link is in resting; no is 0.
type restPlace int32

// A rest waits for all links of the process that were silent for long, with one goroutine:
// theirs have left. It is there while such links are. Its mutex is a leaf.
type rest struct {
	mu    sync.Mutex
	epoll *os.File // nil: there is none now
	fd    int
	seats []seat // from 1 on
	free  []restPlace

	// What await has epoll_ctl do, by control, which is made once: so it takes no memory.
	control func(fd uintptr)
	op      int
	event   syscall.EpollEvent
	failed  error
}

// A seat is a link's for as long as it lives, since its first rest.
type seat struct {
	link *link
	turn int32 // which of those who sat here it is: an event may come too late
}

const canRest = true

var resting rest

// await has the link's own reader started when there is something to read. false: it
// cannot be. Otherwise nothing of the link is the caller's any more.
func (r *rest) await(l *link) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.epoll == nil && r.open() != nil {
		return false
	}
	in, op := l.rawIn, syscall.EPOLL_CTL_MOD
	if in.place == 0 {
		in.place, op = r.sit(l), syscall.EPOLL_CTL_ADD
	}
	r.op, r.failed = op, nil
	r.event = syscall.EpollEvent{
		Events: syscall.EPOLLIN | syscall.EPOLLRDHUP | syscall.EPOLLONESHOT,
		Fd:     int32(in.place), Pad: r.seats[in.place].turn,
	}
	if err := in.raw.Control(r.control); err == nil && r.failed == nil {
		return true
	}
	if op == syscall.EPOLL_CTL_ADD {
		r.leave(in)
	}
	return false
}

// sit gives a link a place. mu is held.
func (r *rest) sit(l *link) restPlace {
	if n := len(r.free); n > 0 {
		place := r.free[n-1]
		r.free = r.free[:n-1]
		r.seats[place].link = l
		return place
	}
	r.seats = append(r.seats, seat{link: l})
	return restPlace(len(r.seats) - 1) //nolint:gosec // less than descriptors
}

// forget is told of the end of each link, whose socket is closed.
func (r *rest) forget(l *link) {
	if l.rawIn == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if l.rawIn.place != 0 {
		r.leave(l.rawIn)
	}
}

// leave gives a place up; behind the last all goes. mu is held.
func (r *rest) leave(in *rawReader) {
	s := &r.seats[in.place]
	s.link = nil
	s.turn++
	r.free = append(r.free, in.place)
	in.place = 0
	if len(r.free) == len(r.seats)-1 {
		go r.epoll.Close() // it waits for the goroutine, which may wait for mu
		r.epoll, r.seats, r.free = nil, nil, nil
	}
}

// open begins. mu is held.
func (r *rest) open() error {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	if err := syscall.SetNonblock(fd, true); err != nil { // so that the runtime waits for it
		_ = syscall.Close(fd)
		return err
	}
	epoll := os.NewFile(uintptr(fd), "epoll")
	raw, err := epoll.SyscallConn()
	if err == nil {
		err = epoll.SetReadDeadline(time.Time{}) // which fails if the runtime cannot wait for it
	}
	if err != nil {
		_ = epoll.Close()
		return err
	}
	r.epoll, r.fd, r.seats = epoll, fd, make([]seat, 1)
	if r.control == nil {
		r.control = func(fd uintptr) { r.failed = syscall.EpollCtl(r.fd, r.op, int(fd), &r.event) }
	}
	go func() {
		events := make([]syscall.EpollEvent, 128)
		_ = raw.Read(func(fd uintptr) bool { // until it is closed
			for {
				n, err := syscall.EpollWait(int(fd), events, 0)
				if err != nil && !errors.Is(err, syscall.EINTR) || err == nil && n == 0 {
					return false
				}
				r.wake(epoll, events[:max(n, 0)])
			}
		})
	}()
	return nil
}

// wake starts the readers of links on which something came.
func (r *rest) wake(epoll *os.File, events []syscall.EpollEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.epoll != epoll {
		return // the events are of those who left
	}
	for i := range events {
		e := &events[i]
		if s := &r.seats[e.Fd]; s.link != nil && s.turn == e.Pad {
			s.link.rise()
		}
	}
}
