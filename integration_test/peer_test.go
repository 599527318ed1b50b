//go:build linux

package integration

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/serpy-go/serpy"
)

// A program is a peer that runs in a process of its own. It hears commands, a word
// a line, on its standard input, whose end is its own end too, and says on its
// standard output, a line each, what the test waits for.
type program struct {
	plan   plan
	j      *journal
	finish chan struct{} // send no more
	quit   context.Context

	mu     sync.Mutex
	convos int
}

func runPeer(text string) int {
	p := &program{finish: make(chan struct{})}
	if err := json.Unmarshal([]byte(text), &p.plan); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	if n := p.plan.Descriptors; n > 0 {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: n}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 2
		}
	}
	var err error
	if p.plan.Journal != "" {
		if p.j, err = openJournal(p.plan.Journal); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 2
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	p.quit = ctx
	go p.hear(cancel)
	run := map[string]func() error{"": p.talk, "crowd-server": p.crowdServer, "crowd": p.crowd}[p.plan.Program]
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		return 1
	}
	p.say("peak %d", procStatus("VmHWM:"))
	p.say("done")
	return 0
}

func (p *program) hear(quit func()) {
	defer quit()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		switch lines.Text() {
		case "finish":
			close(p.finish)
		case "memory":
			p.say("memory %d %d", memoryNow(), heapNow())
		case "quit":
			return
		}
	}
}

var sayMu sync.Mutex

func (p *program) say(format string, args ...any) {
	sayMu.Lock()
	defer sayMu.Unlock()
	fmt.Printf(strings.ReplaceAll(format, "\n", " ")+"\n", args...)
}

// talk is the program that most tests run: both sides send and receive until both
// have said all.
func (p *program) talk() error {
	if !p.plan.Listen {
		c, err := serpy.Dial(p.quit, p.plan.Address, p.plan.options())
		if err != nil {
			return err
		}
		p.say("dialled")
		err = p.converse(p.quit, c)
		return errors.Join(err, c.Close())
	}
	s, err := serpy.Listen(p.plan.Address, p.plan.options())
	if err != nil {
		return err
	}
	p.say("listening %s", s.Address())
	return s.Serve(p.quit, p.converse)
}

// converse sends and receives on one connection until both directions have ended.
func (p *program) converse(ctx context.Context, c *serpy.Connection) error {
	p.mu.Lock()
	conv := convoOf(p.plan.side(), p.plan.Life, p.convos)
	p.convos++
	p.mu.Unlock()
	p.say("conversing %v", conv)
	var work, watch sync.WaitGroup
	watch.Go(func() { p.watch(c, conv) })
	work.Go(func() { p.send(ctx, c, conv) })
	err := p.receive(ctx, c)
	work.Wait()
	p.say("conversed %v", err)
	if p.plan.Listen {
		return nil // the events end with the connection, which ends with this
	}
	err = c.Close()
	watch.Wait()
	return err
}

// watch takes down the events.
func (p *program) watch(c *serpy.Connection, conv convo) {
	key := keyOf(conv, 0)
	for e := range c.Events(context.Background()) {
		switch e := e.(type) {
		case serpy.Connected:
			p.j.note(fact{what: connected, key: key, b: uint64(e.Replayed)})
			p.say("up %d resumed=%v replayed=%d", monotonic(), e.Resumed, e.Replayed)
		case serpy.Disconnected:
			p.j.note(fact{what: disconnected, key: key})
			p.say("down %d %v", monotonic(), e.Err)
		case serpy.SessionLost:
			p.j.note(fact{what: sessionLost, key: key, a: uint64(e.Unconfirmed), b: uint64(e.Undelivered)})
			p.say("lost %d %d", e.Unconfirmed, e.Undelivered)
		case serpy.SlowReader:
			p.say("slowreader")
		case serpy.Closed:
			p.j.note(fact{what: ended, key: key})
			p.say("closed %v", e.Err)
		}
	}
}

// pace waits between messages so that there are rate a second; 0: it never waits.
func pace(ctx context.Context, rate int) func() bool {
	if rate == 0 {
		return func() bool { return ctx.Err() == nil }
	}
	begin, n := time.Now(), 0
	timer := time.NewTimer(0)
	return func() bool {
		n++
		wait := time.Until(begin.Add(time.Duration(n) * time.Second / time.Duration(rate)))
		if wait <= 0 {
			return ctx.Err() == nil
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
			return true
		case <-ctx.Done():
			return false
		}
	}
}

