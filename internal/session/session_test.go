package session

import (
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
)

func TestResumeGoesOnAfterWhatWasReceived(t *testing.T) {
	p := newPair(t, config(0), config(0))
	p.send(2)
	lost := p.units(p.a, 3)
	p.cut()
	p.link()
	received, _ := p.a.Confirmed()
	require.EqualValues(t, 2, received)
	require.EqualValues(t, 6, p.a.Next(), "a number is given once")
	// Before the units are written again, a frame without units names the one that is due.
	p.give(p.b, p.a.Head(p.now, protocol.KindData, 0, 0))
	f := p.a.Head(p.now, protocol.KindData, lost.First, lost.Count)
	f.Body = lost.Body
	p.give(p.b, f)
	require.EqualValues(t, 5, p.b.Received())
	p.send(1)
}

func TestNothingIsWrittenWithoutALinkOrBeyondTheLimit(t *testing.T) {
	small := config(0)
	small.Units = 3
	p := newPair(t, config(0), small)
	units, bytes := p.a.Credit()
	require.EqualValues(t, 3, units)
	require.Equal(t, small.Bytes, bytes)
	p.send(3)
	units, bytes = p.a.Credit()
	require.Zero(t, units)
	require.Equal(t, small.Bytes-30, bytes)
	require.Panics(t, func() { p.a.Written(1, 10) })
	p.b.Taken(1, 1, 10)
	p.ack()
	units, _ = p.a.Credit()
	require.EqualValues(t, 1, units)
	require.Panics(t, func() { p.a.Written(1, int(small.Bytes)) }, "bytes are bounded as well")
	p.a.Written(1, 10)
	p.cut()
	units, bytes = p.a.Credit()
	require.Zero(t, units+bytes)
}

func TestWindowFitsTheBitsOfAHead(t *testing.T) {
	huge := Config{Units: 1 << 40, Bytes: 1 << 50}
	p := newPair(t, config(0), huge)
	require.EqualValues(t, MaxUnits, p.b.Config().Units)
	require.EqualValues(t, MaxBytes, p.b.Config().Bytes)
	// All of the window at once is the most that Limit can move.
	p.a.Written(MaxUnits, MaxUnits)
	p.b.Taken(MaxUnits, MaxUnits, MaxBytes)
	p.ack()
	units, bytes := p.a.Credit()
	require.EqualValues(t, MaxUnits, units)
	require.Equal(t, uint64(2*MaxBytes-MaxUnits), bytes)
}

func TestReceiptsResolveByTheNumberThatThePeerNames(t *testing.T) {
	for _, when := range []protocol.AckWhen{protocol.OnReceipt, protocol.OnProcessed} {
		p := newPair(t, config(0), config(when))
		p.send(3)
		p.units(p.a, 1) // is under way
		require.True(t, p.ack().Confirmed)
		require.Equal(t, when, p.a.PeerAckWhen())
		require.Equal(t, map[protocol.AckWhen]uint64{protocol.OnReceipt: 3, protocol.OnProcessed: 0}[when], p.a.Resolved())
	}
}

func TestProcessedInAnyOrderResolvesInOrder(t *testing.T) {
	p := newPair(t, config(0), config(protocol.OnProcessed))
	p.send(6)
	require.True(t, p.b.Processed(5, 6, 2, 20, nil), "a message of two units")
	require.True(t, p.b.Processed(2, 4, 3, 30, nil))
	require.False(t, p.b.Processed(5, 6, 2, 20, nil), "known, and waiting")
	require.EqualValues(t, 6, p.b.Unprocessed())
	p.ack()
	require.Zero(t, p.a.Resolved())
	require.True(t, p.b.Processed(1, 1, 1, 10, nil))
	require.False(t, p.b.Processed(1, 1, 1, 10, nil), "known")
	require.False(t, p.b.Processed(7, 7, 1, 10, nil), "never received")
	require.Zero(t, p.b.Unprocessed())
	require.Empty(t, p.b.in.done, "nothing is kept of what was said")
	require.True(t, p.b.AckDue(p.now, false), "somebody may wait for it")
	require.True(t, p.ack().Confirmed)
	require.EqualValues(t, 6, p.a.Resolved())
	require.False(t, p.b.AckDue(p.now, false))
}

