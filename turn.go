package serpy

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// readerBack is how long nobody may have read a link before its own reader does
// again. So what comes while the application does not read is seen after twice that
// at most.
const readerBack = 20 * time.Millisecond

// A readTurn says who reads a link: who waits for what it brings, so that nobody
// has to be woken for it, or else the link's own reader. Whoever has the turn owns
// what is the reader's. While nobody has it, a timer runs, or the own reader is
// called: it is never forgotten.
type readTurn struct {
	taken atomic.Bool
	used  atomic.Bool // since the timer was set
	armed atomic.Bool // the timer runs
	stop  atomic.Bool // readers that wait have to look up
	timer *time.Timer
	call  chan struct{} // capacity 1: the own reader is wanted

	// Of whoever has the turn.
	woke    bool     // what was read woke somebody
	got     bool     // messages came
	spin    *spinner // who reads waits for it itself, and looks before it sleeps
	spins   spinner
	broken  error           // how the link ended; the own reader sees to it
	watched <-chan struct{} // the context that interrupts
	unwatch func() bool
}

// errInterrupted says that a read ended because its reader has to look up.
var errInterrupted = errors.New("interrupted")

func (t *readTurn) take() bool { return t.taken.CompareAndSwap(false, true) }

// callReader brings the link's own reader if nobody reads.
func (l *link) callReader() {
	if !l.turn.taken.Load() {
		poke(l.turn.call)
	}
}

// callReader is for those who wait for what the link brings, and cannot read
// themselves. They are in one of the lists of needsReader.
func (c *Connection) callReader() {
	c.mu.Lock()
	l := c.link
	c.mu.Unlock()
	if l != nil {
		l.callReader()
	}
}

// needsReader says whether somebody waits for what the link brings.
func (c *Connection) needsReader() bool {
	if c.rq.sleepers.Load() > 0 {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.confirms) > 0 || len(c.rooms) > 0 || len(c.requests) > 0 || c.closing || c.blobsWait()
}

// pass gives the turn up.
func (l *link) pass() {
	t := &l.turn
	if t.timer == nil {
		t.armed.Store(true) // first: the timer may be faster than we are
		t.timer = time.AfterFunc(readerBack, l.unread)
	}
	broken := t.broken != nil
	t.spin = nil
	t.used.Store(true)
	t.taken.Store(false)
	if broken || l.c.needsReader() {
		poke(t.call)
		return
	}
	if t.armed.CompareAndSwap(false, true) {
		t.timer.Reset(readerBack)
	}
}

// unread is the timer: it calls the link's own reader if nobody came.
func (l *link) unread() {
	t := &l.turn
	t.armed.Store(false)
	switch {
	case t.taken.Load(): // who has it sets the timer again
	case !t.used.Swap(false):
		poke(t.call)
	case t.armed.CompareAndSwap(false, true):
		t.timer.Reset(readerBack)
	}
}

// attend reads the link while nobody else does, to its end.
func (l *link) attend() error {
	t := &l.turn
	for t.broken == nil {
		t.woke = false
		if err := l.step(); err != nil && !errors.Is(err, errInterrupted) {
			return err
		}
		if l.shared && t.woke && !l.c.needsReader() { // it may come to read itself
			l.pass()
			for took := false; !took; took = t.take() {
				<-t.call
			}
		}
	}
	return t.broken
}

// retire ends the turns: the link has ended, and its own reader has the last one.
func (l *link) retire() {
	if l.turn.timer != nil {
		l.turn.timer.Stop()
	}
	if l.turn.unwatch != nil {
		l.turn.unwatch()
	}
}

// readUntil reads the link until the message id is resolved, or, for 0, until one has
// come; or until the link ends, or ctx or something else needs the caller to look up.
// false: somebody else reads, or there is nothing to read, and the caller has to wait.
func (l *link) readUntil(ctx context.Context, id uint64) (read bool) {
	t, c := &l.turn, l.c
	if !l.shared || !t.take() {
		return false
	}
	if t.broken != nil {
		t.taken.Store(false)
		poke(t.call)
		return false
	}
	l.watch(ctx)
	if c.opt.Spin {
		t.spin = &t.spins
	}
	t.got = id == 0 && c.rq.filled()
	for t.broken == nil && !t.got && (id == 0 || id > c.resolved.Load()) && ctx.Err() == nil {
		if err := l.step(); errors.Is(err, errInterrupted) {
			break
		} else if err != nil {
			t.broken = err
		}
		t.got = t.got && id == 0
	}
	l.pass()
	return true
}

// watch makes the end of ctx interrupt the reader. It stays so for whoever reads
// with the same context again.
func (l *link) watch(ctx context.Context) {
	t := &l.turn
	if ctx.Done() == t.watched {
		return
	}
	if t.unwatch != nil {
		t.unwatch()
		t.unwatch = nil
	}
	if t.watched = ctx.Done(); t.watched != nil {
		t.unwatch = context.AfterFunc(ctx, l.lookUp)
	}
}

// lookUp interrupts whoever reads. Who looks up too often reads on.
func (l *link) lookUp() {
	l.turn.stop.Store(true)
	_ = l.conn.SetReadDeadline(time.Unix(1, 0))
}

// lookedUp says whether the reader was interrupted. The deadline was set for that,
// and is given back.
func (l *link) lookedUp() bool {
	if !l.turn.stop.Load() || !l.turn.stop.Swap(false) {
		return false
	}
	l.setReadDeadline(l.heard)
	return true
}
