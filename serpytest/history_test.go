package serpytest_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/serpytest"
)

// talk writes histories.
type talk struct {
	serpytest.History
	sent map[uint64]*serpytest.Sent
}

func (k *talk) begin(key uint64, acked bool) *serpytest.Sent {
	s := k.Sending(key, acked, payload(key))
	if k.sent == nil {
		k.sent = make(map[uint64]*serpytest.Sent)
	}
	k.sent[key] = s
	return s
}

func payload(key uint64) []byte { return fmt.Append(nil, "payload ", key) }

// plain and acked send accepted messages with the keys from first to last.
func (k *talk) plain(first, last uint64) { k.accept(first, last, false) }
func (k *talk) acked(first, last uint64) { k.accept(first, last, true) }

func (k *talk) accept(first, last uint64, acked bool) {
	for key := first; key <= last; key++ {
		k.begin(key, acked).Accepted()
	}
}

// got receives messages whose counts are their keys.
func (k *talk) got(keys ...uint64) {
	for _, key := range keys {
		k.Received(serpytest.Reception{Key: key, Payload: payload(key), ID: key})
	}
}

// again receives them marked as redelivered.
func (k *talk) again(keys ...uint64) {
	for _, key := range keys {
		k.Received(serpytest.Reception{Key: key, Payload: payload(key), ID: key, Redelivered: true})
	}
}

// gap receives a message behind a gap.
func (k *talk) gap(key uint64, g serpytest.Gap) {
	k.Received(serpytest.Reception{Key: key, Payload: payload(key), ID: key, Gap: &g})
}

// TestHistoryKept holds the checker to keep quiet where promises are kept.
func TestHistoryKept(t *testing.T) {
	rows := map[string]func(k *talk){
		"nothing":            func(*talk) {},
		"all came":           func(k *talk) { k.plain(1, 5); k.got(1, 2, 3, 4, 5) },
		"came before nil":    func(k *talk) { s := k.begin(1, false); k.got(1); s.Accepted() },
		"confirmed":          func(k *talk) { k.acked(1, 1); k.sent[1].Confirmed(); k.got(1) },
		"refused by a queue": func(k *talk) { k.begin(9, false).Refused(); k.plain(1, 2); k.got(1, 2) },
		"open and came":      func(k *talk) { k.begin(1, true); k.plain(2, 2); k.got(1, 2) },
		"open and did not":   func(k *talk) { k.begin(9, true); k.plain(1, 2); k.got(1, 2) },
		"dropped": func(k *talk) {
			k.plain(1, 9)
			k.got(1)
			k.gap(5, serpytest.Gap{First: 2, Last: 4, Count: 3})
			k.gap(7, serpytest.Gap{First: 6, Last: 6, Count: 1})
			k.Dropped(6) // Those of the gaps, and the last two.
		},
		"dropped in the order of nobody": func(k *talk) {
			one, two := k.begin(1, false), k.begin(2, false)
			two.Accepted()
			one.Accepted()
			k.Received(serpytest.Reception{Key: 2, Payload: payload(2), ID: 2, Gap: &serpytest.Gap{First: 1, Last: 1, Count: 1}})
		},
		"two at once may change places": func(k *talk) {
			one, two := k.begin(1, false), k.begin(2, false)
			one.Accepted()
			two.Accepted()
			k.Received(serpytest.Reception{Key: 2, Payload: payload(2), ID: 1})
			k.Received(serpytest.Reception{Key: 1, Payload: payload(1), ID: 2})
		},
		"session lost, reported": func(k *talk) {
			k.acked(1, 4)
			k.sent[1].Confirmed()
			k.got(1)
			k.SessionLost(2)
			k.sent[2].Unconfirmed()
			k.sent[3].Unconfirmed()
			k.gap(4, serpytest.Gap{First: 2, Last: 3, Count: 2, WithSession: true})
			k.sent[4].Confirmed()
		},
		"session lost, reported, and all had come": func(k *talk) {
			k.acked(1, 4)
			k.sent[1].Confirmed()
			k.got(1, 2, 3)
			k.SessionLost(2)
			k.sent[2].Unconfirmed()
			k.sent[3].Unconfirmed()
			k.gap(4, serpytest.Gap{First: 2, Last: 3, Count: 2, WithSession: true})
			k.sent[4].Confirmed()
		},
		"session lost, reported, and one had come": func(k *talk) {
			k.plain(1, 5)
			k.got(1, 2)
			k.SessionLost(3)
			k.gap(5, serpytest.Gap{First: 2, Last: 4, Count: 3, WithSession: true})
		},
		"session lost, sent again": func(k *talk) {
			k.plain(1, 4)
			k.got(1, 2)
			k.SessionLost(0)
			k.again(1, 2, 3)
			k.SessionLost(0)
			k.again(2, 3)
			k.got(4)
		},
		"closed with messages unconfirmed": func(k *talk) {
			k.acked(1, 1)
			k.Closed()
			k.sent[1].Unconfirmed()
		},
		"the receiver died": func(k *talk) {
			k.acked(1, 3)
			k.sent[1].Confirmed()
			k.ReceiverCrashed()
			k.gap(3, serpytest.Gap{})
		},
		"the sender died": func(k *talk) {
			k.plain(1, 3)
			k.got(1)
			k.SenderCrashed()
		},
		"processed": func(k *talk) {
			k.WhenProcessed = true
			k.acked(1, 2)
			k.got(1, 2)
			k.WasNacked(2)
			k.Acked(2) // The first counts.
			k.Acked(1)
			k.sent[1].Confirmed()
			k.sent[2].Nacked()
		},
		"processed and confirmed twice alike": func(k *talk) {
			k.WhenProcessed = true
			k.acked(1, 1)
			k.got(1)
			k.Acked(1)
			k.sent[1].Confirmed()
			k.sent[1].Confirmed()
		},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			k := &talk{}
			row(k)
			assert.Empty(t, k.Check())
			k.Verify(t)
		})
	}
}

