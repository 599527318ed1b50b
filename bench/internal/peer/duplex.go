package peer

import (
	"context"
	"errors"
	"sync"
	"time"
)

// A link is a connection of a peer that sends and receives messages, one a call.
type link interface {
	send(data []byte) error
	receive() ([]byte, error) // valid until the next call
	close() error
}

// A duplex is a side of a peer that has links.
type duplex struct {
	spec     Spec
	listens  bool
	links    []link
	accepted chan link    // of the listening side
	single   bool         // one link, or socket, for all that dial
	stop     func() error // ends what the links are accepted by; may be nil
	count    counter
	reading  bool
	idle     sync.WaitGroup
}

// newListening makes a listening side whose links come by accepted.
func newListening(s Spec) *duplex {
	return &duplex{spec: s, listens: true, accepted: make(chan link, 1024)}
}

// newSingle makes a listening side with one link, which stands for all that dial.
func newSingle(s Spec, l link) *duplex {
	return &duplex{spec: s, listens: true, single: true, links: []link{l}}
}

// dialAll makes a dialling side with the connections of the Spec.
func dialAll(s Spec, dial func() (link, error)) (Side, error) {
	if s.Kind == Idle {
		return newIdle(s, func() (link, error) { return dial() }), nil
	}
	d := &duplex{spec: s}
	for range max(s.Conns, 1) {
		l, err := dial()
		if err != nil {
			return nil, errors.Join(err, d.Close())
		}
		d.links = append(d.links, l)
	}
	return d, nil
}

func (d *duplex) Close() error {
	if d.stop != nil {
		_ = d.stop()
	}
	for _, l := range d.links {
		_ = l.close()
	}
	return nil
}

func (d *duplex) accept(ctx context.Context, n int) error {
	for !d.single && len(d.links) < n {
		select {
		case l := <-d.accepted:
			d.links = append(d.links, l)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (d *duplex) Run(ctx context.Context, n int) (Outcome, error) {
	if !d.listens {
		return d.client(ctx, n)
	}
	if err := d.accept(ctx, d.spec.accepts(n)); err != nil {
		return Outcome{}, err
	}
	switch d.spec.Kind {
	case OneWay:
		return Outcome{}, drain(d.links[0], n)
	case PingPong:
		return Outcome{}, answer(d.links[0], n, nil)
	case Acked:
		return Outcome{}, answer(d.links[0], n, make([]byte, Confirmed))
	case FanOut:
		return Outcome{}, each(len(d.links), func(i int) error { return stream(d.links[i], n, make([]byte, d.spec.Size)) })
	case Idle:
		for _, l := range d.links { // of a single one that wait is for all
			d.idle.Go(func() { _, _ = l.receive() })
		}
		return Outcome{}, nil
	default:
		return Outcome{}, errRun
	}
}

func (d *duplex) client(ctx context.Context, n int) (Outcome, error) {
	data := make([]byte, d.spec.Size)
	switch d.spec.Kind {
	case OneWay:
		return Outcome{}, stream(d.links[0], n, data)
	case PingPong:
		return trips(d.links[0], n, data)
	case Acked:
		if d.spec.Window == 1 {
			return trips(d.links[0], n, data)
		}
		return Outcome{}, window(d.links[0], n, d.spec.Window, data)
	case FanOut:
		if !d.reading {
			d.reading = true
			for _, l := range d.links {
				d.idle.Go(func() { d.collect(l) })
			}
		}
		return d.count.wait(ctx, n*len(d.links))
	default:
		return Outcome{}, errRun
	}
}

// collect counts what a link receives, until it ends.
func (d *duplex) collect(l link) {
	for {
		if _, err := l.receive(); err != nil {
			return
		}
		d.count.add()
	}
}

func stream(l link, n int, data []byte) error {
	for range n {
		if err := l.send(data); err != nil {
			return err
		}
	}
	return nil
}

func drain(l link, n int) error {
	for range n {
		if _, err := l.receive(); err != nil {
			return err
		}
	}
	return nil
}

// answer sends with back, or, without, the message itself, for each message.
func answer(l link, n int, with []byte) error {
	for range n {
		m, err := l.receive()
		if err != nil {
			return err
		}
		if with != nil {
			m = with
		}
		if err := l.send(m); err != nil {
			return err
		}
	}
	return nil
}

// trips sends a message and waits for its answer, again and again.
func trips(l link, n int, data []byte) (Outcome, error) {
	return timed(n, func() error {
		if err := l.send(data); err != nil {
			return err
		}
		_, err := l.receive()
		return err
	})
}

// timed calls f so often and notes how long each call took.
func timed(n int, f func() error) (Outcome, error) {
	took := make([]time.Duration, n)
	for i := range took {
		start := time.Now()
		if err := f(); err != nil {
			return Outcome{}, err
		}
		took[i] = time.Since(start)
	}
	return Outcome{Took: took}, nil
}

// window keeps so many messages without an answer under way.
func window(l link, n, most int, data []byte) error {
	for i := range n {
		if i >= most {
			if _, err := l.receive(); err != nil {
				return err
			}
		}
		if err := l.send(data); err != nil {
			return err
		}
	}
	return drain(l, min(n, most))
}
