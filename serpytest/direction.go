package serpytest

import (
	"io"
	"math"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Direction is one direction of a [Conn]: the bytes from one end to the
// other, and what happens to them on their way. Its methods may be called
// from any goroutine, at any time; a count of bytes is from the connection's beginning.
type Direction struct {
	reverse *Direction    // set once, before use
	first   bool          // of the two; likewise
	turn    chan struct{} // holds a token while a Write is under way, so that two do not mix

	mu   sync.Mutex // a leaf but for a cut, which takes both, that of first before; protects all below
	link Link

	ring    []byte // grown as needed up to link.Buffer
	head    int    // where the oldest byte lies in ring
	held    int    // bytes in ring
	arrived int    // of them those that may be read
	marks   []mark // when the others arrive, oldest first

	written   int64     // bytes that Write took
	lineStart time.Time // the line has been busy since
	lineBytes int64     // and has been given so many bytes

	readDeadline, writeDeadline time.Time
	reading, writing            chan struct{} // closed when a waiting end has to look again; nil: none waits

	stalled, vanished bool
	cutAt             int64 // bytes; negative: none
	abrupt            bool  // the cut loses what is not read
	cut               bool  // cutAt has been reached
	flips             map[int64]byte

	readerClosed, writerClosed bool // by their own ends
	finished                   bool // the end of the stream was written
	finishedAt                 time.Time
	reset                      bool // the reader's end is told at resetAt
	resetAt                    time.Time
	writeErr                   error // the writer's end is told at writeErrAt
	writeErrAt                 time.Time
}

// A mark says when the next n bytes arrive.
type mark struct {
	n  int
	at time.Time
}

func newDirection(link Link) *Direction {
	if link.Buffer <= 0 {
		link.Buffer = DefaultBuffer
	}
	return &Direction{link: link, turn: make(chan struct{}, 1), cutAt: -1}
}

// take is the reader's side: see Conn.Read.
func (d *Direction) take(p []byte) (int, error) {
	for {
		d.mu.Lock()
		n, next, err := d.tryTake(p, time.Now())
		if n > 0 || err != nil || len(p) == 0 {
			d.mu.Unlock()
			return n, err
		}
		d.await(&d.reading, next)
	}
}

// tryTake takes what there is at now. Without an error and a byte it says
// when to try again at the latest; the zero time: when woken.
func (d *Direction) tryTake(p []byte, now time.Time) (n int, next time.Time, err error) {
	switch {
	case d.readerClosed:
		return 0, next, net.ErrClosed
	case passed(d.readDeadline, now):
		return 0, next, os.ErrDeadlineExceeded
	case len(p) == 0:
		return 0, next, nil
	case d.stalled:
		return 0, d.readDeadline, nil
	case d.reset && !now.Before(d.resetAt):
		return 0, next, syscall.ECONNRESET
	}
	next = d.readDeadline
	if d.reset {
		next = sooner(next, d.resetAt)
	}
	d.arrive(now)
	switch {
	case d.arrived > 0:
		return d.pop(p), next, nil
	case len(d.marks) > 0:
		next = sooner(next, d.marks[0].at)
	case d.cut:
		return 0, next, syscall.ECONNRESET
	case d.finished && !now.Before(d.finishedAt):
		return 0, next, io.EOF
	case d.finished:
		next = sooner(next, d.finishedAt)
	}
	return 0, next, nil
}

// arrive counts the bytes that have arrived by now.
func (d *Direction) arrive(now time.Time) {
	for len(d.marks) > 0 && !now.Before(d.marks[0].at) {
		d.arrived += d.marks[0].n
		d.marks = d.marks[1:]
	}
	if len(d.marks) == 0 {
		d.marks = nil
	}
}

// pop moves bytes that have arrived from the ring to p.
func (d *Direction) pop(p []byte) int {
	p = p[:min(len(p), d.arrived)]
	if d.link.OneByte {
		p = p[:1]
	}
	n := copy(p, d.ring[d.head:])
	n += copy(p[n:], d.ring)
	d.head = (d.head + n) % len(d.ring)
	d.held -= n
	d.arrived -= n
	wake(&d.writing)
	return n
}

// put is the writer's side: see Conn.Write.
func (d *Direction) put(p []byte) (int, error) {
	d.turn <- struct{}{}
	defer func() { <-d.turn }()
	total := 0
	for {
		d.mu.Lock()
		n, next, err := d.tryPut(p[total:], time.Now())
		total += n
		switch {
		case err == nil && d.cut:
			abrupt := d.abrupt
			d.mu.Unlock()
			d.spreadCut(abrupt)
			return len(p), nil // A socket takes bytes after the last that arrives as well.
		case err == nil && d.readerClosed && n > 0:
			d.mu.Unlock()
			d.orphaned()
			return total, nil
		case err != nil || total == len(p):
			d.mu.Unlock()
			return total, err
		case n == 0:
			d.await(&d.writing, next)
		default:
			d.mu.Unlock()
		}
	}
}

// tryPut takes as much of p as there is room for at now. Without an error and
// a byte it says when to try again at the latest.
func (d *Direction) tryPut(p []byte, now time.Time) (n int, next time.Time, err error) {
	switch {
	case d.writerClosed:
		return 0, next, net.ErrClosed
	case d.writeErr != nil && !now.Before(d.writeErrAt):
		return 0, next, d.writeErr
	case d.finished:
		return 0, next, syscall.EPIPE
	case passed(d.writeDeadline, now):
		return 0, next, os.ErrDeadlineExceeded
	case d.vanished || d.readerClosed || d.reset:
		d.written += int64(len(p))
		return len(p), next, nil
	}
	n = min(len(p), d.link.Buffer-d.held)
	if d.cutAt >= 0 && d.written+int64(n) >= d.cutAt {
		n = int(max(d.cutAt-d.written, 0))
		d.cut = true
	}
	d.push(p[:n], now)
	if n > 0 || d.cut {
		wake(&d.reading)
	}
	return n, d.writeDeadline, nil
}

// push puts p, which fits, on its way.
func (d *Direction) push(p []byte, now time.Time) {
	if len(p) == 0 {
		return
	}
	d.grow(d.held + len(p))
	tail := (d.head + d.held) % len(d.ring)
	n := copy(d.ring[tail:], p)
	copy(d.ring, p[n:])
	for at, mask := range d.flips {
		if i := at - d.written; i >= 0 && i < int64(len(p)) {
			d.ring[(tail+int(i))%len(d.ring)] ^= mask
			delete(d.flips, at)
		}
	}
	d.held += len(p)
	d.written += int64(len(p))
	d.schedule(len(p), now)
}

// grow makes the ring hold size bytes.
func (d *Direction) grow(size int) {
	if size <= len(d.ring) {
		return
	}
	ring := make([]byte, min(max(size, 2*len(d.ring), 512), d.link.Buffer))
	n := copy(ring[:d.held], d.ring[d.head:])
	copy(ring[n:d.held], d.ring)
	d.ring, d.head = ring, 0
}

// schedule says when the n bytes just written arrive.
func (d *Direction) schedule(n int, now time.Time) {
	if d.link.Bandwidth <= 0 {
		d.mark(n, now.Add(d.link.Latency), now)
		return
	}
	if free := d.lineStart.Add(lineTime(d.lineBytes, d.link.Bandwidth)); d.lineBytes == 0 || free.Before(now) {
		d.lineStart, d.lineBytes = now, 0
	}
	parcel := int(min(max(d.link.Bandwidth/100, 1), 16<<10))
	for n > 0 {
		parcel = min(parcel, n)
		n -= parcel
		d.lineBytes += int64(parcel)
		d.mark(parcel, d.lineStart.Add(lineTime(d.lineBytes, d.link.Bandwidth)+d.link.Latency), now)
	}
}

// mark notes that n more bytes arrive at a time, or later: arrive keeps them
// behind the marks before.
func (d *Direction) mark(n int, at, now time.Time) {
	if len(d.marks) == 0 && !at.After(now) {
		d.arrived += n
		return
	}
	d.marks = append(d.marks, mark{n, at})
}

// lineTime is how long n bytes take at rate bytes a second. It counts from
// the beginning of a busy time, so that no rounding adds up.
func lineTime(n, rate int64) time.Duration {
	whole, rest := n/rate, n%rate
	if rest > math.MaxInt64/int64(time.Second) {
		return time.Duration(whole)*time.Second + time.Duration(float64(rest)/float64(rate)*float64(time.Second))
	}
	return time.Duration(whole)*time.Second + time.Duration(rest)*time.Second/time.Duration(rate)
}

// await waits until the other side wakes this one, or until next. d.mu is
// held at its call, and not when it returns.
func (d *Direction) await(side *chan struct{}, next time.Time) {
	if *side == nil {
		*side = make(chan struct{})
	}
	again := *side
	d.mu.Unlock()
	if next.IsZero() {
		<-again
		return
	}
	timer := time.NewTimer(time.Until(next))
	defer timer.Stop()
	select {
	case <-again:
	case <-timer.C:
	}
}

// wake lets who waits on side look again; Direction.mu is held.
func wake(side *chan struct{}) {
	if *side != nil {
		close(*side)
		*side = nil
	}
}

// passed says whether a deadline is set and over.
func passed(deadline, now time.Time) bool {
	return !deadline.IsZero() && !now.Before(deadline)
}

// sooner returns the earlier of a, unless it is zero, and b.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}