func TestNackIsRepeatedUntilItsSenderConfirmsIt(t *testing.T) {
	p := newPair(t, config(0), config(protocol.OnProcessed))
	p.send(3)
	p.b.Processed(3, 3, 1, 10, &protocol.Nack{Unit: 3, Reason: "third"})
	p.b.Processed(2, 2, 1, 10, &protocol.Nack{Unit: 2, Reason: strings.Repeat("x", 2*protocol.MaxText)})
	p.b.Processed(1, 1, 1, 10, nil)
	require.Len(t, p.b.in.nacks[0].Reason, protocol.MaxText, "what is kept is bounded")
	limit, _ := p.b.limits()
	require.EqualValues(t, 101, limit, "what was refused keeps its room until its sender knows")
	for range 3 { // said on each link, and lost with it
		f, ok := p.b.NextControl(p.now)
		require.True(t, ok)
		require.Equal(t, protocol.KindNack, f.Kind)
		require.EqualValues(t, 1, f.Processed, "processed does not pass it")
		_, ok = p.b.NextControl(p.now)
		require.False(t, ok, "once a link")
		p.cut()
		require.EqualValues(t, 1, p.b.Counts().Processed, "nor does a Hello's")
		p.link()
	}
	kinds, v := p.control(p.b, p.a)
	require.Equal(t, []protocol.Kind{protocol.KindNack}, kinds)
	require.Len(t, v.Nacks, 2)
	require.Len(t, v.Nacks[0].Reason, protocol.MaxText)
	require.True(t, v.Control)
	require.EqualValues(t, 1, p.a.Resolved())
	kinds, v = p.control(p.a, p.b)
	require.Equal(t, []protocol.Kind{protocol.KindSeen}, kinds)
	require.True(t, v.Control)
	require.True(t, p.b.AckDue(p.now, false))
	p.ack()
	require.EqualValues(t, 3, p.a.Resolved())
	limit, _ = p.b.limits()
	require.EqualValues(t, 103, limit)
	p.cut()
	p.link()
	_, ok := p.b.NextControl(p.now)
	require.False(t, ok, "its sender knows")
}

func TestManyNacksAreAllConfirmed(t *testing.T) {
	many := config(protocol.OnProcessed)
	many.Units, many.Bytes = 30_000, 1<<20
	p := newPair(t, config(0), many)
	p.send(30_000)
	for n := uint64(1); n <= 30_000; n++ {
		p.b.Processed(n, n, 1, 10, &protocol.Nack{Unit: n})
	}
	nacked, _ := p.control(p.b, p.a)
	require.Greater(t, len(nacked), 1, "one frame cannot hold them")
	p.control(p.a, p.b)
	require.EqualValues(t, 30_000, p.b.sayProcessed())
}

func TestNackOnReceiptIsNotSaid(t *testing.T) {
	p := newPair(t, config(0), config(protocol.OnReceipt))
	p.send(1)
	p.b.Processed(1, 1, 1, 10, &protocol.Nack{Unit: 1})
	_, ok := p.b.NextControl(p.now)
	require.False(t, ok)
}

func TestAckIsSentAtOnceOnlyWhereSomebodyWaits(t *testing.T) {
	p := newPair(t, config(0), config(0))
	p.send(1)
	require.False(t, p.b.AckDue(p.now, true), "nobody asked")
	end, ok := p.b.Deadline()
	require.True(t, ok)
	require.Equal(t, p.now.Add(AckDelay), end)
	require.False(t, p.b.AckDue(end.Add(-1), true))
	require.True(t, p.b.AckDue(end, false))
	f := p.units(p.a, 1)
	f.Flags = protocol.AckNow
	p.give(p.b, f)
	require.False(t, p.b.AckDue(p.now, false), "there is more to read")
	require.True(t, p.b.AckDue(p.now, true))
	p.ack()
	require.False(t, p.b.AckDue(end, true), "it was said")
	f = p.a.Head(p.now, protocol.KindData, 0, 0)
	f.Flags = protocol.AckNow
	p.give(p.b, f)
	require.False(t, p.b.AckDue(p.now, true), "whoever asks, it was said")
	// Asked in a frame of its own, for what came before.
	p.send(1)
	f = p.a.Head(p.now, protocol.KindData, 0, 0)
	f.Flags = protocol.AckNow
	p.give(p.b, f)
	require.True(t, p.b.AckDue(p.now, true))
}

func TestAckIsSentAtOnceForMuch(t *testing.T) {
	much := Config{Units: 20_000, Bytes: 8 << 20}
	p := newPair(t, config(0), much)
	p.send(ackUnits - 1)
	require.False(t, p.b.AckDue(p.now, false))
	p.send(1)
	require.True(t, p.b.AckDue(p.now, false))
	p.ack()
	p.a.Written(1, ackBytes-1)
	f := p.a.Head(p.now, protocol.KindData, ackUnits+1, 1)
	f.Body = make([]byte, ackBytes-1)
	p.give(p.b, f)
	require.False(t, p.b.AckDue(p.now, false))
	p.send(1)
	require.True(t, p.b.AckDue(p.now, false))
}

