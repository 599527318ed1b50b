package session

import (
	"bytes"
	"crypto/subtle"
	"slices"
	"time"

	"github.com/serpy-go/serpy/protocol"
)

// Bounds limit what a Registry holds.
type Bounds struct {
	Sessions   int           // with a link or without
	Parked     int           // without a link
	ParkedMem  int64         // bytes that parked sessions hold
	Tombstones int           // of sessions that ended
	Keep       time.Duration // how long a parked session and a tombstone last
}

// A Registry holds the sessions of a server by ID: it decides which Hello opens,
// resumes or is refused. It is pure, as a Session is; one mutex guards it.
type Registry struct {
	bounds   Bounds
	entries  map[protocol.ID]*entry
	tombs    map[protocol.ID]tombstone
	tombList []protocol.ID // oldest first
	parked   int
	mem      int64
	closed   bool
}

type entry struct {
	secret   protocol.ID
	link     uint64
	identity string
	addr     string
	opening  protocol.ID
	parked   bool
	since    time.Time // when it was parked
	load     Load
}

type tombstone struct {
	secret  protocol.ID
	opening protocol.ID
	refuse  protocol.Refuse
	until   time.Time
}

// A Load is what a parked session holds.
type Load struct {
	Bytes   int64
	Pending bool // something is unconfirmed or undelivered
}

// NewRegistry makes an empty registry.
func NewRegistry(b Bounds) *Registry {
	return &Registry{bounds: b, entries: make(map[protocol.ID]*entry), tombs: make(map[protocol.ID]tombstone)}
}

// An Outcome is what becomes of a Hello.
type Outcome uint8

const (
	// Refused says: answer with Decision.Refuse and end the link.
	Refused Outcome = iota
	// Opened says that a session is new.
	Opened
	// Resumed says that the session is there: join its old link, then ask Current.
	Resumed
)

// A Decision is the answer to a Hello.
type Decision struct {
	Outcome Outcome
	Refuse  protocol.Refuse
	Opening protocol.ID // to be told in our Hello
}

func refuse(code protocol.Code, reason string) Decision {
	return Decision{Refuse: protocol.Refuse{Code: code, Reason: reason}}
}

// Open decides what a Hello is. identity names who the transport says the peer is
// ("" where it does not say), addr where it comes from; opening is drawn by the
// caller, for a session that is opened now: a Hello that was delayed for long must
// not pass for a session that has gone since.
func (r *Registry) Open(now time.Time, h *protocol.Hello, opening protocol.ID, identity, addr string) Decision {
	if h.MinVersion > protocol.Version || h.MaxVersion < protocol.Version {
		return refuse(protocol.CodeWrongVersion, "this side speaks version 1 of the wire")
	}
	if h.Secret.IsZero() || h.Link == 0 {
		return refuse(protocol.CodeProtocol, "a dialler's Hello needs a secret and a link number")
	}
	if e := r.entries[h.Session]; e != nil {
		return r.resume(e, h, identity)
	}
	if t, ok := r.tombs[h.Session]; ok && now.Before(t.until) {
		if same(t.secret, h.Secret) && (h.Seen.IsZero() || h.Seen == t.opening) {
			return Decision{Refuse: t.refuse}
		}
		// It is of another opening; or somebody knows the ID, and must not take
		// the place of its answer.
		return refuse(protocol.CodeUnknown, "no such session here")
	}
	switch {
	case !h.Seen.IsZero():
		// The dialler had this session with a server: it is gone.
		return refuse(protocol.CodeUnknown, "no such session here: the server started anew, or gave it up")
	case r.closed:
		return refuse(protocol.CodeGoingAway, "the server takes no new sessions")
	case len(r.entries) >= r.bounds.Sessions:
		return refuse(protocol.CodeBusy, "too many sessions")
	}
	r.entries[h.Session] = &entry{secret: h.Secret, link: h.Link, identity: identity, addr: addr, opening: opening}
	return Decision{Outcome: Opened, Opening: opening}
}

func same(a, b protocol.ID) bool { return subtle.ConstantTimeCompare(a[:], b[:]) == 1 }

func (r *Registry) resume(e *entry, h *protocol.Hello, identity string) Decision {
	switch {
	case !same(e.secret, h.Secret):
		// As to somebody who made the ID up: nothing is said of the session.
		return refuse(protocol.CodeUnknown, "no such session here")
	case !h.Seen.IsZero() && h.Seen != e.opening:
		return refuse(protocol.CodeUnknown, "the session was opened anew since")
	case e.identity != identity:
		return refuse(protocol.CodeRefused, "the session belongs to another identity")
	case h.Link <= e.link:
		return refuse(protocol.CodeStale, "a newer link of the session came first")
	}
	e.link = h.Link
	if e.parked {
		r.unpark(e)
	}
	return Decision{Outcome: Resumed, Opening: e.opening}
}

