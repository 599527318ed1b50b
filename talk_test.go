package serpy_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/serpytest"
)

// A line is one message of a talk.
type line struct {
	key  uint32
	mode serpy.Mode
	data []byte
	join bool // goes in one batch with the line before
}

// message gives the line as it is sent: its key is in the payload, or, where that
// has no room, in the Tag.
func (l *line) message() serpy.Message {
	m := serpy.Message{Data: l.data, Mode: l.mode}
	if len(l.data) < 4 {
		m.Tag = l.key
	}
	return m
}

// keyOf finds the key of a received message; 0 belongs to none.
func keyOf(m serpy.Message) uint32 {
	switch {
	case m.Tag != 0:
		return m.Tag
	case len(m.Data) < 4:
		return 0
	}
	return binary.LittleEndian.Uint32(m.Data)
}

// script writes the lines of one direction: modes, sizes and bytes of all kinds,
// some of several fragments, some in a batch.
func script(direction uint32) []line {
	sizes := []int{5, 0, 40, 65_540, 1, 12, 9, 30, 7, 300, 53_000, 33, 0, 4, 64, 3, 127, 128, 21, 6}
	if direction == 1 {
		sizes[3] = 131_080
	}
	lines := make([]line, 0, len(sizes))
	for i, size := range sizes {
		key := direction*1000 + uint32(i) + 1
		l := line{key: key, mode: serpy.Mode(i % 4), data: payload(uint64(key), size), join: i == 7 || i == 8}
		switch {
		case size == 53_000:
			l.mode = serpy.Base85 // two fragments once it is encoded
		case i >= 6 && i <= 8:
			l.mode = serpy.Plain
		}
		if size >= 4 {
			binary.LittleEndian.PutUint32(l.data, key)
		}
		lines = append(lines, l)
	}
	return lines
}

// payload gives bytes of all values, the same for the same seed.
func payload(seed uint64, size int) []byte {
	chance := rand.New(rand.NewPCG(seed, 0))
	b := make([]byte, size)
	for i := 0; i < size; i += 8 {
		var v [8]byte
		binary.LittleEndian.PutUint64(v[:], chance.Uint64())
		copy(b[i:], v[:])
	}
	return b
}

// refusedKeys are refused by the application of a talk's listening side.
var refusedKeys = map[uint32]bool{1002: true, 1016: true, 1017: true}

// A talk is a conversation of two scripts at once, over links with troubles. The
// listening side acknowledges what is processed, out of order, and refuses some;
// the dialling side acknowledges on receipt.
type talk struct {
	link   serpytest.Link
	pace   time.Duration // between two lines; 0: as fast as it goes
	onDial func(n int, dialled, accepted *serpytest.Conn)
	wrap   func(net.Conn) net.Conn                                                                // the dialler's end
	during func(ctx context.Context, c *serpy.Connection, l *serpytest.Listener, s *serpy.Server) // beside the talk
	tune   func(listening, dialling *serpy.Options)
	over   atomic.Bool // all is said: the dialling side closes
}

// talkTime bounds a talk. It is far more than reconnecting takes; in a bubble it
// costs nothing.
const talkTime = 5 * time.Minute

// run holds the talk and checks every promise. Call it in a bubble.
func (k *talk) run(t *testing.T) (links int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), talkTime)
	defer cancel()
	l := serpytest.Listen(k.link)
	l.OnDial(k.onDial)
	there, back := &serpytest.History{WhenProcessed: true}, &serpytest.History{}
	listening, dialling := &serpy.Options{AckWhen: serpy.OnProcessed}, &serpy.Options{
		Dial:      l.DialAddress,
		Reconnect: serpy.Reconnect{FirstDial: serpy.InBackground, Min: time.Millisecond, Max: 20 * time.Millisecond},
	}
	if k.wrap != nil {
		dialling.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			c, err := l.DialAddress(ctx, address)
			if err != nil {
				return nil, err
			}
			return k.wrap(c), nil
		}
	}
	if k.tune != nil {
		k.tune(listening, dialling)
	}
	s, err := serpy.NewServer(l, listening)
	require.NoError(t, err)
	serving, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() {
		served <- s.Serve(serving, func(_ context.Context, c *serpy.Connection) error {
			k.half(ctx, t, c, "listener", script(2), back, there, true)
			<-c.Done()
			assert.NoError(t, c.Err(), "the listening side's end")
			return nil
		})
	}()
	c, err := serpy.Dial(ctx, "tcp://talk:1", dialling)
	require.NoError(t, err)
	var beside sync.WaitGroup
	if k.during != nil {
		beside.Go(func() { k.during(ctx, c, l, s) })
	}
	k.half(ctx, t, c, "dialler", script(1), there, back, false)
	beside.Wait()
	links = c.Stats().Links
	k.over.Store(true)
	assert.NoError(t, c.Close())
	assert.NoError(t, c.Err(), "the dialling side's end")
	for s.Len() > 0 && ctx.Err() == nil {
		bubbleSleep(time.Millisecond) // in a bubble: the listening side learns of the end
	}
	stop()
	assert.NoError(t, <-served)
	assert.NoError(t, ctx.Err(), "the talk hung")
	assert.Equal(t, uint64(1), s.Stats().Accepted, "sessions")
	there.Verify(t)
	back.Verify(t)
	return links
}

