package sim

// What became of a message, as the oracle saw it.
const (
	queued    = 1 << iota // whole in the receiver's queue
	acked                 // the application was done with it
	refused               // the application refused it
	confirmed             // its receipt said success
	told                  // its receipt said refused
	reported              // its sender was told that it may be lost
)

// A stream is what one application sends to another, over as many sessions as it
// takes. Messages are numbered from 0.
type stream struct {
	id     int
	salt   uint32
	status []uint8
	last   int // the highest that was queued; -1: none
}

func (t *stream) next() int { return len(t.status) }

func (t *stream) resolved(n int) bool { return t.status[n]&(confirmed|told|reported) != 0 }

func (t *stream) hash(n int) uint32 {
	h := (uint32(n)+t.salt)*2654435761 + 0x9e3779b9
	h ^= h >> 15
	h *= 2246822519
	return h ^ h>>13
}

// units is how many units a message has; most have one.
func (t *stream) units(n int) int {
	if h := t.hash(n); h%8 == 0 {
		return 1 + int(h>>8%maxUnits)
	}
	return 1
}

// padding is how many bytes a unit has beside its label.
func (t *stream) padding(w *world, n int) int {
	h := t.hash(n) >> 16
	if h%16 == 0 {
		return int(h>>4) % (w.largest + 1)
	}
	return int(h) % (min(w.largest, 24) + 1)
}

// refuses says what the application will do with a message.
func (t *stream) refuses(n int) bool { return t.hash(n)>>5%6 == 0 }

// report says that the sender was told that messages may be lost.
func (t *stream) report(from, to int) {
	for n := from; n < to; n++ {
		if !t.resolved(n) {
			t.status[n] |= reported
		}
	}
}

// enqueue is a whole message that enters the receiver's queue.
func (t *stream) enqueue(w *world, p *peer, n int, redelivered bool) {
	st := &t.status[n]
	if *st&queued != 0 && !redelivered {
		w.fail("message %d of stream %d is received twice", n, t.id)
	}
	if n <= p.lastIn {
		w.fail("message %d of stream %d comes after %d", n, t.id, p.lastIn)
	}
	if n < t.last && !redelivered {
		w.fail("message %d of stream %d comes after %d, in a new session", n, t.id, t.last)
	}
	for k := n - 1; k > p.lastIn && (k > t.last || p.lastIn >= 0); k-- {
		if !t.resolved(k) {
			w.fail("message %d of stream %d is skipped without a word, at %d", k, t.id, n)
		}
	}
	if base := p.s.PeerBase(); base+uint64(p.messages) != uint64(n) {
		w.fail("message %d of stream %d is counted as %d", n, t.id, base+uint64(p.messages))
	}
	*st |= queued
	p.lastIn, t.last = n, max(t.last, n)
	p.messages++
}

// confirm is a receipt that resolves.
func (t *stream) confirm(w *world, n int, processed bool) {
	st := &t.status[n]
	switch {
	case t.resolved(n) && *st&told == 0:
		w.fail("the receipt of message %d of stream %d resolves again", n, t.id)
	case *st&queued == 0:
		w.fail("false receipt: message %d of stream %d was never received", n, t.id)
	case *st&told != 0 && *st&refused == 0:
		w.fail("message %d of stream %d was not refused", n, t.id)
	case *st&told != 0:
		return
	case processed && *st&acked == 0:
		w.fail("false receipt: message %d of stream %d was not processed (refused %v)", n, t.id, *st&refused != 0)
	}
	*st |= confirmed
}