// TestHistorySingleFaults breaks a large good history in one place, by
// chance: each time the checker names the message.
func TestHistorySingleFaults(t *testing.T) {
	const n = 200
	r := rand.New(rand.NewPCG(5, 6))
	for round := range 200 {
		k := &talk{}
		k.plain(1, n)
		at := 2 + r.Uint64N(n-2)          // Neither the first nor the last.
		kind := serpytest.Kind(round % 3) // Lost, Duplicated, OutOfOrder.
		for key := uint64(1); key <= n; key++ {
			switch {
			case key != at:
				k.got(key)
			case kind == serpytest.Duplicated:
				k.got(key, key)
			case kind == serpytest.OutOfOrder:
				k.got(key+1, key)
			}
			if key == at && kind == serpytest.OutOfOrder {
				key++
			}
		}
		found := k.Check()
		require.True(t, has(found, kind, []uint64{at}, ""), "%d: %v", at, found)
		if kind == serpytest.Lost {
			require.True(t, has(found, serpytest.UnreportedGap, []uint64{at + 1}, ""), "%d: %v", at, found)
		}
	}
}

func TestHistoryText(t *testing.T) {
	v := serpytest.Violation{Kind: serpytest.Lost, Text: "gone", Keys: []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}}
	require.EqualError(t, v, "lost: message 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, and 2 more: gone")
	v.Keys = nil
	require.EqualError(t, v, "lost: gone")
	require.Equal(t, "Kind(200)", serpytest.Kind(200).String())

	var h serpytest.History
	h.Sending(1, false, nil)
	require.PanicsWithValue(t, "serpytest: History.Sending: key 1 is used twice", func() { h.Sending(1, false, nil) })
}

// TestHistoryVerify counts what a test that breaks promises is told.
func TestHistoryVerify(t *testing.T) {
	k := &talk{}
	for key := range uint64(50) {
		k.got(key + 1)
	}
	told := &recorder{TB: t}
	k.Verify(told)
	require.Len(t, told.lines, 21)
	require.Equal(t, "phantom: message 1: was never sent", told.lines[0])
	require.Equal(t, "and 30 more", told.lines[20])
}

// recorder stands for a test that may fail.
type recorder struct {
	testing.TB
	lines []string
}

func (r *recorder) Error(args ...any) { r.lines = append(r.lines, fmt.Sprint(args...)) }
func (r *recorder) Errorf(format string, args ...any) {
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

// TestHistoryConcurrent is for the race detector: many senders, one receiver.
func TestHistoryConcurrent(t *testing.T) {
	var h serpytest.History
	queue := make(chan uint64, 64)
	var wg sync.WaitGroup
	for sender := range uint64(4) {
		wg.Go(func() {
			for i := range uint64(500) {
				key := sender*1000 + i
				s := h.Sending(key, true, payload(key))
				queue <- key
				s.Accepted()
				s.Confirmed()
			}
		})
	}
	for id := range uint64(2000) {
		key := <-queue
		h.Received(serpytest.Reception{Key: key, Payload: payload(key), ID: id + 1})
	}
	wg.Wait()
	h.Verify(t)
}