// half is one side of a talk. It returns when all that it sent is confirmed, and
// all that it is sent has come. What comes too much until the end is taken down too.
func (k *talk) half(ctx context.Context, t *testing.T, c *serpy.Connection, who string, lines []line, out, in *serpytest.History, processed bool) {
	t.Helper()
	all := make(chan struct{})
	var reading, sending sync.WaitGroup
	reading.Go(func() { hear(ctx, t, c, who, in, processed, all) })
	sending.Go(func() {
		if err := speak(ctx, c, lines, out, k.pace); err != nil {
			assert.NoError(t, err, who)
		}
	})
	sending.Wait()
	select {
	case <-all:
	case <-ctx.Done():
		assert.Fail(t, "messages never came", who)
	case <-c.Done():
		select {
		case <-all:
		default:
			assert.Fail(t, "the connection ended before all had come", "%s: %v", who, c.Err())
		}
	}
	t.Cleanup(reading.Wait)
}

// hear takes down what comes, until the connection ends; all is closed when the
// whole script has come.
func hear(ctx context.Context, t *testing.T, c *serpy.Connection, who string, in *serpytest.History, processed bool, all chan<- struct{}) {
	t.Helper()
	modes := make(map[uint32]serpy.Mode)
	for _, direction := range []uint32{1, 2} {
		for _, l := range script(direction) {
			modes[l.key] = l.mode
		}
	}
	var held []serpy.Message
	settle := func(m serpy.Message) {
		if key := keyOf(m); refusedKeys[key] {
			in.WasNacked(uint64(key))
			m.Nack(fmt.Sprint("no ", key))
		} else {
			in.Acked(uint64(key))
			m.Ack()
		}
	}
	for n := 1; ; n++ {
		m, err := c.Receive(ctx)
		if err != nil {
			return
		}
		in.ReceivedMessage(uint64(keyOf(m)), m)
		if mode := modes[keyOf(m)]; mode != m.Mode {
			assert.Fail(t, "another mode", "%s: message %d came as %v, was sent as %v", who, keyOf(m), m.Mode, mode)
		}
		if n == len(modes)/2 {
			close(all) // before it is confirmed, and the other side may close
		}
		if processed {
			// Out of order: each but the first before the one before it.
			if held = append(held, m); len(held) == 2 {
				settle(held[1])
				held[1] = serpy.Message{}
				settle(held[0])
				held = held[:0]
			}
		}
	}
}

// speak sends the lines, waits for their receipts, and flushes.
func speak(ctx context.Context, c *serpy.Connection, lines []line, out *serpytest.History, pace time.Duration) error {
	type pending struct {
		sent    *serpytest.Sent
		receipt serpy.Receipt
		key     uint32
	}
	receipts := make(chan pending, len(lines))
	resolved := make(chan error, 1)
	go func() {
		var errs []error
		for p := range receipts {
			err := p.receipt.Wait(ctx)
			p.sent.Resolved(err)
			var nack *serpy.NackError
			switch {
			case errors.As(err, &nack) && nack.Reason == fmt.Sprint("no ", p.key):
			case err != nil:
				errs = append(errs, fmt.Errorf("receipt of %d: %w", p.key, err))
			}
		}
		resolved <- errors.Join(errs...)
	}()
	for i := 0; i < len(lines); {
		var batch []serpy.Message
		var sent []*serpytest.Sent
		for first := i; i == first || i < len(lines) && lines[i].join; i++ {
			l := &lines[i]
			batch = append(batch, l.message())
			sent = append(sent, out.Sending(uint64(l.key), l.mode.IsAcked(), l.data))
		}
		var r serpy.Receipt
		var err error
		if len(batch) == 1 {
			r, err = c.SendMessage(ctx, batch[0])
		} else {
			r, err = c.SendBatch(ctx, batch)
		}
		for _, s := range sent {
			s.Returned(err)
		}
		if err != nil {
			close(receipts)
			return errors.Join(fmt.Errorf("send %d: %w", lines[i-1].key, err), <-resolved)
		}
		if last := len(batch) - 1; batch[last].Mode.IsAcked() {
			receipts <- pending{sent[last], r, lines[i-1].key}
		}
		bubbleSleep(pace) // in a bubble
	}
	close(receipts)
	err := c.Flush(ctx)
	return errors.Join(err, <-resolved)
}
