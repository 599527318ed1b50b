//go:build linux

package integration

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/serpytest"
)

// An account is what the merged journals say of one conversation in one direction,
// or the sum of several.
type account struct {
	accepted, confirmed, unconfirmed int
	received, distinct, redelivered  int // receptions; messages; those flagged
	missing                          int // accepted, and never received
	inGaps                           int // of them, those that a Gap or the sender's receipt named
	undelivered                      int // of them, confirmed to the sender and lost with the receiver's memory
	unsent                           int // of them, lost with the sender's memory
	dropped                          int // by a policy, as the sender counted
	sessionsLost, links              int
	violations                       []string
}

func (a *account) add(b *account) {
	a.accepted += b.accepted
	a.confirmed += b.confirmed
	a.unconfirmed += b.unconfirmed
	a.received += b.received
	a.distinct += b.distinct
	a.redelivered += b.redelivered
	a.missing += b.missing
	a.inGaps += b.inGaps
	a.undelivered += b.undelivered
	a.unsent += b.unsent
	a.dropped += b.dropped
	a.sessionsLost += b.sessionsLost
	a.links += b.links
	a.violations = append(a.violations, b.violations...)
}

func (a *account) String() string {
	return fmt.Sprintf("accepted %d, received %d, confirmed %d, reported unconfirmed %d, redelivered %d, missing %d (reported %d, in the memory of a killed receiver %d, of a killed sender %d), link ups at both ends %d, sessions lost %d, promises broken %d",
		a.accepted, a.distinct, a.confirmed, a.unconfirmed, a.redelivered, a.missing, a.inGaps, a.undelivered, a.unsent, a.links, a.sessionsLost, len(a.violations))
}

// A talk is the facts of one conversation in one direction.
type talk struct {
	convo
	facts         []fact
	senderDied    bool
	receiverDied  bool
	whenProcessed bool
}

// check merges the journals of a pair and holds each conversation to the promises.
// processed says that both sides confirm when processed.
func (w *pair) check(processed bool) *account {
	w.t.Helper()
	var all []fact
	for _, pattern := range []string{"listener-*", "dialler-*", "test"} {
		paths, err := filepath.Glob(filepath.Join(w.dir, pattern))
		require.NoError(w.t, err)
		for _, path := range paths {
			facts, err := readJournal(path)
			require.NoError(w.t, err)
			all = append(all, facts...)
		}
	}
	slices.SortStableFunc(all, func(a, b fact) int { return cmp.Compare(a.at, b.at) })
	talks := make(map[convo]*talk)
	for _, f := range all {
		if f.key == 0 {
			continue
		}
		c := convoOfKey(f.key)
		if talks[c] == nil {
			talks[c] = &talk{convo: c, whenProcessed: processed}
		}
		talks[c].facts = append(talks[c].facts, f)
	}
	var sum account
	for _, k := range talks {
		one := k.check()
		for _, v := range one.violations {
			w.t.Errorf("%v: %s", k.convo, v)
		}
		sum.add(one)
	}
	require.NotZero(w.t, sum.distinct, "nothing was received: the check says nothing")
	w.t.Log(sum.String())
	return &sum
}

// died takes down that a process was killed, for its conversations and those of its
// peer that there were.
func (w *pair) died(side, life, convos, peerLives int) {
	for n := range convos {
		w.own.note(fact{what: senderDied, key: keyOf(convoOf(side, life, n), 0)})
	}
	for l := range peerLives {
		for n := range 2 {
			w.own.note(fact{what: receiverDied, key: keyOf(convoOf(1-side, l, n), 0)})
		}
	}
}

// check holds a conversation to the promises: by serpytest's History, and by an
// account of each single message that is stricter where a process died.
func (k *talk) check() *account {
	var a account
	h := &serpytest.History{WhenProcessed: k.whenProcessed}
	sent := make(map[uint64]*serpytest.Sent)
	var gap *serpytest.Gap
	for _, f := range k.facts {
		switch f.what {
		case sending:
			sent[f.key] = h.Sending(f.key, f.b == 1, sizeAsPayload(f.a, false))
		case accepted:
			sent[f.key].Accepted()
			a.accepted++
		case refusedSend:
			sent[f.key].Refused()
		case confirmed:
			sent[f.key].Confirmed()
			a.confirmed++
		case nacked:
			sent[f.key].Nacked()
		case unconfirmed:
			sent[f.key].Unconfirmed()
			a.unconfirmed++
		case gapFound:
			gap = k.gapOf(f)
		case received:
			h.Received(serpytest.Reception{Key: f.key, Payload: sizeAsPayload(f.a, f.flag(1)), ID: f.id, Redelivered: f.flag(0), Gap: gap})
			gap = nil
			a.received++
			if f.flag(0) {
				a.redelivered++
			}
		case acking:
			h.Acked(f.key)
		case sessionLost:
			h.SessionLost(f.a)
			a.sessionsLost++
		case connected:
			a.links++
		case dropped:
			h.Dropped(f.a)
		case senderDied:
			h.SenderCrashed()
			k.senderDied = true
		case receiverDied:
			h.ReceiverCrashed()
			k.receiverDied = true
		case disconnected, flushed, atEnd, ended:
		}
	}
	for _, v := range h.Check() {
		if !k.early(v) {
			a.violations = append(a.violations, v.Error())
		}
	}
	k.count(&a)
	return &a
}