func TestLimitIsSaidAfterAQuarterOfTheWindow(t *testing.T) {
	p := newPair(t, config(0), config(0))
	p.send(100)
	p.ack()
	p.b.Taken(24, 24, 240)
	require.False(t, p.b.AckDue(p.now, true))
	p.b.Taken(25, 1, 10)
	require.True(t, p.b.AckDue(p.now, true))
	p.ack()
	require.EqualValues(t, 25, p.a.PeerTaken(), "the Limit tells what was taken")
	p.b.Taken(26, 1, 25<<10)
	require.True(t, p.b.AckDue(p.now, true), "bytes count as well")
}

func TestWhatIsTakenBetweenTheHellosIsSaid(t *testing.T) {
	p := newPair(t, config(0), config(protocol.OnProcessed))
	p.send(100)
	p.ack()
	p.cut()
	ha, hb := hello(p.a), hello(p.b)
	p.b.Taken(100, 0, 0)
	for n := uint64(1); n <= 100; n++ {
		p.b.Processed(n, n, 1, 10, nil)
	}
	require.NoError(t, p.a.LinkUp(p.now, hb))
	require.NoError(t, p.b.LinkUp(p.now, ha))
	require.Zero(t, p.a.Resolved())
	units, _ := p.a.Credit()
	require.Zero(t, units)
	require.True(t, p.b.AckDue(p.now, true))
	p.ack()
	require.EqualValues(t, 100, p.a.Resolved())
}

func TestCloseSaysFinalNumbersOnEveryLink(t *testing.T) {
	p := newPair(t, config(0), config(protocol.OnProcessed))
	p.send(3)
	p.b.Processed(1, 1, 1, 10, nil)
	p.b.Processed(2, 2, 1, 10, &protocol.Nack{Unit: 2, Reason: "no"})
	p.b.Processed(3, 3, 1, 10, nil)
	p.b.Close(protocol.CodeGoingAway, "restart")
	p.b.Close(protocol.CodeNormal, "too late")
	f, ok := p.b.NextClose(p.now)
	require.True(t, ok)
	require.EqualValues(t, 3, f.Processed)
	p.b.Taken(3, 50, 50)
	require.False(t, p.b.AckDue(p.now.Add(time.Hour), true), "nothing follows it")
	_, ok = p.b.Deadline()
	require.False(t, ok)
	_, ok = p.b.NextControl(p.now)
	require.False(t, ok)
	_, ok = p.b.NextClose(p.now)
	require.False(t, ok, "once a link")
	require.False(t, p.give(p.b, p.units(p.a, 1)).Units, "what was final stays so")
	require.EqualValues(t, 3, p.b.Received())

	p.cut()
	require.EqualValues(t, 1, p.b.Counts().Processed, "a Hello lists no Nack")
	p.link()
	f, ok = p.b.NextClose(p.now)
	require.True(t, ok, "again on the next link")
	v := p.give(p.a, f)
	require.Equal(t, protocol.CodeGoingAway, v.Close.Code)
	require.Equal(t, "restart", v.Close.Reason)
	require.Equal(t, []protocol.Nack{{Unit: 2, Reason: "no"}}, v.Nacks)
	require.EqualValues(t, 3, p.a.Resolved())
}

func TestCloseDoesNotPassTheNacksThatItHasNoRoomFor(t *testing.T) {
	p := newPair(t, config(0), config(protocol.OnProcessed))
	p.send(100)
	for n := uint64(1); n <= 100; n++ {
		p.b.Processed(n, n, 1, 10, &protocol.Nack{Unit: n, Reason: strings.Repeat("x", protocol.MaxText)})
	}
	p.b.Close(protocol.CodeNormal, "")
	f, _ := p.b.NextClose(p.now)
	require.Less(t, len(f.Body), protocol.MaxBody)
	v := p.give(p.a, f)
	require.NotEmpty(t, v.Nacks)
	require.EqualValues(t, len(v.Nacks), p.a.Resolved())
	require.Less(t, len(v.Nacks), 100)
}

func TestFinalCountsOfATombstoneSettleReceipts(t *testing.T) {
	p := newPair(t, config(0), config(0))
	p.send(3)
	p.b.Taken(2, 2, 20)
	p.cut()
	final := p.b.Counts()
	require.NoError(t, p.a.Settle(final))
	require.EqualValues(t, 3, p.a.Resolved())
	require.EqualValues(t, 2, p.a.PeerTaken())
	final.Received = 4
	require.Error(t, p.a.Settle(final))
	require.EqualValues(t, 3, p.a.Resolved())
}

