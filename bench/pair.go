package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/serpy-go/serpy/bench/internal/peer"
)

// pin says on which CPUs the two processes run.
type pin uint8

const (
	anywhere pin = iota
	sameCPU
	splitCPU // each on one of its own
)

// pair is the two processes of a measurement.
type pair struct {
	server, client *process
	dir            string
}

// process is a child seen from here.
type process struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	orders *json.Encoder
	out    *json.Decoder
	errors *complaint
}

// startPair starts both sides and connects them. ctx ends both.
func startPair(ctx context.Context, s peer.Spec, where pin) (*pair, error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	s.Dir = dir
	p := &pair{dir: dir}
	if err := p.start(ctx, s, where); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *pair) start(ctx context.Context, s peer.Spec, where pin) error {
	on := [2]int{-1, -1}
	if where != anywhere {
		list := cpus()
		if len(list) < int(where) {
			return errors.New("not pinned: too few CPUs, or not Linux")
		}
		on = [2]int{list[0], list[int(where)-1]}
	}
	var err error
	if p.server, err = startProcess(ctx, plan{Listens: true, Spec: s}, on[0]); err != nil {
		return err
	}
	if p.client, err = startProcess(ctx, plan{Spec: s}, on[1]); err != nil {
		return err
	}
	ready, err := p.server.answer()
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	if _, err = p.client.answer(); err != nil {
		return err
	}
	if _, err = p.client.ask(order{Do: "dial", Address: ready.Address}); err != nil {
		return fmt.Errorf("dialling: %w", err)
	}
	return nil
}

func startProcess(ctx context.Context, pl plan, cpu int) (*process, error) {
	text, err := json.Marshal(pl)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), childVariable+"="+string(text))
	cmd.WaitDelay = time.Second
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, in: in, orders: json.NewEncoder(in), out: json.NewDecoder(out), errors: &complaint{}}
	cmd.Stderr = p.errors
	return p, startOn(cmd, cpu)
}

// answer reads the next answer; an error in it is an error here.
func (p *process) answer() (answer, error) {
	var a answer
	if err := p.out.Decode(&a); err != nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		return a, fmt.Errorf("the process ended: %s", p.errors.first())
	}
	if a.Err != "" {
		return a, errors.New(a.Err)
	}
	return a, nil
}

func (p *process) ask(o order) (answer, error) {
	if err := p.orders.Encode(o); err != nil {
		return answer{}, fmt.Errorf("the process ended: %s", p.errors.first())
	}
	return p.answer()
}

// both gives an order to both sides and waits for both. An error of one side ends
// the other, which may wait for it.
func (p *pair) both(o order) (server, client answer, err error) {
	var all sync.WaitGroup
	var first sync.Once
	ask := func(p, other *process, a *answer) {
		var failed error
		if *a, failed = p.ask(o); failed != nil {
			first.Do(func() { err = failed }) // what the other says next is only our doing
			_ = other.cmd.Process.Kill()
		}
	}
	all.Go(func() { ask(p.server, p.client, &server) })
	all.Go(func() { ask(p.client, p.server, &client) })
	all.Wait()
	return server, client, err
}

// close ends the processes: they have nothing to finish.
func (p *pair) close() {
	for _, c := range []*process{p.client, p.server} {
		if c != nil && c.cmd.Process != nil {
			_ = c.in.Close()
			_ = c.cmd.Process.Kill()
			_ = c.cmd.Wait()
		}
	}
	_ = os.RemoveAll(p.dir)
}

// complaint keeps the beginning of what a child says of its troubles.
type complaint struct {
	mu   sync.Mutex
	text string
}

func (t *complaint) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text += string(p)
	const most = 2 << 10
	if len(t.text) > most {
		t.text = t.text[:most] // a panic says what it is at its beginning
	}
	return len(p), nil
}

// first is the first line of it that says something.
func (t *complaint) first() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	for line := range strings.Lines(t.text) {
		if line = strings.TrimSpace(line); line != "" {
			return line
		}
	}
	return "killed, or out of time"
}
