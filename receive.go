package serpy

import (
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/serpy-go/serpy/internal/session"
	"github.com/serpy-go/serpy/protocol"
)

// An era is the time of one session, as the receive queue sees it.
type era struct {
	epoch       uint32
	begun       bool   // what follows is known: the peer said Hello
	baseID      uint64 // of messages before the first unit
	redelivered uint64 // units at the start that may have been processed before
	lost        bool   // an earlier session ended: messages may be missing
	acks        bool   // under OnProcessed: Taken frees nothing
}

// A region is a run of units that was received and not yet taken apart.
type region struct {
	run   []byte
	first uint64
	count int
	chunk *chunk
	era   *era
}

// freed is what the application took, to be told to the session.
type freed struct {
	era          *era
	unit         uint64
	units, bytes uint64
	processed    [][2]uint64 // runs of units that nobody has to acknowledge: first and last
}

// A receiveQueue holds what was received until the application takes it. Regions
// go in, messages come out; the Limit bounds both. Its mutex is a leaf.
type receiveQueue struct {
	mu                 sync.Mutex
	regions            ring[region]
	wake               chan struct{} // capacity 1: look again
	ahead              atomic.Pointer[ahead]
	sleepers           atomic.Int32 // how many wait for wake, less one that it will wake
	whole              bool         // the wire is a foreign one: units of any size, and no numbers
	vague              bool         // nobody knows how many gap is
	ended              bool         // the peer said that no message follows
	limit              int          // MaxMessage, or FragmentSize if that is more
	maxUnits, maxBytes uint64       // the room

	now    *era    // of the unit that comes next
	unit   uint64  // taken last
	id     uint64  // of the message taken last
	gap    *Gap    // before the next message
	making *making // nil: none
	fault  error   // the peer's units are malformed: nothing more can be taken

	waiting      int    // units in regions
	waitingBytes int    // and their bytes
	free         freed  // not told yet
	tellUnits    uint64 // tell when so much is freed
	tellBytes    uint64
	delivered    uint64
	gaps         [gapReasons]uint64
	lent         []loan
	halfAt       moment // when it was last seen to be at most half full
	events       []MessageGap
}

// A loan is memory that ReceiveBatch lent.
type loan struct {
	chunk *chunk
	n     int
}

func (q *receiveQueue) init(maxMessage int, units, bytes uint64) {
	q.wake = make(chan struct{}, 1)
	q.limit = maxMessage
	q.maxUnits, q.maxBytes = units, bytes
	q.limit = max(maxMessage, protocol.FragmentSize)
	q.tellUnits, q.tellBytes = max(1, min(units/8, 4096)), max(1, min(bytes/8, 256<<10))
}

// A level says how full the receive queue is, for the event SlowReader.
type level struct {
	units, bytes int
	full, half   bool   // as full as the Limit allows; at most half
	since        moment // it was at most half
}

// put queues regions; it gives what replies at the front free at once.
func (q *receiveQueue) put(now time.Time, regions []region, replies bool) (f freed, tell bool, l level) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.fault != nil {
		return f, false, l // nobody takes them
	}
	q.settle()
	for _, r := range regions {
		r.chunk.hold(r.count)
		q.regions.push(r)
		q.waiting += r.count
		q.waitingBytes += len(r.run)
	}
	if replies && q.ahead.Load() == nil { // it stands before them
		q.skipReplies()
		f, tell = q.tell(true)
	}
	units, bytes := uint64(q.waiting), uint64(q.waitingBytes) //nolint:gosec // not negative
	l = level{units: q.waiting, bytes: q.waitingBytes, since: q.halfAt}
	l.full = units >= q.maxUnits || bytes+protocol.MaxBody >= q.maxBytes
	if l.half = units <= q.maxUnits/2 && bytes <= q.maxBytes/2; l.half {
		q.halfAt = momentOf(now)
	}
	return f, tell, l
}

// discard lets go of what nobody will take: who keeps the connection, as the events
// of a server do for a while, must not keep its messages.
func (q *receiveQueue) discard() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.retract()
	for q.regions.len() > 0 {
		r := q.regions.at(0)
		r.chunk.release(r.count)
		q.regions.pop()
	}
	q.regions = ring[region]{}
	q.forgetMaking()
	q.waiting, q.waitingBytes = 0, 0
}

// compact moves the runs that wait in a chunk, of which they are a small part, into
// memory of their own: a peer that sends a few bytes a chunk must not hold more than
// the bounds say.
func (q *receiveQueue) compact(k *chunk) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.retract()
	n := q.regions.len()
	from, total := n, 0
	for from > 0 && q.regions.at(from-1).chunk == k {
		from--
		total += len(q.regions.at(from).run)
	}
	if from == n {
		return
	}
	own := &chunk{buf: make([]byte, 0, total)}
	for i := from; i < n; i++ {
		r := q.regions.at(i)
		start := len(own.buf)
		own.buf = append(own.buf, r.run...)
		r.run, r.chunk = own.buf[start:len(own.buf):len(own.buf)], own
		own.hold(r.count)
		k.release(r.count)
	}
}

// size is what waits.
func (q *receiveQueue) size() (units, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.settle()
	return q.waiting, q.waitingBytes
}

// signal says "look again" to one who waits.
func (q *receiveQueue) signal() {
	select {
	case q.wake <- struct{}{}:
		q.sleepers.Add(-1)
	default:
	}
}

// filled says whether something waits.
func (q *receiveQueue) filled() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.regions.len() > 0
}

