package serpytest

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// A fact is one line of a History's Log.
type fact struct {
	At          int64  `json:"at"` // nanoseconds of the wall clock
	What        what   `json:"what"`
	Key         uint64 `json:"key,omitempty"`
	Acked       bool   `json:"acked,omitempty"`
	Size        int    `json:"size,omitempty"`
	Digest      []byte `json:"digest,omitempty"`
	ID          uint64 `json:"id,omitempty"`
	Redelivered bool   `json:"redelivered,omitempty"`
	Gap         *Gap   `json:"gap,omitempty"`
	Messages    uint64 `json:"messages,omitempty"`
}

type what string

const (
	factSending         what = "sending"
	factAccepted        what = "accepted"
	factRefused         what = "refused"
	factConfirmed       what = "confirmed"
	factNacked          what = "nacked"
	factUnconfirmed     what = "unconfirmed"
	factReceived        what = "received"
	factAcked           what = "acked"
	factWasNacked       what = "was nacked"
	factSessionLost     what = "session lost"
	factDropped         what = "dropped"
	factClosed          what = "closed"
	factSenderCrashed   what = "sender crashed"
	factReceiverCrashed what = "receiver crashed"
)

// ReadHistory makes one History of what the Logs of several said, in the order
// of their times: of the sender's program and of the receiver's, and of those that
// came in their place after a crash. The programs share a clock, so they run on one
// machine, and nobody sets it meanwhile. A last line that a killed program did not
// finish is left out. Set WhenProcessed of the result, add what only the test knows
// (a crash, before ReadHistory, in a Log of its own), and call Check.
func ReadHistory(logs ...io.Reader) (*History, error) {
	var all []fact
	for n, log := range logs {
		facts, err := readFacts(log)
		if err != nil {
			return nil, fmt.Errorf("serpytest: log %d: %w", n+1, err)
		}
		all = append(all, facts...)
	}
	slices.SortStableFunc(all, func(a, b fact) int { return cmp.Compare(a.At, b.At) })
	h := &History{}
	for i := range all {
		if err := h.take(&all[i]); err != nil {
			return nil, fmt.Errorf("serpytest: %w", err)
		}
	}
	return h, nil
}

func readFacts(log io.Reader) (facts []fact, err error) {
	r := bufio.NewReader(log)
	for {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return facts, nil // what stands before it has no end
		}
		if err != nil {
			return nil, err
		}
		var f fact
		if err := json.Unmarshal(line, &f); err != nil {
			return nil, fmt.Errorf("line %d: %w", len(facts)+1, err)
		}
		facts = append(facts, f)
	}
}

// note takes a fact down at the present time.
func (h *History) note(f fact) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.take(&f); err != nil {
		panic("serpytest: History." + err.Error())
	}
	if h.Log == nil {
		return
	}
	h.at = max(time.Now().UnixNano(), h.at+1) // so that no two are at once
	f.At = h.at
	line, err := json.Marshal(f)
	if err == nil {
		_, err = h.Log.Write(append(line, '\n'))
	}
	if err != nil {
		panic("serpytest: History.Log: " + err.Error())
	}
}

// take takes a fact over. h.mu is held, or nobody else has h.
func (h *History) take(f *fact) error {
	at := h.tick()
	s := h.sent[f.Key]
	switch f.What {
	case factSending:
		if s != nil {
			return fmt.Errorf("Sending: key %d is used twice", f.Key)
		}
		if h.sent == nil {
			h.sent = make(map[uint64]*Sent)
		}
		h.sent[f.Key] = &Sent{h: h, key: f.Key, acked: f.Acked, content: f.content(), began: at}
	case factReceived:
		h.received = append(h.received, reception{at: at, key: f.Key, content: f.content(), id: f.ID, redelivered: f.Redelivered, gap: f.Gap})
		if s != nil && s.first == 0 {
			s.first, s.id = at, f.ID
		}
	case factAcked, factWasNacked:
		if s != nil && s.firstAck == 0 && s.firstNack == 0 {
			if s.firstAck = at; f.What == factWasNacked {
				s.firstAck, s.firstNack = 0, at
			}
		}
	case factSessionLost:
		h.sessionsLost++
		h.lostBudget += f.Messages
	case factDropped:
		h.dropped += f.Messages
	case factClosed:
		h.closed = true
	case factSenderCrashed:
		h.senderCrash = at
	case factReceiverCrashed:
		h.receiverCrash = at
	default:
		if s == nil {
			return fmt.Errorf("%q of key %d, which was never sent", f.What, f.Key)
		}
		return s.take(f.What, at)
	}
	return nil
}

// take takes over what a send or its receipt said. h.mu is held.
func (s *Sent) take(w what, at int) error {
	switch w {
	case factAccepted:
		s.returned = at
		s.h.accepted = append(s.h.accepted, s)
		s.place = uint64(len(s.h.accepted))
	case factRefused:
		s.returned, s.refused = at, true
		s.h.refused++
	case factConfirmed:
		s.resolve(&s.confirmed, "confirmed", at)
	case factNacked:
		s.resolve(&s.nacked, "refused", at)
	case factUnconfirmed:
		s.resolve(&s.unconfirmed, "unconfirmed", at)
	default:
		return fmt.Errorf("unknown fact %q", w)
	}
	return nil
}

func (s *Sent) resolve(when *int, name string, at int) {
	was := s.resolution()
	if was != "" && was != name {
		s.again = was + ", then " + name
	}
	*when = at
}

// resolution says how the receipt resolved first; empty: it has not.
func (s *Sent) resolution() string {
	switch {
	case s.confirmed != 0:
		return "confirmed"
	case s.nacked != 0:
		return "refused"
	case s.unconfirmed != 0:
		return "unconfirmed"
	}
	return ""
}

func (f *fact) content() (c content) {
	c.size = f.Size
	copy(c.digest[:], f.Digest)
	return c
}
