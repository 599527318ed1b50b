package serpy

import (
	"context"
	"slices"
	"sort"
)

// A Receipt is how an acknowledged message fared: a value of 24 bytes that may be
// copied, kept, or dropped unread. It resolves exactly once: confirmed, refused, or
// given up because the session or the connection ended. The zero Receipt, and one of
// a mode without acknowledgements, is ErrNotAcked at once. Safe from any goroutine.
type Receipt struct {
	c    *Connection
	id   uint64
	mode Mode
	more uint32 // messages right before id that it stands for, too
}

// Wait waits for the confirmation. Nil: received by the peer's process, or, where
// the peer acknowledges when processed, processed by its application. Otherwise a
// NackError, ErrUnconfirmed, or ctx's error: then it may still resolve.
func (r Receipt) Wait(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return opError("wait", err)
	}
	if r.c == nil || !r.mode.IsAcked() {
		return opError("wait", ErrNotAcked)
	}
	return opError("wait", r.wait(ctx))
}

// Poll says whether the receipt is resolved, and how; it never waits.
func (r Receipt) Poll() (resolved bool, err error) {
	if r.c == nil || !r.mode.IsAcked() {
		return true, ErrNotAcked
	}
	if resolved, err = r.outcome(); !resolved {
		r.c.callReader() // for the next time
	} else if err != nil {
		err = opError("receipt", err)
	}
	return resolved, err
}

// Done gives a channel that is closed when the receipt is resolved; Poll then says
// how. Each call costs a channel.
func (r Receipt) Done() <-chan struct{} {
	ch := make(chan struct{})
	if r.c == nil || !r.mode.IsAcked() {
		close(ch)
		return ch
	}
	if !r.c.await(r.id, confirm{id: r.id, ch: ch, once: true}) {
		close(ch)
	}
	r.c.mu.Lock()
	r.c.hurry()
	r.c.callReader()
	return ch
}

// A confirm is somebody who waits for an ID to be resolved.
type confirm struct {
	id   uint64
	ch   chan struct{}
	once bool // close ch rather than send on it
}

func (w *confirm) wake() {
	if w.once {
		close(w.ch)
		return
	}
	poke(w.ch)
}

// wait waits until the message is resolved.
func (r Receipt) wait(ctx context.Context) error {
	if resolved, err := r.outcome(); resolved {
		return err
	}
	if err := r.c.waitResolved(ctx, r.id); err != nil || r.more == 0 {
		return err
	}
	_, err := r.outcome()
	return err
}

