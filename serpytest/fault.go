package serpytest

import "time"

// Bytes returns how many bytes the writer's end has written.
func (d *Direction) Bytes() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.written
}

// CutAfter cuts the connection as soon as n bytes have been written in this
// direction: at once where it is so already. The reader reads
// all of them, or all that were written before, and then an error that is syscall.ECONNRESET. The Write that crosses
// the place returns as if all were well, as a socket's does; every later call
// of the writer, and every Write of the reader, says syscall.ECONNRESET. What is under way
// in the other direction is lost. A negative n: no cut.
func (d *Direction) CutAfter(n int64) { d.setCut(n, false) }

func (d *Direction) setCut(n int64, abrupt bool) {
	d.mu.Lock()
	if d.cut {
		d.mu.Unlock()
		return
	}
	d.cutAt, d.abrupt = n, abrupt
	d.cut = n >= 0 && d.written >= n
	now := d.cut
	if now {
		wake(&d.reading)
	}
	d.mu.Unlock()
	if now {
		d.spreadCut(abrupt)
	}
}

// Corrupt flips the bits of mask (0: all) in the byte with offset n, from 0,
// when it is written; each call adds a place. A byte that was written already
// stays as it is.
func (d *Direction) Corrupt(n int64, mask byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if mask == 0 {
		mask = 0xff
	}
	if d.flips == nil {
		d.flips = make(map[int64]byte)
	}
	d.flips[n] = mask
}

// Stall stops the direction: no byte moves, no end of the stream, and no reset
// by the peer, until Resume. The writer goes on until the buffer is full.
// Conn.Cut ends a Stall as well.
func (d *Direction) Stall() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stalled = true
}

// Resume ends Stall; what waited arrives at once.
func (d *Direction) Resume() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stalled = false
	wake(&d.reading)
}

// Vanish makes the direction silent for good: bytes that are under way or
// written from now on are lost without a word, and so are the end of the stream
// and resets. The writer never learns of it; the reader waits for ever. Both directions so make
// the half-open connection that a peer leaves that lost its power.
// Only Conn.Cut is still heard of.
func (d *Direction) Vanish() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.vanished = true
	d.arrive(time.Now())
	d.drop(d.arrived)
	wake(&d.writing)
}

// SetLatency changes the time that bytes are under way. Bytes never overtake
// others; those that are under way arrive as they would have.
func (d *Direction) SetLatency(latency time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.link.Latency = latency
}

// SetBandwidth changes the bytes a second for what is written from now on;
// 0: no bound.
func (d *Direction) SetBandwidth(n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.link.Bandwidth = n
	d.lineBytes = 0
}

// SetOneByte makes each Read return one byte, or no longer.
func (d *Direction) SetOneByte(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.link.OneByte = on
}
