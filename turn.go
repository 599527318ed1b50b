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
	rests atomic.Bool   // the own reader has the turn, and no goroutine
	away  atomic.Bool   // it has neither
	waits atomic.Bool   // its goroutine waits for call
	leave atomic.Bool   // which has gone on for long

	// Of whoever has the turn.
	woke    bool            // what was read woke somebody
	got     bool            // messages came
	own     bool            // the own reader reads
	calm    uint8           // reads of its that may rest at once, since the link was silent
	short   bool            // the read deadline is that after which it rests
	dry     bool            // the last read took all that there was
	spin    *spinner        // who reads waits for it itself, and looks before it sleeps
	spins   *spinner        // under Options.Spin, since somebody waited
	broken  error           // how the link ended; the own reader sees to it
	watched <-chan struct{} // the context that interrupts
	unwatch func() bool
}

// errInterrupted says that a read ended because its reader has to look up.
var errInterrupted = errors.New("interrupted")

func (t *readTurn) take() bool { return t.taken.CompareAndSwap(false, true) }

// summon calls the own reader.
func (l *link) summon() {
	t := &l.turn
	poke(t.call)
	if t.away.Load() && t.away.CompareAndSwap(true, false) {
		go l.comeBack()
	}
}

// comeBack is the own reader that was away.
func (l *link) comeBack() {
	t := &l.turn
	select {
	case <-t.call:
	default:
	}
	if t.take() || l.awaitTurn() {
		l.read()
	}
}

// awaitTurn has the own reader wait until it is called, and has the turn. false: it is
// away, and the caller is none any more.
func (l *link) awaitTurn() bool {
	t := &l.turn
	for {
		t.waits.Store(true)
		<-t.call
		t.waits.Store(false)
		if t.leave.Swap(false) {
			t.away.Store(true) // first: who gives the turn up now calls
			if t.taken.Load() || !t.away.CompareAndSwap(true, false) {
				return false
			}
		}
		if t.take() {
			return true
		}
	}
}

// callReader brings the link's own reader if nobody reads.
func (l *link) callReader() {
	if !l.turn.taken.Load() {
		l.summon()
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
		l.summon()
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
		if t.waits.Load() { // for one who may read for long
			t.leave.Store(true)
			poke(t.call)
		}
	case !t.used.Swap(false):
		l.summon()
	case t.armed.CompareAndSwap(false, true):
		t.timer.Reset(readerBack)
	}
}

// calmReads is how many reads behind a silence may rest: signs of life of both
// sides and their answers come together.
const calmReads = 2

// errAtRest says that there was nothing to read, and nobody waited for it.
var errAtRest = errors.New("nothing to read")

// restSoon is how long the own reader waits itself for what comes next.
const restSoon = 100 * time.Millisecond

// asOwn says whether the own reader reads: what finds nothing may end then, rather than
// wait, at once or soon.
func (l *link) asOwn(own bool) {
	t := &l.turn
	if t.own = own && l.canRest; l.rawIn != nil {
		l.rawIn.rest = t.own && t.calm > 0
	}
	if !t.own || t.calm > 0 || t.short {
		return
	}
	if now := time.Now(); now.Sub(l.heard)+2*restSoon < l.c.opt.IdleTimeout {
		t.short = true
		_ = l.conn.SetReadDeadline(now.Add(restSoon))
	}
}

// quiet says whether the own reader rests now that its short deadline has passed.
func (l *link) quiet() bool {
	if time.Since(l.heard) < restSoon {
		_ = l.conn.SetReadDeadline(l.heard.Add(restSoon))
		return false
	}
	l.setReadDeadline(l.heard)
	return true
}

// rise starts the own reader if it rests. c.mu may be held.
func (l *link) rise() {
	if l.turn.rests.CompareAndSwap(true, false) {
		go l.read()
	}
}

// lieDown has the own reader rest: it is started again when something comes, when the
// link is cut, and when the idle timeout has passed. false: it has to go on. Otherwise
// another may have started already, and the caller is none any more.
func (l *link) lieDown() bool {
	t, c := &l.turn, l.c
	l.in.forget()
	c.mu.Lock()
	if idle := c.opt.IdleTimeout; idle < off {
		l.lookAt = l.heard.Add(idle).Sub(beginning)
		c.arm(time.Now())
	}
	t.rests.Store(true) // from here on the next may read
	c.mu.Unlock()
	return resting.await(l) || !t.rests.CompareAndSwap(true, false)
}

// attend reads the link while nobody else does, to its end, or until it rests or is away:
// then gone is true, and read goes on some time.
func (l *link) attend() (gone bool, err error) {
	t := &l.turn
	for t.dry = false; t.broken == nil; {
		t.woke = false
		heard := l.heard
		l.asOwn(true)
		err := l.stepOrRest()
		if errors.Is(err, errAtRest) {
			if l.lieDown() {
				return true, nil
			}
			l.canRest = false
			continue
		}
		if err != nil && !errors.Is(err, errInterrupted) {
			return false, err
		}
		if l.heard.Sub(heard) > restSoon/2 { // it would hardly come before the wait is over
			t.calm = calmReads
		} else if t.calm > 0 {
			t.calm--
		}
		if l.shared && t.woke && !l.c.needsReader() { // it may come to read itself
			l.pass()
			if !l.awaitTurn() {
				return true, nil
			}
			t.dry = false
			if t.calm = 0; !l.c.needsReader() { // nobody came for a while
				t.calm = calmReads
			}
		}
	}
	return false, t.broken
}

// stepOrRest is step of the own reader. Where it may rest, it does not look again for what
// was not there a moment ago: the epoll is told of what came meanwhile.
func (l *link) stepOrRest() error {
	if t := &l.turn; t.dry && t.own && t.calm > 0 {
		t.dry = false
		l.in.thaw()
		l.compact()
		l.in.rest()
		return errAtRest
	}
	return l.step()
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
		l.summon()
		return false
	}
	l.asOwn(false)
	l.watch(ctx)
	if c.opt.Spin {
		if t.spins == nil {
			t.spins = &spinner{}
		}
		t.spin = t.spins
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
