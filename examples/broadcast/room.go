package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"unicode/utf8"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/examples/internal/cli"
	"github.com/serpy-go/serpy/examples/internal/wires"
)

// Bounds of the room. The old programs get slow above 4 MiB a message.
const (
	maxMessage  = 4 << 20
	queueBytes  = 8 << 20
	queueLength = 1024
)

// A room is the server and what it says about it.
type room struct {
	server *serpy.Server
	stop   context.CancelFunc // the wish to end

	mu     sync.Mutex
	out    io.Writer
	missed int
}

// serve runs a room until ctx ends or a client ends it.
func serve(ctx context.Context, cfg *config, out io.Writer) error {
	s, err := serpy.Listen(cfg.address, &serpy.Options{
		Name: "broadcast", Wires: cfg.wires, MaxMessage: maxMessage, Logger: cfg.log,
		SendQueue:    serpy.Queue{Messages: queueLength, Bytes: queueBytes},
		ReceiveQueue: serpy.Queue{Messages: queueLength, Bytes: queueBytes},
	})
	if err != nil {
		return cli.CannotListen(err, cfg.address)
	}
	wish, stop := context.WithCancel(ctx)
	defer stop()
	r := &room{server: s, stop: stop, out: out}
	r.sayf("listening on %s", s.Address())

	// Who asks to end is heard first; then all clients are told, and then the
	// server ends, which sends what is queued.
	serving, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	defer context.AfterFunc(wish, func() {
		r.sayf("closing, %d here", len(s.Connections()))
		_, _ = s.Broadcast(serpy.TextMessage(wires.Bye))
		end()
	})()
	err = s.Serve(serving, r.visit)
	r.sayf("closed")
	return err
}

// visit is one client, from its coming to its going.
func (r *room) visit(ctx context.Context, c *serpy.Connection) error {
	name := wires.Who(c)
	r.sayf("%s came", name)
	for m := range c.Messages(ctx) {
		if wires.IsBye(&m) {
			r.sayf("%s ends the room", name)
			r.stop() // and then Messages ends
			continue
		}
		suit(&m, c.Peer().Wire)
		missed, err := r.server.Broadcast(m, c)
		if err != nil {
			r.sayf("a message of %s cannot be repeated: %v", name, err)
		}
		r.count(missed)
	}
	if err := c.Err(); err != nil {
		r.sayf("%s went: %v", name, err)
	} else {
		r.sayf("%s went", name)
	}
	return nil
}

// suit makes a message ready for wires with types: what a serpy client sends without
// base85 was a text to it.
func suit(m *serpy.Message, wire string) {
	if wire == "serpy" && m.Type == serpy.Bytes && (m.Mode == serpy.Plain || m.Mode == serpy.Acked) && utf8.Valid(m.Data) {
		m.Type = serpy.Text
	}
}

// count tells of messages that somebody missed, at 1, 2, 4, 8 and so on of them.
func (r *room) count(missed int) {
	if missed == 0 {
		return
	}
	r.mu.Lock()
	before := r.missed
	r.missed += missed
	total := r.missed
	r.mu.Unlock()
	if before == 0 || total&^before > before {
		r.sayf("missed by clients that do not read or cannot carry them: %d so far", total)
	}
}

func (r *room) sayf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(r.out, format+"\n", args...)
}
