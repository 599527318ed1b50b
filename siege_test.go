package serpy_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
)

// A siege is a server under attack, beside peers that must not notice.
type siege struct {
	*serpy.Server
	log  *notebook
	good []*serpy.Connection
	more int // sessions that a test keeps beside
}

// besiege serves with small bounds; o's are taken over. No memory is kept to serve
// again, which would hide what is held.
func besiege(t *testing.T, o *serpy.Options) *siege {
	t.Helper()
	serpy.NoStock(t)
	s := &siege{log: &notebook{}}
	opt := serpy.Options{}
	if o != nil {
		opt = *o
	}
	if opt.ReceiveQueue.Messages == 0 {
		opt.ReceiveQueue, opt.MaxMessage = serpy.Queue{Messages: 16, Bytes: 100_000}, 70_000
	}
	opt.Logger = slog.New(s.log)
	if opt.SessionTimeout == 0 {
		opt.SessionTimeout = 200 * time.Millisecond
	}
	s.Server = serve(t, &opt, oracle)
	for range 100 {
		s.good = append(s.good, dial(t, s.Server, nil))
	}
	for range 1100 { // the last events are kept, so many of them
		conn := call(t, s.Address(), []byte("GET / HTTP/1.1\r\nHost: me\r\n\r\n\r\n"))
		_, _ = io.Copy(io.Discard, conn)
		_ = conn.Close()
	}
	return s
}

// oracle echoes, answers "three" with three messages at once, and falls asleep when it
// is told to.
func oracle(ctx context.Context, c *serpy.Connection) error {
	for m := range c.Messages(ctx) {
		var err error
		switch m.String() {
		case "three":
			_, err = c.SendBatch(ctx, []serpy.Message{{Data: []byte("1")}, {Data: []byte("2")}, {Data: []byte("3")}})
		case "sleep":
			<-c.Done()
		case "hoard": // it is never acknowledged, and no other comes
		default:
			err = m.Reply(ctx, m)
		}
		if err != nil {
			return err
		}
	}
	return c.Err()
}

// under does something hostile so many times, and sees that it left nothing behind:
// memory, goroutines, sessions, or harm to others.
func (s *siege) under(t *testing.T, times int, attack func()) {
	t.Helper()
	for range min(times, repeats) {
		attack() // what is kept of any peer, stocks of memory and the last events, is kept from here on
	}
	s.calm(t)
	before, goroutines := live(), steady()
	for range times {
		attack()
	}
	s.calm(t)
	// Steady, since some of before may have been on their way out; and again, since links that
	// rest come and go for a moment, as at a heartbeat.
	eventually(t, func() bool { return runtime.NumGoroutine() <= goroutines && steady() <= goroutines })
	after := live()
	for try := 0; try < 50 && !near(before, after); try++ {
		after = live() // what is on its way out is let go of; a pool does at the second collection
	}
	t.Logf("%d times: %d KiB in use before, %d KiB after (%+.1f %%); %d goroutines before",
		times, before>>10, after>>10, 100*(float64(after)/float64(before)-1), goroutines)
	require.True(t, near(before, after) || raceEnabled, "%d bytes in use before, %d after", before, after)
}

// steady is the count of goroutines when none has come or gone for a while.
func steady() int {
	n := runtime.NumGoroutine()
	for same := 0; same < 20; same++ {
		<-time.After(time.Millisecond)
		if now := runtime.NumGoroutine(); now != n {
			n, same = now, 0
		}
	}
	return n
}

// live is the bytes of what is still referred to, and not those of spans that are partly
// free, or of stacks, which come and go by the megabyte; goroutines are counted.
func live() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// near is within 10 %, or less.
func near(before, after uint64) bool { return after <= before+before/10 }

// calm waits until nothing is left of the others, and sees that the good ones did not
// notice them.
func (s *siege) calm(t *testing.T) {
	t.Helper()
	for _, c := range s.good {
		m, err := c.Request(t.Context(), serpy.TextMessage("still there"))
		require.NoError(t, err)
		require.Equal(t, "still there", m.String())
		if c.Stats().Links != 1 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			for e := range c.Events(ctx) {
				t.Logf("%v", e)
			}
			cancel()
			t.Log(s.log.about(c.Peer().Local.String()))
			t.FailNow()
		}
	}
	eventually(t, func() bool {
		stats := s.Stats()
		return s.Len() == len(s.good)+s.more && stats.Handshaking == 0 && stats.Parked == 0
	})
	s.log.forget()
}

// logged wants one line, at once or soon, that begins so and names the end of a link.
func (s *siege) logged(t *testing.T, conn net.Conn, begin string) {
	t.Helper()
	count := func() (n int) {
		for _, line := range s.log.about(conn.LocalAddr().String()) {
			if strings.HasPrefix(line, begin) {
				n++
			}
		}
		return n
	}
	eventually(t, func() bool { return count() > 0 })
	require.Equal(t, 1, count(), s.log.about(conn.LocalAddr().String()))
}

// forget tears the pages out.
func (n *notebook) forget() {
	n.mu.Lock()
	n.lines = nil
	n.mu.Unlock()
}