// waitResolved waits until an ID is resolved, and says how it fared.
func (c *Connection) waitResolved(ctx context.Context, id uint64) error {
	c.mu.Lock()
	l := c.link
	c.hurry()
	for l != nil && l.readUntil(ctx, id) {
		if resolved, err := c.outcome(id); resolved {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	ch := make(chan struct{}, 1)
	if c.await(id, confirm{id: id, ch: ch}) {
		c.callReader()
		select {
		case <-ch:
		case <-ctx.Done():
			c.mu.Lock()
			c.confirms = slices.DeleteFunc(c.confirms, func(w confirm) bool { return w.ch == ch })
			c.mu.Unlock()
			if resolved, err := c.outcome(id); resolved {
				return err
			}
			return ctx.Err()
		}
	}
	_, err := c.outcome(id)
	return err
}

// await registers one who waits; false: it is resolved already.
func (c *Connection) await(id uint64, w confirm) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || id <= c.resolved.Load() {
		return false
	}
	i := len(c.confirms)
	if i > 0 && c.confirms[i-1].id > id {
		i = sort.Search(i, func(k int) bool { return c.confirms[k].id > id })
	}
	c.confirms = slices.Insert(c.confirms, i, w)
	return true
}

// outcome says how the message fared, or, of a batch, the first that did not arrive.
func (r Receipt) outcome() (resolved bool, err error) {
	resolved, err = r.c.outcome(r.id)
	if !resolved || !r.c.flawed.Load() {
		return resolved, err
	}
	for id := r.id - uint64(r.more); id < r.id && err == nil; id++ {
		_, err = r.c.outcome(id)
	}
	return true, err
}

// outcome says how an ID fared.
func (c *Connection) outcome(id uint64) (resolved bool, err error) {
	if id <= c.resolved.Load() && !c.flawed.Load() {
		return true, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.nacks.outcome(id); err != nil && id <= c.resolved.Load() {
		return true, err
	}
	if id <= c.resolved.Load() {
		return true, nil
	}
	if c.ended {
		return true, unconfirmed(c.endError())
	}
	return false, nil
}

// resolveTo says that all IDs up to id are resolved, and wakes who waited. c.mu is
// held.
func (c *Connection) resolveTo(id uint64) {
	if id <= c.resolved.Load() {
		return
	}
	c.resolved.Store(id)
	n := 0
	for n < len(c.confirms) && c.confirms[n].id <= id {
		c.confirms[n].wake()
		n++
	}
	c.confirms = slices.Delete(c.confirms, 0, n)
}

// A nackMemory remembers the receipts that were resolved otherwise than by an ack:
// refused ones, and those that were lost with a session. Both are bounded; what is
// older than the memory is unconfirmed, never confirmed.
type nackMemory struct {
	reasons map[uint64]string
	order   []uint64
	lost    []lostRange
	horizon uint64 // nothing is known of IDs up to here
	total   uint64
}

type lostRange struct {
	first, last uint64
	err         error
}

const (
	maxNacks      = 64 << 10
	maxLostRanges = 1024
)

// nackMemory gives the memory for a receipt that is resolved otherwise. c.mu is held.
func (c *Connection) nackMemory() *nackMemory {
	if c.nacks == nil {
		c.nacks = &nackMemory{}
	}
	return c.nacks
}

func (n *nackMemory) refuse(id uint64, reason string) (news bool) {
	if _, known := n.reasons[id]; known {
		return false
	}
	if n.reasons == nil {
		n.reasons = make(map[uint64]string)
	}
	n.reasons[id] = reason
	n.order = append(n.order, id)
	n.total++
	if len(n.order) > maxNacks {
		oldest := n.order[0]
		n.order = n.order[1:]
		delete(n.reasons, oldest)
		n.horizon = max(n.horizon, oldest)
	}
	return true
}

// refused says whether an ID was refused, as far as is remembered.
func (n *nackMemory) refused(id uint64) bool {
	if n == nil {
		return false
	}
	_, known := n.reasons[id]
	return known
}

func (n *nackMemory) lose(first, last uint64, err error) {
	n.lost = append(n.lost, lostRange{first, last, err})
	if len(n.lost) > maxLostRanges {
		n.horizon = max(n.horizon, n.lost[0].last)
		n.lost = slices.Delete(n.lost, 0, 1)
	}
}

// lostIn counts the IDs from first to last that were lost, and says why.
func (n *nackMemory) lostIn(first, last uint64) (count int, why error) {
	if n == nil {
		return 0, nil
	}
	for _, l := range n.lost {
		if from, to := max(first, l.first), min(last, l.last); from <= to {
			count += int(to - from + 1) //nolint:gosec // bounded by the queue
			why = l.err
		}
	}
	return count, why
}

func (n *nackMemory) outcome(id uint64) error {
	if n == nil {
		return nil
	}
	if reason, refused := n.reasons[id]; refused {
		return &NackError{Reason: reason}
	}
	// They are few, in no order, and may overlap: a message that is too large now is
	// lost before older ones are lost with their session.
	for _, l := range n.lost {
		if l.first <= id && id <= l.last {
			return unconfirmed(l.err)
		}
	}
	if id <= n.horizon {
		return ErrUnconfirmed
	}
	return nil
}
