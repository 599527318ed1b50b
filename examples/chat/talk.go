package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/examples/internal/cli"
	"github.com/serpy-go/serpy/examples/internal/wires"
	"github.com/serpy-go/serpy/protocol"
)

// redial is the longest pause between two attempts to come back.
const redial = 5 * time.Second

// A room that ends so many links in a row within so short a time may be no room, or one for
// other wires: serpy and serpy2 have no greeting by which that could be told.
const (
	strange = 3
	brief   = 3 * time.Second
)

// A talker is one who talks in a room.
type talker struct {
	c       *serpy.Connection
	console console
	address string

	mu   sync.Mutex
	name string
	over bool // the room has ended, or closes
}

// talk talks until the user leaves, the room ends, or ctx does.
func talk(ctx context.Context, cfg *config, stdin *os.File, stdout, stderr io.Writer) error {
	c, err := serpy.Dial(ctx, cfg.address, &serpy.Options{
		Name: cfg.name, Wires: []protocol.Codec{cfg.wire}, MaxMessage: 4 << 20,
		Reconnect: serpy.Reconnect{Max: redial},
	})
	if err != nil {
		return cli.CannotReach(err, cfg.address, "broadcast")
	}
	con, err := newConsole(stdin, stdout, stderr)
	if err != nil {
		return errors.Join(err, c.Close())
	}
	defer con.close()
	con.prompt(cfg.name)
	t := &talker{c: c, console: con, address: cfg.address, name: cfg.name}
	ctx, leave := context.WithCancel(ctx)
	defer leave()

	var helpers sync.WaitGroup
	helpers.Go(func() { t.watch(ctx) })
	helpers.Go(func() { defer leave(); t.listen(ctx) })
	t.say(ctx, t.named()+" joined") // before anything that is typed
	// A read of the keyboard cannot be ended: it is left behind when the program is.
	typed := make(chan error, 1)
	go func() { typed <- t.read(ctx) }()

	select {
	case err = <-typed:
	case <-ctx.Done():
	}
	con.close()
	if closeErr := t.leave(ctx); err == nil {
		err = closeErr
	}
	leave()
	helpers.Wait()
	return err
}

// leave says the last words, and sends what is queued, within the time that Close has.
// Nobody hears them where the room is over.
func (t *talker) leave(ctx context.Context) error {
	t.mu.Lock()
	over := t.over
	t.mu.Unlock()
	if err := t.c.Err(); over || err != nil {
		_ = t.c.Close()
		return err
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	t.say(late, t.named()+" left")
	return t.c.Close()
}

// listen shows what is said, until the room ends.
func (t *talker) listen(ctx context.Context) {
	for m := range t.c.Messages(ctx) {
		if m.Gap != nil {
			t.console.note(m.Gap.String())
		}
		if wires.IsBye(&m) {
			t.console.note("the room closes")
			break
		}
		t.console.show(wires.Show(&m))
	}
	if ctx.Err() == nil {
		t.mu.Lock()
		t.over = true
		t.mu.Unlock()
	}
}

// watch tells of the link.
func (t *talker) watch(ctx context.Context) {
	down := false
	var since time.Time // the link is up
	short := 0          // links in a row that ended as soon as they began
	for e := range t.c.Events(ctx) {
		switch e := e.(type) {
		case serpy.Connected:
			since = e.At
			if !down {
				t.console.note(fmt.Sprintf("in the room at %s, by the %s wire", t.address, e.Peer.Wire))
				continue
			}
			down = false
			t.console.note("the link is back")
			if !e.Resumed { // the others heard of nobody who went and came
				t.say(ctx, t.named()+" is back")
			}
		case serpy.Disconnected:
			down = true
			if ctx.Err() != nil {
				continue
			}
			t.console.note("the link is down, trying to come back")
			if short++; e.At.Sub(since) > brief {
				short = 0
			}
			if short == strange {
				t.console.note("the room hangs up at once: do its -wires have the one of this chat?")
			}
		case serpy.SessionLost:
			if e.Unconfirmed > 0 {
				t.console.note(fmt.Sprintf("%d of your lines may not have arrived", e.Unconfirmed))
			}
		case serpy.WireFault:
			t.console.note(wires.Clean(e.String()))
		}
	}
}

// read takes what is typed, until the user leaves.
func (t *talker) read(ctx context.Context) error {
	for {
		line, err := t.console.readLine()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if done := t.typed(ctx, line); done {
			return nil
		}
	}
}

// typed does what a line asks for; true: the user leaves.
func (t *talker) typed(ctx context.Context, line string) bool {
	command, rest, _ := strings.Cut(line, " ")
	switch {
	case line == "/stop":
		return true
	case line == wires.Bye: // the room answers by the same
		t.say(ctx, wires.Bye)
	case command == "/name":
		name, err := checkName(rest)
		if err != nil {
			t.console.note(err.Error())
			return false
		}
		t.mu.Lock()
		before := t.name
		t.name = name
		t.mu.Unlock()
		t.console.prompt(name)
		t.say(ctx, before+" is "+name+" now")
	case strings.HasPrefix(line, "/"):
		t.console.note("no such command: /name NAME, /stop and " + wires.Bye + " are all")
	default:
		t.say(ctx, t.named()+" : "+line)
	}
	return false
}

func (t *talker) named() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.name
}

// say says a line to all others.
func (t *talker) say(ctx context.Context, line string) {
	if _, err := t.c.SendMessage(ctx, serpy.TextMessage(line)); err != nil && ctx.Err() == nil && !errors.Is(err, serpy.ErrClosed) {
		t.console.note("not said: " + err.Error())
	}
}