// Current reports whether link is still the highest link number of a session: a
// resume asks after it joined the old link, before it states what was received.
func (r *Registry) Current(id protocol.ID, link uint64) bool {
	e := r.entries[id]
	return e != nil && e.link == link
}

// StopAccepting refuses new sessions from now on; those that are there may resume.
func (r *Registry) StopAccepting() { r.closed = true }

// Len is how many sessions there are, and how many of them have no link.
func (r *Registry) Len() (sessions, parked int) { return len(r.entries), r.parked }

// Park says that a session has no link any more, unless link is not its present
// one. It gives the sessions that the bounds push out, maybe this one.
func (r *Registry) Park(now time.Time, id protocol.ID, link uint64, load Load) (evicted []protocol.ID) {
	e := r.entries[id]
	if e == nil || e.link != link || e.parked {
		return nil
	}
	e.parked, e.since, e.load = true, now, load
	r.parked++
	r.mem += load.Bytes
	for r.parked > r.bounds.Parked || r.mem > r.bounds.ParkedMem {
		victim := r.victim()
		if victim.IsZero() {
			break
		}
		r.bury(now, victim, protocol.Refuse{Code: protocol.CodeEvicted, Reason: "the server had to give the session up: too many without a link"})
		evicted = append(evicted, victim)
	}
	return evicted
}

func (r *Registry) unpark(e *entry) {
	e.parked = false
	r.parked--
	r.mem -= e.load.Bytes
}

// victim chooses whom to push out: first who has nothing pending, then of the
// address with most, then the oldest.
func (r *Registry) victim() (id protocol.ID) {
	perAddr := make(map[string]int)
	for _, e := range r.entries {
		if e.parked {
			perAddr[e.addr]++
		}
	}
	var best *entry
	for candidate, e := range r.entries {
		if e.parked && (best == nil || sooner(e, best, perAddr) ||
			!sooner(best, e, perAddr) && bytes.Compare(candidate[:], id[:]) < 0) {
			id, best = candidate, e
		}
	}
	return id
}

func sooner(a, b *entry, perAddr map[string]int) bool {
	if a.load.Pending != b.load.Pending {
		return !a.load.Pending
	}
	if perAddr[a.addr] != perAddr[b.addr] {
		return perAddr[a.addr] > perAddr[b.addr]
	}
	return a.since.Before(b.since)
}

// Remove forgets a session that was evicted or lost.
func (r *Registry) Remove(id protocol.ID) {
	e := r.entries[id]
	if e == nil {
		return
	}
	if e.parked {
		r.unpark(e)
	}
	delete(r.entries, id)
}

// Bury forgets a session that was closed, and keeps for a while how it ended, to
// answer a dialler that comes to resume it.
func (r *Registry) Bury(now time.Time, id protocol.ID, how protocol.Refuse) {
	how.Closed = true
	r.bury(now, id, how)
}

func (r *Registry) bury(now time.Time, id protocol.ID, how protocol.Refuse) {
	e := r.entries[id]
	if e == nil {
		return
	}
	r.Remove(id)
	if _, ok := r.tombs[id]; ok { // it ran out, and the ID was opened anew
		r.tombList = slices.DeleteFunc(r.tombList, func(old protocol.ID) bool { return old == id })
	}
	r.tombs[id] = tombstone{secret: e.secret, opening: e.opening, refuse: how, until: now.Add(r.bounds.Keep)}
	r.tombList = append(r.tombList, id)
	for len(r.tombList) > r.bounds.Tombstones {
		r.dropTomb()
	}
}

func (r *Registry) dropTomb() {
	delete(r.tombs, r.tombList[0])
	r.tombList = r.tombList[1:]
}

// Expire forgets what was kept for long enough and gives the sessions whose time
// ran out.
func (r *Registry) Expire(now time.Time) (lost []protocol.ID) {
	for id, e := range r.entries {
		if e.parked && now.Sub(e.since) >= r.bounds.Keep {
			lost = append(lost, id)
		}
	}
	for _, id := range lost {
		r.Remove(id)
	}
	for len(r.tombList) > 0 && !now.Before(r.tombs[r.tombList[0]].until) {
		r.dropTomb()
	}
	return lost
}

// Deadline is when Expire wants to be called, if at all.
func (r *Registry) Deadline() (t time.Time, ok bool) {
	for _, e := range r.entries {
		if end := e.since.Add(r.bounds.Keep); e.parked && (!ok || end.Before(t)) {
			t, ok = end, true
		}
	}
	if len(r.tombList) > 0 {
		if end := r.tombs[r.tombList[0]].until; !ok || end.Before(t) {
			t, ok = end, true
		}
	}
	return t, ok
}
