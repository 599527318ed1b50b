package serpy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
)

// payloads are those of all units of a queue, in order.
func payloads(t *testing.T, q *sendQueue) (all []string) {
	t.Helper()
	for i := range q.groups.len() {
		g := q.groups.at(i)
		rest, n := g.units(), 0
		require.Len(t, rest, g.bytes())
		for ; len(rest) > 0; n++ {
			u, after, err := protocol.NextUnit(rest)
			require.NoError(t, err)
			all, rest = append(all, string(u.Payload)), after
		}
		require.Equal(t, g.count, n)
		require.Equal(t, g.messages, n)
	}
	return all
}

func castOf(t *testing.T, m *castMemory, data string) *wireMessage {
	t.Helper()
	w := &wireMessage{}
	require.NoError(t, w.encode(&Message{Data: []byte(data)}))
	m.add(w)
	require.Equal(t, data, string(w.payload))
	return w
}

// What goes to two peers stands once, and groups grow over it as long as one message
// follows the other; each has its own groups, which are cut and numbered apart.
func TestPeersShareWhatIsCast(t *testing.T) {
	var m castMemory
	a, b := newSendQueue(false), newSendQueue(false)
	var want []string
	for i := range 40 {
		w := castOf(t, &m, fmt.Sprint("message ", i))
		w.appendTo(&a)
		w.appendTo(&b)
		want = append(want, fmt.Sprint("message ", i))
	}
	require.Equal(t, 1, a.groups.len())
	require.Same(t, &a.groups.at(0).ref[0], &b.groups.at(0).ref[0])

	missed := castOf(t, &m, "missed by a")
	missed.appendTo(&b)
	castOf(t, &m, "last").appendTo(&a)
	require.Equal(t, 2, a.groups.len(), "a message between them went elsewhere")
	require.Equal(t, append(want, "last"), payloads(t, &a))
	require.Equal(t, append(want, "missed by a"), payloads(t, &b))

	require.NotNil(t, a.pick(1, 7, 1<<20), "cut by the Limit")
	require.Equal(t, 7, a.groups.at(0).count)
	require.Equal(t, append(want, "last"), payloads(t, &a))
	a.resolve(3, 0)
	a.restart(8, 3, true)
	require.Equal(t, append(want[3:], "last"), payloads(t, &a))
	require.Equal(t, append(want, "missed by a"), payloads(t, &b), "what the others have stays as it is")
	sum := 0
	for i := range a.groups.len() {
		sum += a.groups.at(i).bytes()
	}
	require.Equal(t, sum, a.bytes)
}

// Messages of one peer and messages for all stand behind one another in the order in
// which they were accepted.
func TestCastAmongOthers(t *testing.T) {
	var m castMemory
	q := newSendQueue(false)
	send := func(data string) { q.addMessage(0, 0, nil, []byte(data)) }
	castOf(t, &m, "1").appendTo(&q)
	send("2")
	require.Equal(t, 2, q.groups.len())
	castOf(t, &m, "3").appendTo(&q)
	send("4")
	require.Equal(t, 2, q.groups.len(), "a group of our own takes what is for all")
	q.closeLast()
	castOf(t, &m, "5").appendTo(&q)
	castOf(t, &m, "6").appendTo(&q)
	require.Equal(t, []string{"1", "2", "3", "4", "5", "6"}, payloads(t, &q))
	require.Equal(t, 3, q.groups.len())
}

// A cast memory is left when it is full, and heads of groups take small slabs only.
func TestManyCasts(t *testing.T) {
	var m castMemory
	q := newSendQueue(false)
	n, data := 0, string(make([]byte, protocol.FragmentSize/2))
	for range 400 {
		castOf(t, &m, data).appendTo(&q)
		n++
	}
	require.Len(t, payloads(t, &q), n)
	require.Greater(t, q.groups.len(), 200)
	for i := range q.groups.len() {
		require.Equal(t, smallSlab, cap(q.groups.at(i).slab.buf))
	}
	written := q.next
	for range q.groups.len() {
		require.NotNil(t, q.pick(written, 0, 0), "written before")
	}
	q.resolve(written-1, 0)
	require.Zero(t, q.groups.len())
	require.Zero(t, q.bytes)
	require.Nil(t, q.tail)
}

// A peer that waits, and that most of what is cast does not go to, holds no more than a
// few times what waits for it.
func TestWhoGetsLittleOfWhatIsCastHoldsLittle(t *testing.T) {
	var m castMemory
	q := newSendQueue(false)
	others := strings.Repeat("x", protocol.FragmentSize)
	var want []string
	for i := range 200 {
		want = append(want, fmt.Sprint("message ", i))
		castOf(t, &m, want[i]).appendTo(&q)
		for range largeCast / len(others) {
			castOf(t, &m, others)
		}
	}
	require.Equal(t, want, payloads(t, &q))
	held := 0
	for i := range q.groups.len() {
		held += cap(q.groups.at(i).ref)
	}
	require.LessOrEqual(t, held, 4*q.bytes+2*largeCast)
}

// So it is where what waits may still be dropped.
func TestWhoGetsLittleOfWhatIsCastStagesLittle(t *testing.T) {
	var m castMemory
	var s stage
	q := newSendQueue(false)
	others := strings.Repeat("x", protocol.FragmentSize)
	var want []string
	for i := range 200 {
		want = append(want, fmt.Sprint("message ", i))
		s.push(uint64(i+1), *castOf(t, &m, want[i]))
		for range largeCast / len(others) {
			castOf(t, &m, others)
		}
	}
	held := 0
	for i := range s.list.len() {
		held += cap(s.list.at(i).wire.unit)
	}
	require.LessOrEqual(t, held, 4*s.bytes+2*largeCast)
	for s.list.len() > 0 {
		e, _ := s.next()
		e.wire.appendTo(&q)
	}
	require.Equal(t, want, payloads(t, &q))
	require.Zero(t, s.bytes)
}
