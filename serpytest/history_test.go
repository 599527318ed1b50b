package serpytest_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
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

// TestHistoryBroken makes every check fire, on the messages that it is about.
func TestHistoryBroken(t *testing.T) {
	type want struct {
		kind serpytest.Kind
		keys []uint64
		text string
	}
	rows := map[string]struct {
		write func(k *talk)
		want  []want
	}{
		"lost at the end": {
			func(k *talk) { k.plain(1, 3); k.acked(4, 4); k.got(1, 2) },
			[]want{{serpytest.Lost, []uint64{3, 4}, "2 were reported to nobody"}},
		},
		"lost among redeliveries": {
			func(k *talk) { k.plain(1, 3); k.got(1); k.SessionLost(1) },
			[]want{{serpytest.Lost, []uint64{2, 3}, "of 2 that never came, 1 were"}},
		},
		"acked ones are not excused by drops": {
			func(k *talk) { k.acked(1, 1); k.Dropped(1) },
			[]want{{serpytest.Lost, []uint64{1}, ""}},
		},
		"lost with a session, and the sender was not told": {
			func(k *talk) {
				k.plain(1, 2)
				k.SessionLost(0)
				k.gap(2, serpytest.Gap{First: 1, Last: 1, Count: 1, WithSession: true})
			},
			[]want{{serpytest.Lost, []uint64{1}, ""}},
		},
		"drops of a gap do not excuse the end": {
			func(k *talk) {
				k.plain(1, 3)
				k.gap(2, serpytest.Gap{First: 1, Last: 1, Count: 1})
			},
			[]want{{serpytest.Lost, []uint64{3}, ""}},
		},
		"lost after the receiver came back": {
			func(k *talk) { k.plain(1, 1); k.ReceiverCrashed(); k.plain(2, 2) },
			[]want{{serpytest.Lost, []uint64{2}, ""}},
		},
		"unprocessed and lost with the receiver": {
			func(k *talk) { k.WhenProcessed = true; k.acked(1, 1); k.got(); k.ReceiverCrashed() },
			[]want{{serpytest.Lost, []uint64{1}, ""}},
		},
		"duplicated": {
			func(k *talk) { k.plain(1, 2); k.got(1, 2, 2) },
			[]want{
				{serpytest.Duplicated, []uint64{2}, "not marked"},
			},
		},
		"duplicated in a new session, unmarked": {
			func(k *talk) { k.plain(1, 2); k.got(1, 2); k.SessionLost(0); k.got(2) },
			[]want{{serpytest.Duplicated, []uint64{2}, "not marked"}},
		},
		"redelivered in one session": {
			func(k *talk) { k.plain(1, 2); k.got(1, 2); k.again(2) },
			[]want{{serpytest.Duplicated, []uint64{2}, "no session was lost"}},
		},
		"marked without a reason": {
			func(k *talk) { k.plain(1, 1); k.again(1) },
			[]want{{serpytest.Mislabelled, []uint64{1}, "redelivered"}},
		},
		"out of order": {
			func(k *talk) {
				k.plain(1, 3)
				for _, key := range []uint64{1, 3, 2} {
					k.Received(serpytest.Reception{Key: key, Payload: payload(key)})
				}
			},
			[]want{{serpytest.OutOfOrder, []uint64{2}, "after message 3"}},
		},
		"out of order by the counts alone": {
			func(k *talk) {
				one, two := k.begin(1, false), k.begin(2, false)
				one.Accepted()
				two.Accepted()
				k.Received(serpytest.Reception{Key: 1, Payload: payload(1), ID: 1})
				k.Received(serpytest.Reception{Key: 2, Payload: payload(2), ID: 1})
			},
			[]want{{serpytest.OutOfOrder, []uint64{2}, "has the count 1, and came after 1"}},
		},
		"goes back more often than sessions were lost": {
			func(k *talk) {
				k.plain(1, 3)
				k.got(1, 2, 3)
				k.SessionLost(0)
				k.again(3, 2)
				k.again(1)
			},
			[]want{{serpytest.OutOfOrder, nil, "goes back 2 times, for 1 lost"}},
		},
		"confirmed and never received": {
			func(k *talk) { k.acked(1, 1); k.sent[1].Confirmed() },
			[]want{
				{serpytest.FalseReceipt, []uint64{1}, "never received"},
				{serpytest.Lost, []uint64{1}, ""},
			},
		},
		"confirmed before it was processed": {
			func(k *talk) { k.WhenProcessed = true; k.acked(1, 1); k.got(1); k.sent[1].Confirmed(); k.Acked(1) },
			[]want{{serpytest.FalseReceipt, []uint64{1}, "before the application"}},
		},
		"confirmed and never processed": {
			func(k *talk) { k.WhenProcessed = true; k.acked(1, 1); k.got(1); k.sent[1].Confirmed() },
			[]want{{serpytest.FalseReceipt, []uint64{1}, "never said"}},
		},
		"confirmed what was refused": {
			func(k *talk) { k.WhenProcessed = true; k.acked(1, 1); k.got(1); k.WasNacked(1); k.sent[1].Confirmed() },
			[]want{{serpytest.FalseReceipt, []uint64{1}, "refused it"}},
		},
		"refused by nobody": {
			func(k *talk) { k.WhenProcessed = true; k.acked(1, 1); k.got(1); k.Acked(1); k.sent[1].Nacked() },
			[]want{{serpytest.FalseReceipt, []uint64{1}, "not by the application"}},
		},
		"refused before the application did": {
			func(k *talk) { k.WhenProcessed = true; k.acked(1, 1); k.got(1); k.sent[1].Nacked(); k.WasNacked(1) },
			[]want{{serpytest.FalseReceipt, []uint64{1}, "not by the application"}},
		},
		"given up by the loss of a link": {
			func(k *talk) { k.acked(1, 1); k.got(1); k.sent[1].Unconfirmed() },
			[]want{{serpytest.FalseReceipt, []uint64{1}, "no session was lost"}},
		},
		"resolved twice": {
			func(k *talk) {
				k.acked(1, 1)
				k.got(1)
				k.SessionLost(1)
				k.sent[1].Unconfirmed()
				k.sent[1].Confirmed()
			},
			[]want{{serpytest.FalseReceipt, []uint64{1}, "unconfirmed, then confirmed"}},
		},
		"a receipt for a plain message": {
			func(k *talk) { k.plain(1, 1); k.got(1); k.sent[1].Confirmed() },
			[]want{{serpytest.FalseReceipt, []uint64{1}, "with receipts"}},
		},
		"a receipt for a refused send": {
			func(k *talk) { k.begin(1, true).Refused(); k.sent[1].Confirmed() },
			[]want{{serpytest.FalseReceipt, []uint64{1}, "with receipts"}},
		},
		"corrupted": {
			func(k *talk) {
				k.plain(1, 2)
				k.got(1)
				k.Received(serpytest.Reception{Key: 2, Payload: []byte("payload 3"), ID: 2})
			},
			[]want{{serpytest.Corrupted, []uint64{2}, "9 bytes"}},
		},
		"never sent": {
			func(k *talk) { k.got(7) },
			[]want{{serpytest.Phantom, []uint64{7}, "never sent"}},
		},
		"its send failed": {
			func(k *talk) { k.begin(1, false).Refused(); k.got(1) },
			[]want{{serpytest.Phantom, []uint64{1}, "failed"}},
		},
		"unreported gap": {
			func(k *talk) { k.plain(1, 4); k.got(1, 4); k.Dropped(2) },
			[]want{{serpytest.UnreportedGap, []uint64{4}, "2 to 3"}},
		},
		"a gap where nothing is missing": {
			func(k *talk) {
				k.plain(1, 2)
				k.got(1)
				k.gap(2, serpytest.Gap{First: 2, Last: 2, Count: 1})
			},
			[]want{
				{serpytest.LyingGap, []uint64{2}, "do not fill the place"},
				{serpytest.LyingGap, []uint64{2}, "but 2 came"},
				{serpytest.LyingGap, nil, "only 0 did not come"},
			},
		},
		"a gap that is too small": {
			func(k *talk) {
				k.plain(1, 4)
				k.got(1)
				k.gap(4, serpytest.Gap{First: 3, Last: 3, Count: 1})
				k.Dropped(2)
			},
			[]want{{serpytest.LyingGap, []uint64{4}, "do not fill the place"}},
		},
		"a gap in the wrong place": {
			func(k *talk) {
				k.plain(1, 4)
				k.got(1, 3)
				k.gap(4, serpytest.Gap{First: 2, Last: 2, Count: 1})
			},
			[]want{
				{serpytest.UnreportedGap, []uint64{3}, "2 to 2"},
				{serpytest.LyingGap, []uint64{4}, "do not fill the place"},
			},
		},
		"a gap that cannot count": {
			func(k *talk) {
				k.plain(1, 4)
				k.got(1)
				k.gap(4, serpytest.Gap{First: 2, Last: 3, Count: 1})
				k.Dropped(2)
			},
			[]want{{serpytest.LyingGap, []uint64{4}, "are not 1"}},
		},
		"a gap over what comes later": {
			func(k *talk) {
				k.plain(1, 3)
				k.gap(3, serpytest.Gap{First: 1, Last: 2, Count: 2})
				k.got(2)
			},
			[]want{
				{serpytest.LyingGap, []uint64{2}, "but 2 came"},
				{serpytest.LyingGap, nil, "only 1 did not come"},
				{serpytest.OutOfOrder, []uint64{2}, "after message 3"},
				{serpytest.OutOfOrder, []uint64{2}, "has the count 2"},
			},
		},
		"an unknown gap in one session": {
			func(k *talk) { k.plain(1, 2); k.got(1); k.gap(2, serpytest.Gap{}) },
			[]want{{serpytest.LyingGap, []uint64{2}, "unknown"}},
		},
		"lost with a session that lives": {
			func(k *talk) {
				k.plain(1, 2)
				k.gap(2, serpytest.Gap{First: 1, Last: 1, Count: 1, WithSession: true})
			},
			[]want{
				{serpytest.LyingGap, []uint64{2}, "no session was lost"},
				{serpytest.Lost, []uint64{1}, ""},
			},
		},
		"an acked message dropped": {
			func(k *talk) {
				k.acked(1, 1)
				k.plain(2, 2)
				k.gap(2, serpytest.Gap{First: 1, Last: 1, Count: 1})
			},
			[]want{{serpytest.LyingGap, []uint64{1}, "waits for a receipt"}},
		},
		"a wrong count": {
			func(k *talk) {
				k.plain(1, 2)
				k.got(1)
				k.Received(serpytest.Reception{Key: 2, Payload: payload(2), ID: 3, Gap: &serpytest.Gap{First: 2, Last: 2, Count: 1}})
			},
			[]want{
				{serpytest.Mislabelled, []uint64{2}, "number 2, but has the count 3"},
				{serpytest.LyingGap, nil, "only 0 did not come"},
			},
		},
		"another count when it comes again": {
			func(k *talk) {
				k.plain(1, 2)
				k.got(1, 2)
				k.SessionLost(0)
				k.Received(serpytest.Reception{Key: 2, Payload: payload(2), ID: 9, Redelivered: true})
			},
			[]want{{serpytest.Mislabelled, []uint64{2}, "count 2, and 9"}},
		},
	}
	fired := make(map[serpytest.Kind]bool)
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			k := &talk{}
			row.write(k)
			found := k.Check()
			assert.Len(t, found, len(row.want), "%v", found)
			for _, w := range row.want {
				fired[w.kind] = true
				assert.True(t, has(found, w.kind, w.keys, w.text), "%v %v %q in %v", w.kind, w.keys, w.text, found)
			}
			assert.Equal(t, found, k.Check(), "looking changes nothing")
		})
	}
	for kind := serpytest.Lost; kind <= serpytest.Mislabelled; kind++ {
		assert.True(t, fired[kind], "%v has a history that fires it", kind)
	}
}

func has(found []serpytest.Violation, kind serpytest.Kind, keys []uint64, text string) bool {
	for _, v := range found {
		if v.Kind == kind && fmt.Sprint(v.Keys) == fmt.Sprint(keys) && strings.Contains(v.Text, text) {
			return true
		}
	}
	return false
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