func TestSomethingIsSaidEveryHeartbeat(t *testing.T) {
	p := newPair(t, config(0), config(0))
	end, ok := p.a.Deadline()
	require.True(t, ok)
	require.Equal(t, start.Add(heartbeat), end)
	p.now = end.Add(-1)
	p.ack() // hearing something does not count
	p.a.HandleTimeout(p.now)
	_, ok = p.a.NextControl(p.now)
	require.False(t, ok)
	p.now = end
	p.a.HandleTimeout(p.now)
	kinds, v := p.control(p.a, p.b)
	require.Equal(t, []protocol.Kind{protocol.KindPing}, kinds)
	require.True(t, v.Control)
	next, _ := p.a.Deadline()
	require.Equal(t, end.Add(heartbeat), next)
	p.now = p.now.Add(time.Second)
	_, v = p.control(p.b, p.a)
	require.Equal(t, &protocol.Pong{Sent: end.UnixNano(), Received: end.UnixNano(), Answered: p.now.UnixNano()}, v.Pong)
}

func TestNoHeartbeatIsPromisedWithoutOne(t *testing.T) {
	p := newPair(t, Config{Units: 1, Bytes: 1000}, config(0))
	_, ok := p.a.Deadline()
	require.False(t, ok)
	p.a.HandleTimeout(start.Add(time.Hour))
	_, ok = p.a.NextControl(start.Add(time.Hour))
	require.False(t, ok)
}

func TestAFloodOfPingsCostsOnePong(t *testing.T) {
	p := newPair(t, config(0), config(0))
	for n := range 1000 {
		p.give(p.b, protocol.Frame{Kind: protocol.KindPing, LimitUnits: 100, LimitBytes: 100 << 10, Body: protocol.AppendPing(nil, protocol.Ping{Sent: int64(n)})})
	}
	kinds, v := p.control(p.b, p.a)
	require.Equal(t, []protocol.Kind{protocol.KindPong}, kinds)
	require.EqualValues(t, 999, v.Pong.Sent)
}

// slept is a time whose wall clock went on by d while its monotonic clock stood.
func slept(t time.Time, d time.Duration) time.Time {
	type layout struct {
		wall uint64
		ext  int64
		loc  *time.Location
	}
	l := (*layout)(unsafe.Pointer(&t))
	l.wall += uint64(d/time.Second) << 30
	return t
}

func TestAMachineThatSleptAsksAtOnce(t *testing.T) {
	now := time.Now() // with a monotonic reading
	require.Equal(t, heartbeat, slept(now, heartbeat).Round(0).Sub(now.Round(0)))
	require.Zero(t, slept(now, heartbeat).Sub(now))
	for d, asks := range map[time.Duration]bool{heartbeat - time.Second: false, heartbeat: true, time.Hour: true} {
		p := newPair(t, config(0), config(0))
		p.cut()
		p.now = now
		p.link()
		p.a.HandleTimeout(slept(now.Add(time.Second), d))
		_, ok := p.a.NextControl(now)
		require.Equal(t, asks, ok, d)
		p.a.HandleTimeout(slept(now.Add(time.Second), d+heartbeat-time.Second))
		_, ok = p.a.NextControl(now)
		require.False(t, ok, "clocks may part by little and little")
	}
}

func TestRedeliveredAndBaseAreThePeers(t *testing.T) {
	again := config(0)
	again.Redelivered, again.BaseID = 2, 40
	p := newPair(t, again, config(0))
	p.send(3)
	require.True(t, p.b.Redelivered(1))
	require.True(t, p.b.Redelivered(2))
	require.False(t, p.b.Redelivered(3))
	require.EqualValues(t, 40, p.b.PeerBase())
}

func TestWindowHoldsTheLargestMessageAndAStep(t *testing.T) {
	for _, largest := range []int{0, 1, 10, 100, 1000, 10_000, protocol.FragmentSize, 1 << 20, 16 << 20} {
		for _, queue := range []int{0, largest, 4 * largest, 64 << 20} {
			window := Window(queue, largest)
			require.GreaterOrEqual(t, window, uint64(queue))
			// The sender may know a Limit that is less by a step and a rounding.
			known := floorBytes(window) - byteStep(window)
			text := largest + largest/4 + 8 // as base85
			framing := (text/protocol.FragmentSize + 1) * 8
			require.GreaterOrEqual(t, known, uint64(text+framing+protocol.MaxHeader+256), largest)
		}
	}
}
