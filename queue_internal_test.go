package serpy

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
)

// Tests of what a planted fault once survived: see docs/planted.md.

func TestTheQueueCountsWhatItHolds(t *testing.T) {
	q := newSendQueue(false)
	want := 0
	for n := range 1000 {
		payload := make([]byte, n)
		w := wireMessage{payload: payload, fields: (&protocol.Meta{Tag: uint32(n)}).Append(nil)}
		w.appendTo(&q)
		q.messages++
		want += w.size()
		assert.Equal(t, want, q.bytes)
	}
	pickAll(&q, 1000)
	for unit := range uint64(1000) {
		assert.Equal(t, unit+1, q.resolve(unit+1, 0))
		assert.Equal(t, 999-int(unit), q.messages)
	}
	assert.Zero(t, q.bytes)
	assert.Zero(t, q.groups.len())
}

func TestACutGroupCountsWhatItHolds(t *testing.T) {
	q := newSendQueue(false)
	for range 10 {
		(&wireMessage{payload: []byte("x")}).appendTo(&q)
		q.messages++
	}
	written := uint64(1)
	for _, units := range []uint64{3, 1, 100} {
		g := q.pick(written, units, 1<<20)
		assert.Equal(t, written, g.first)
		assert.Equal(t, written, g.firstID)
		assert.Equal(t, g.count, g.messages)
		written += uint64(g.count)
	}
	for unit := range uint64(10) {
		assert.Equal(t, unit+1, q.resolve(unit+1, 0))
		assert.Equal(t, 9-int(unit), q.messages)
	}
}

// A half confirmed message is sent again from its beginning.
func TestResendKeepsTheFragmentsOfAMessage(t *testing.T) {
	for _, resend := range []bool{true, false} {
		q := newSendQueue(resend)
		w := wireMessage{payload: make([]byte, 3*protocol.FragmentSize), owned: true}
		w.meta.Size = len(w.payload)
		w.fields = w.meta.Append(nil)
		w.appendTo(&q)
		q.messages++
		pickAll(&q, 10)
		assert.Zero(t, q.resolve(2, 0))
		if !resend {
			assert.Equal(t, 1, q.groups.len(), "two are not needed any more")
			continue
		}
		_, redelivered := q.restart(4, 2, true)
		assert.Equal(t, 3, redelivered)
		assert.Equal(t, 3, q.groups.len())
		assert.EqualValues(t, 4, q.next)
		assert.Zero(t, q.unsent)
		assert.Zero(t, q.resolve(2, 0))
		assert.EqualValues(t, 1, q.resolve(3, 0))
		assert.Zero(t, q.groups.len())
	}
}

// pickAll hands all groups to a link that takes so many units of each.
func pickAll(q *sendQueue, units uint64) {
	for more := true; more; {
		more = q.pick(1, units, 1<<30) != nil
	}
}

// requireAlike holds two queues to the same groups and counts.
func requireAlike(t *testing.T, want, got *sendQueue) {
	t.Helper()
	require.Equal(t, want.groups.len(), got.groups.len())
	for i := range want.groups.len() {
		a, b := *want.groups.at(i), *got.groups.at(i)
		require.Equal(t, a.slab.buf[a.start+protocol.HeadSize:a.end], b.slab.buf[b.start+protocol.HeadSize:b.end])
		a.slab, b.slab = nil, nil
		require.Equal(t, a, b)
	}
	require.Equal(t, want.next, got.next)
	require.Equal(t, want.appended, got.appended)
	require.Equal(t, want.bytes, got.bytes)
	require.Equal(t, want.largest, got.largest)
}

// The short way of a message leaves the queue as the long one does.
func TestAddSmallIsAddMessage(t *testing.T) {
	short, long := newSendQueue(false), newSendQueue(false)
	taken := 0
	for i := range 3000 {
		payload := bytes.Repeat([]byte{byte(i)}, i*7919%(protocol.MaxSmall+100)>>(i%14))
		u := protocol.UnitFlags(i % 2)
		flags := protocol.Flags(i % 3)
		if short.addSmall(u, flags, payload) {
			taken++
		} else {
			short.addMessage(u, flags, nil, payload)
		}
		long.addMessage(u, flags, nil, payload)
		if i%500 == 499 { // what is picked is closed
			require.NotNil(t, short.pick(1, 1<<16, 1<<40))
			require.NotNil(t, long.pick(1, 1<<16, 1<<40))
			short.closeLast()
			long.closeLast()
		}
	}
	require.Greater(t, taken, 2500)
	requireAlike(t, &long, &short)
}

// A row of messages leaves the queue as one after another would, and ends where one does
// not fit: into the group, the bounds, or the form.
func TestAddRowIsAddSmall(t *testing.T) {
	row, one := newSendQueue(false), newSendQueue(false)
	var ms []Message
	for i := range 5000 {
		m := Message{Data: bytes.Repeat([]byte{byte(i)}, i*7919%400), Mode: Mode(i / 300 % 2)}
		m.NoCopy = i%3 == 0
		ms = append(ms, m)
	}
	taken := 0
	for i := 0; i < len(ms); {
		n := row.addRow(ms[i:min(len(ms), i+200)], 1<<20, 10_000)
		taken += n
		if n == 0 {
			row.addMessage(ms[i].Mode.Flags(), asked(&ms[i]), nil, ms[i].Data)
			n = 1
		}
		for _, m := range ms[i : i+n] {
			one.addMessage(m.Mode.Flags(), asked(&m), nil, m.Data)
		}
		if i += n; i%5 == 0 { // what is picked is closed
			row.closeLast()
			one.closeLast()
		}
	}
	require.Greater(t, taken, 4800)
	requireAlike(t, &one, &row)

	row.addMessage(0, 0, nil, nil)
	small := []Message{{Data: make([]byte, 100)}, {Data: make([]byte, 100)}, {Data: make([]byte, 101)}, {Tag: 1}}
	require.Equal(t, 3, row.addRow(small, 101, 1000))
	require.Equal(t, 2, row.addRow(small, 100, 1000), "one is too large for the peer")
	require.Equal(t, 1, row.addRow(small, 101, 204), "two do not fit the bytes")
	require.Equal(t, 0, row.addRow(small[3:], 101, 1000), "it is not bare")
	row.closeLast()
	require.Equal(t, 0, row.addRow(small, 101, 1000), "the group was written")
}

func asked(m *Message) (f protocol.Flags) {
	if m.Mode == Acked {
		f = protocol.AckNow
	}
	return f
}

// A group whose body goes on elsewhere may be open still, for more of the same; nothing
// can be put before it.
func TestAddSmallLeavesWhatIsReferredTo(t *testing.T) {
	q := newSendQueue(false)
	g := q.addAlone(0, 0, nil, []byte("elsewhere"), true)
	g.closed = false
	require.False(t, q.addSmall(0, 0, []byte("x")))
	q.addMessage(0, 0, nil, []byte("x"))
	require.Equal(t, 2, q.groups.len())
	require.True(t, q.addSmall(0, 0, []byte("y")))
	require.Equal(t, 2, q.groups.len())
}