type owed struct {
	key     uint64
	receipt serpy.Receipt
}

// send sends what the plan says, and takes down what became of each message.
func (p *program) send(ctx context.Context, c *serpy.Connection, conv convo) {
	receipts := make(chan owed, 1<<16)
	var waiting sync.WaitGroup
	waiting.Go(func() {
		for o := range receipts {
			p.resolve(o)
		}
	})
	finish, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-p.finish:
			stop()
		case <-finish.Done():
		}
	}()
	r := rand.New(rand.NewPCG(p.plan.Seed, uint64(conv)))
	wait := pace(finish, p.plan.Rate)
	for n := 1; n <= p.plan.Messages && wait(); n++ {
		if !p.sendOne(ctx, c, keyOf(conv, uint64(n)), p.size(r), receipts) {
			break
		}
	}
	close(receipts)
	err := c.CloseSend(ctx)
	waiting.Wait()
	if p.plan.DropOldest { // of a side that receives nothing: Stats does not tell its own drops from the peer's
		p.j.note(fact{what: dropped, key: keyOf(conv, 0), a: c.Stats().Dropped})
	}
	if err == nil {
		p.j.note(fact{what: flushed, key: keyOf(conv, 0), a: 1})
	}
	p.say("sent %v", err)
}

func (p *program) size(r *rand.Rand) int {
	most := max(p.plan.Size, 8)
	switch n := r.IntN(100); {
	case p.plan.Fixed || n == 0:
		return most
	case n < 10:
		return 8 + r.IntN(min(most, 16<<10)-7)
	default:
		return 8 + r.IntN(min(most, 256)-7)
	}
}

func (p *program) sendOne(ctx context.Context, c *serpy.Connection, key uint64, size int, receipts chan<- owed) bool {
	m := serpy.Message{Data: fill(key, size), Tag: uint32(key)}
	if !p.plan.Plain {
		m.Mode = [...]serpy.Mode{serpy.Plain, serpy.Acked, serpy.Base85, serpy.Base85Acked}[key%4]
	}
	acked := uint64(0)
	if m.Mode.IsAcked() {
		acked = 1
	}
	p.j.note(fact{what: sending, key: key, a: uint64(size), b: acked})
	receipt, err := c.SendMessage(ctx, m)
	if err != nil {
		p.j.note(fact{what: refusedSend, key: key})
		return false
	}
	p.j.note(fact{what: accepted, key: key})
	if acked == 1 {
		receipts <- owed{key, receipt}
	}
	return true
}

func (p *program) resolve(o owed) {
	err := o.receipt.Wait(context.Background())
	var nack *serpy.NackError
	w := confirmed
	switch {
	case err == nil:
	case errors.As(err, &nack):
		w = nacked
	case errors.Is(err, serpy.ErrUnconfirmed):
		w = unconfirmed
	default:
		fmt.Fprintln(os.Stderr, "a receipt says what no receipt may say:", err)
		os.Exit(3)
	}
	p.j.note(fact{what: w, key: o.key})
}

// receive takes down all that comes, until the peer has said all or the connection
// has ended.
func (p *program) receive(ctx context.Context, c *serpy.Connection) error {
	wait := pace(p.quit, p.plan.ReadRate) // not ctx, which ends with c: what was received is still to be had
	for n := 0; wait(); n++ {
		m, err := c.Receive(ctx)
		if err != nil {
			if errors.Is(err, io.EOF) {
				p.j.note(fact{what: atEnd})
			}
			return err
		}
		p.take(m)
		if n == 0 || n%1000 == 999 {
			p.say("got %d", n+1)
		}
	}
	return p.quit.Err()
}

func (p *program) take(m serpy.Message) {
	at := monotonic()
	key, ok := keyIn(m.Data)
	if g := m.Gap; g != nil {
		p.j.note(fact{at: at, what: gapFound, key: key, id: g.First, a: g.Last, b: g.Count<<8 | uint64(g.Reason)})
	}
	f := fact{at: at, what: received, key: key, id: m.ID, a: uint64(len(m.Data))}
	if m.Redelivered {
		f.b |= 1
	}
	if !ok {
		f.b |= 2
	}
	p.j.note(f)
	if p.plan.OnProcessed {
		p.j.note(fact{what: acking, key: key})
		m.Ack()
	}
	m.Release()
}
