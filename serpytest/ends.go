package serpytest

import (
	"net"
	"syscall"
	"time"
)

// What the two ends of a Direction learn of each other's end.

// finish writes the end of the stream.
func (d *Direction) finish() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.writerClosed {
		return net.ErrClosed
	}
	d.finishLocked(time.Now())
	return nil
}

func (d *Direction) finishLocked(now time.Time) {
	if d.finished || d.vanished {
		return
	}
	d.finished = true
	d.finishedAt = now.Add(d.link.Latency)
	wake(&d.reading)
	wake(&d.writing)
}

// closeWriter closes the writer's end. hard says that it had unread bytes:
// then the reader's end is reset.
func (d *Direction) closeWriter(hard bool) {
	d.mu.Lock()
	d.writerClosed = true
	now := time.Now()
	d.finishLocked(now)
	told := now.Add(d.link.Latency)
	vanished := d.vanished
	wake(&d.writing)
	d.mu.Unlock()
	if hard && !vanished {
		d.resetReader(told, false)
		d.reverse.failWriter(syscall.ECONNRESET, told)
	}
}

// closeReader closes the reader's end and says whether it had unread bytes.
func (d *Direction) closeReader() (unread bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	unread = d.held > 0 && !d.reset
	d.readerClosed = true
	d.drop(0)
	wake(&d.reading) // A writer that waits does so because of unread bytes: it is told of the reset.
	return unread
}

// resetReader tells the reader's end at a time that the connection is reset;
// forced: even where the direction has vanished or is stalled.
func (d *Direction) resetReader(at time.Time, forced bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.resetReaderLocked(at, forced)
}

func (d *Direction) resetReaderLocked(at time.Time, forced bool) {
	if d.vanished && !forced || d.reset && !at.Before(d.resetAt) {
		return
	}
	d.stalled = d.stalled && !forced
	d.reset, d.resetAt = true, at
	wake(&d.reading)
	wake(&d.writing)
}

// failWriter tells the writer's end at a time that it writes in vain.
func (d *Direction) failWriter(err error, at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failWriterLocked(err, at)
}

func (d *Direction) failWriterLocked(err error, at time.Time) {
	if d.writeErr != nil && !at.Before(d.writeErrAt) {
		return
	}
	d.writeErr, d.writeErrAt = err, at
	wake(&d.writing)
}

// orphaned tells the writer, whose bytes found the reader's end closed, of it
// by a reset, a round trip later.
func (d *Direction) orphaned() {
	now := time.Now()
	d.mu.Lock()
	there, vanished := d.link.Latency, d.vanished
	d.mu.Unlock()
	d.reverse.mu.Lock()
	back := d.reverse.link.Latency
	vanished = vanished || d.reverse.vanished
	d.reverse.mu.Unlock()
	if vanished {
		return
	}
	told := now.Add(there + back)
	d.reverse.resetReader(told, false)
	d.failWriter(syscall.EPIPE, told)
}

// spreadCut tells everybody but the reader, who has bytes to read before, of
// a cut of d; abrupt: the reader too. It is one step: no end sees half a cut.
func (d *Direction) spreadCut(abrupt bool) {
	now := time.Now()
	first, second := d, d.reverse
	if !d.first {
		first, second = second, first
	}
	first.mu.Lock()
	defer first.mu.Unlock()
	second.mu.Lock()
	defer second.mu.Unlock()
	if abrupt {
		d.resetReaderLocked(now, true)
	}
	d.failWriterLocked(syscall.ECONNRESET, now)
	d.reverse.resetReaderLocked(now, true)
	d.reverse.failWriterLocked(syscall.ECONNRESET, now)
}

// drop forgets all but the first n bytes that are held.
func (d *Direction) drop(n int) {
	d.held = min(d.held, n)
	d.arrived = min(d.arrived, n)
	d.marks = nil
	if n == 0 {
		d.ring, d.head = nil, 0
	}
}

func (d *Direction) setReadDeadline(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.readDeadline = t
	wake(&d.reading)
}

func (d *Direction) setWriteDeadline(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.writeDeadline = t
	wake(&d.writing)
}