// nothing says that there is nothing to take, nor to tell, nor how the stream ended.
func (q *receiveQueue) nothing() bool {
	return q.regions.len() == 0 && q.fault == nil && !q.ended && q.free.unit == 0 && len(q.events) == 0
}

// take cuts the next message. ok is false if there is none; err is io.EOF behind
// the peer's last message.
func (q *receiveQueue) take(m *Message) (ok bool, err error) {
	q.retract()
	for {
		if q.fault != nil {
			return false, q.fault
		}
		r, u, wire := q.nextUnit()
		if r == nil {
			switch {
			case q.fault != nil:
				return false, q.fault
			case q.ended:
				return false, io.EOF
			}
			return false, nil
		}
		chunk, e := r.chunk, r.era
		q.popEmpty()
		if q.unitTaken(m, &u, chunk, e, wire) {
			return true, nil
		}
	}
}

// plain says whether the next message may be like nearly all, see takePlain.
func (q *receiveQueue) plain() bool {
	if q.regions.len() == 0 {
		return false
	}
	r := q.regions.at(0)
	return r.count > 1 && r.era == q.now && !r.era.acks && q.fault == nil && q.gap == nil && q.making == nil && !q.whole &&
		!q.ended && q.free.units < q.tellUnits && q.free.bytes < q.tellBytes
}

// takePlain cuts the next message into m, which is zero, if it is like nearly all: a
// unit of its own without metadata, in the middle of a group, and nothing else is to be
// done. For all others see take.
func (q *receiveQueue) takePlain(m *Message) bool {
	if !q.plain() {
		return false
	}
	r := q.regions.at(0)
	e := r.era
	payload, rest, acked, ok := protocol.NextPlain(r.run)
	if !ok {
		return false
	}
	wire := len(r.run) - len(rest)
	m.Data, m.chunk, m.epoch = payload, r.chunk, e.epoch
	m.unit, m.wire = r.first, uint32(wire) //nolint:gosec // of a group
	q.id++
	m.ID = q.id
	if acked {
		m.Mode = Acked
	}
	m.Redelivered = r.first <= e.redelivered
	q.unit, q.free.unit = r.first, r.first
	r.run = rest
	r.first++
	r.count--
	q.waiting--
	q.waitingBytes -= wire
	q.free.units++
	q.free.bytes += uint64(wire) //nolint:gosec // not negative
	q.delivered++
	return true
}

// nextUnit takes a unit from the front, and says how long it was on the wire.
func (q *receiveQueue) nextUnit() (r *region, u protocol.Unit, wire uint64) {
	if q.regions.len() == 0 {
		return nil, u, 0
	}
	r = q.regions.at(0)
	if r.era != q.now {
		q.enter(r.era)
	}
	before := len(r.run)
	next := protocol.NextUnit
	if q.whole {
		next = protocol.NextWhole
	}
	u, rest, err := next(r.run)
	if err == nil && (r.count == 1) != (len(rest) == 0) {
		err = protocol.Errorf("3.1", "a group has another count of units than it says")
	}
	if err != nil {
		q.fault = err
		return nil, u, 0
	}
	r.run = rest
	r.count--
	q.unit = r.first
	r.first++
	q.waiting--
	wire = uint64(before - len(rest)) //nolint:gosec // not negative
	q.waitingBytes -= before - len(rest)
	return r, u, wire
}

func (q *receiveQueue) popEmpty() {
	if q.regions.at(0).count == 0 {
		q.regions.pop()
	}
}

// enter begins the units of another session.
func (q *receiveQueue) enter(e *era) {
	q.now, q.id = e, e.baseID
	q.forgetMaking()
	q.free = freed{era: e}
	q.ended = false
	if e.lost {
		q.addGap(Gap{Reason: LostWithSession})
	}
}

func (q *receiveQueue) fail(section, reason string) { q.fault = protocol.Errorf(section, "%s", reason) }

// done frees what no application has to acknowledge.
func (q *receiveQueue) done(first, last, wire uint64) {
	f := &q.free
	f.unit = last
	f.units++
	f.bytes += wire
	if !q.now.acks {
		return
	}
	if n := len(f.processed); n > 0 && f.processed[n-1][1]+1 == first {
		f.processed[n-1][1] = last
		return
	}
	f.processed = append(f.processed, [2]uint64{first, last})
}

// tell gives what was freed and not told, if it is enough to be worth it or if
// nothing waits any more.
func (q *receiveQueue) tell(now bool) (f freed, ok bool) {
	f = q.free
	if f.era == nil || f.unit == 0 {
		return f, false
	}
	if !now && q.regions.len() > 0 && f.units < q.tellUnits && f.bytes < q.tellBytes {
		return f, false
	}
	q.free = freed{era: f.era}
	return f, true
}

// giveBack returns what ReceiveBatch lent.
func (q *receiveQueue) giveBack() {
	for i, l := range q.lent {
		l.chunk.release(l.n)
		q.lent[i].chunk = nil
	}
	q.lent = q.lent[:0]
}

func (q *receiveQueue) lend(k *chunk) {
	if k == nil {
		return
	}
	if n := len(q.lent); n > 0 && q.lent[n-1].chunk == k {
		q.lent[n-1].n++
		return
	}
	q.lent = append(q.lent, loan{k, 1})
}

// window is the room that a receive queue of these bounds announces.
func window(o *Options) (units, bytes uint64) {
	return uint64(o.ReceiveQueue.Messages), session.Window(o.ReceiveQueue.Bytes, max(o.MaxMessage, protocol.FragmentSize)) //nolint:gosec // checked
}