// gapOf gives the Gap of a fact; nil for one that speaks of an earlier conversation,
// whose peer was lost: the first of a session whose sender is new has no count.
func (k *talk) gapOf(f fact) *serpytest.Gap {
	if f.b>>8 == 0 && f.id == 0 {
		return nil
	}
	return &serpytest.Gap{First: f.id, Last: f.a, Count: f.b >> 8, WithSession: serpy.GapReason(f.b&0xff) == serpy.LostWithSession}
}

// sizeAsPayload stands for a payload of which the receiver has compared each byte.
func sizeAsPayload(size uint64, spoiled bool) []byte { return fmt.Appendf(nil, "%d %v", size, spoiled) }

// outcomes is what a conversation's facts say of each message, by its count.
type outcomes struct {
	last, delivered uint64 // accepted; received
	got, acked      map[uint64]bool
	inGap           map[uint64]bool
	receipt         map[uint64]what
	budget          int // messages of which SessionLost or Stats told the sender, by their number
}

func (k *talk) outcomes(a *account) *outcomes {
	o := &outcomes{got: map[uint64]bool{}, acked: map[uint64]bool{}, inGap: map[uint64]bool{}, receipt: map[uint64]what{}}
	for _, f := range k.facts {
		n := f.key & (1<<48 - 1)
		switch f.what {
		case sending:
			o.acked[n] = f.b == 1
		case accepted:
			o.last = n
		case confirmed, unconfirmed, nacked:
			o.receipt[n] = f.what
		case sessionLost:
			o.budget += int(f.a)
		case dropped:
			o.budget += int(f.a)
			a.dropped += int(f.a)
		case gapFound:
			for id := f.id; id <= f.a && f.b>>8 > 0; id++ {
				o.inGap[id] = true
			}
		case received:
			if f.id != n {
				a.violations = append(a.violations, fmt.Sprintf("message %d has the count %d", n, f.id))
			}
			o.got[n] = true
			o.delivered = max(o.delivered, n)
		case refusedSend, acking, connected, disconnected, flushed, atEnd, ended, senderDied, receiverDied:
		}
	}
	return o
}

// count accounts for each accepted message by its count, which is the n of its key:
// one goroutine sends, so the n-th accepted is number n.
func (k *talk) count(a *account) {
	o := k.outcomes(a)
	a.distinct = len(o.got)
	var silent []uint64 // nobody named them; SessionLost may have counted them
	for n := uint64(1); n <= o.last; n++ {
		if o.acked[n] && o.receipt[n] == 0 && !k.senderDied {
			a.violations = append(a.violations, fmt.Sprintf("the receipt of message %d never resolved", n))
		}
		if o.got[n] {
			continue
		}
		a.missing++
		switch {
		case o.inGap[n] || o.receipt[n] == unconfirmed:
			a.inGaps++
		case k.receiverDied && !k.whenProcessed && o.receipt[n] == confirmed:
			a.undelivered++
		case k.senderDied && o.receipt[n] == 0 && n > o.delivered:
			a.unsent++
		case o.acked[n]:
			a.violations = append(a.violations, fmt.Sprintf("message %d (receipt %d) is missing, and nobody was told", n, o.receipt[n]))
		default:
			silent = append(silent, n)
		}
	}
	counted := min(len(silent), max(0, o.budget-a.inGaps-a.redelivered)) // what was sent again was counted, too
	a.inGaps += counted
	if silent = silent[:len(silent)-counted]; k.receiverDied && !k.whenProcessed {
		a.undelivered += len(silent)
	} else if len(silent) > 0 {
		a.violations = append(a.violations, fmt.Sprintf("%d plain messages, among them %d, are missing, and nobody was told", len(silent), silent[0]))
	}
	if a.undelivered > 4096+1 {
		a.violations = append(a.violations, fmt.Sprintf("%d confirmed messages were lost with the receiver's memory, more than its queue and the application hold", a.undelivered))
	}
}

// early says whether a violation is no more than this: a message came to a process
// that then died, or whose session was lost, before its confirmation reached the
// sender. The Gap that the next session shows counts it as one that may be lost.
func (k *talk) early(v serpytest.Violation) bool {
	if v.Kind != serpytest.LyingGap || len(v.Keys) != 1 {
		return false
	}
	came := int64(0)
	for _, f := range k.facts {
		switch {
		case f.what == received && f.key == v.Keys[0] && came == 0:
			came = f.at
		case f.what == gapFound && came != 0 && serpy.GapReason(f.b&0xff) == serpy.LostWithSession:
			if n := v.Keys[0] & (1<<48 - 1); f.id <= n && n <= f.a {
				return true
			}
		}
	}
	return false
}

// nothingAmiss asks for what both processes' lives promise: all arrived once.
func (a *account) nothingAmiss(t *testing.T) {
	t.Helper()
	require.Zero(t, a.missing)
	require.Zero(t, a.redelivered)
	require.Equal(t, a.accepted, a.distinct)
	require.Equal(t, a.distinct, a.received)
	require.Zero(t, a.unconfirmed)
	require.Zero(t, a.sessionsLost)
}
