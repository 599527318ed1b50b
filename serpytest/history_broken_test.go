package serpytest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/serpy-go/serpy/serpytest"
)

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
		"what was lost with a session comes later": {
			func(k *talk) {
				k.plain(1, 4)
				k.got(1)
				k.SessionLost(2)
				k.gap(4, serpytest.Gap{First: 2, Last: 3, Count: 2, WithSession: true})
				k.got(2)
			},
			[]want{
				{serpytest.LyingGap, []uint64{2}, "but 2 came"},
				{serpytest.OutOfOrder, []uint64{2}, "after message 4"},
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
