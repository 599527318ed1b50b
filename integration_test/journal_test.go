//go:build linux

package integration

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// A fact is one line of a journal.
type fact struct {
	at   int64 // of the machine's monotonic clock, which all processes share
	what what
	key  uint64 // of the message: see keyOf; of crashes and events the conversation's
	id   uint64
	a, b uint64
}

type what uint8

const (
	sending      what = iota + 1 // a: bytes, b: 1 if acked
	accepted                     // the send returned nil
	refusedSend                  // the send failed before acceptance
	confirmed                    // the receipt said nil
	nacked                       // the receipt said that the application refused
	unconfirmed                  // the receipt said that nobody will say
	gapFound                     // id, a: first and last; b: count<<8 | reason. Before the received it stands in
	received                     // a: bytes, b: bit 0 redelivered, bit 1 spoiled
	acking                       // the application is about to say Ack
	sessionLost                  // a: unconfirmed, b: undelivered
	dropped                      // a: total that a policy dropped
	connected                    // a: 1 if resumed, b: units replayed
	disconnected                 // the link is down
	flushed                      // a: 1 if CloseSend returned nil
	atEnd                        // the peer said that no more come
	ended                        // the connection's end
	senderDied                   // written by the test itself, before the kill
	receiverDied                 // likewise
)

const factSize = 48

// A key names a message: the sender's side (0 dialler, 1 listener), the count of its
// process's lives, its conversation in that life, and the message's own count.
type convo uint16

func convoOf(side, life, n int) convo { return convo(side<<15 | life<<8 | n + 1) }

func (c convo) side() int { return int(c >> 15) }
func (c convo) life() int { return int(c >> 8 & 0x7f) }

func (c convo) String() string {
	return fmt.Sprintf("%s, life %d, conversation %d", [2]string{"dialler", "listener"}[c.side()], c.life(), c&0xff)
}

func keyOf(c convo, n uint64) uint64    { return uint64(c)<<48 | n }
func convoOfKey(key uint64) convo       { return convo(key >> 48) }
func monotonic() (t int64)              { return nanos(unix.CLOCK_MONOTONIC) }
func (f fact) flag(bit uint) (set bool) { return f.b>>bit&1 != 0 }

func nanos(clock int32) int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(clock, &ts); err != nil {
		panic(err)
	}
	return ts.Nano()
}

// A journal is a file of facts. Each is one write of a few bytes at the file's end,
// so that kill -9 of the writer loses none that was written.
type journal struct {
	file  *os.File
	facts atomic.Uint64
}

func openJournal(path string) (*journal, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return &journal{file: f}, nil
}

func (j *journal) note(f fact) {
	if f.at == 0 {
		f.at = monotonic()
	}
	var b [factSize]byte
	binary.LittleEndian.PutUint64(b[0:], uint64(f.at))
	binary.LittleEndian.PutUint64(b[8:], uint64(f.what))
	binary.LittleEndian.PutUint64(b[16:], f.key)
	binary.LittleEndian.PutUint64(b[24:], f.id)
	binary.LittleEndian.PutUint64(b[32:], f.a)
	binary.LittleEndian.PutUint64(b[40:], f.b)
	if _, err := j.file.Write(b[:]); err != nil {
		panic(err) // a test that cannot take down what it saw is none
	}
	j.facts.Add(1)
}

// readJournal reads the facts of a file, in the order in which they were written.
func readJournal(path string) ([]fact, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if len(b)%factSize != 0 {
		return nil, fmt.Errorf("%s ends in the middle of a fact", path)
	}
	facts := make([]fact, 0, len(b)/factSize)
	for ; len(b) > 0; b = b[factSize:] {
		facts = append(facts, fact{
			at:   int64(binary.LittleEndian.Uint64(b[0:])),
			what: what(binary.LittleEndian.Uint64(b[8:])),
			key:  binary.LittleEndian.Uint64(b[16:]),
			id:   binary.LittleEndian.Uint64(b[24:]),
			a:    binary.LittleEndian.Uint64(b[32:]),
			b:    binary.LittleEndian.Uint64(b[40:]),
		})
	}
	return facts, nil
}

// fill makes the payload of a message: its key, and bytes that follow from it.
func fill(key uint64, size int) []byte {
	b := make([]byte, size+7)
	x := key*0x9e3779b97f4a7c15 + 1
	binary.LittleEndian.PutUint64(b, key)
	for i := 8; i+8 <= len(b); i += 8 {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		binary.LittleEndian.PutUint64(b[i:], x)
	}
	return b[:size]
}

// keyIn reads the key of a payload, and whether the bytes are those that belong to it.
func keyIn(payload []byte) (key uint64, ok bool) {
	if len(payload) < 8 {
		return 0, false
	}
	key = binary.LittleEndian.Uint64(payload)
	return key, string(fill(key, len(payload))) == string(payload)
}
