package serpy1

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/base85"
)

// maxCommand bounds a block that looks like a command gone wrong; what is longer is
// an application's text.
const maxCommand = 32

// A decoder reads one direction of a link.
type decoder struct {
	mode    uint8
	limit   int    // payload bytes
	scanned int    // bytes at the front of what waits that hold no end of a block
	block   []byte // behind room, the first part of a block whose end has not come; nil: none
	joined  []byte // of an acknowledged message whose EOT has not come
	fault   error  // of the block before, whose end was not taken yet
	acks    uint64 // seen
	told    uint64 // of them
}

// Decode takes blocks, as many as fit a frame, and gives their messages as a run, or
// how many acknowledgements came. A SETMODE is answered by a frame of KindAnswer. Bad
// base85, a pickle of no bytes and a malformed SETMODE are a *protocol.DroppedError.
func (d *decoder) Decode(b []byte) (protocol.Frame, int, error) {
	if d.fault != nil && len(b) > 0 {
		err := d.fault
		d.fault = nil
		return protocol.Frame{}, 1, &protocol.DroppedError{Err: err}
	}
	var r run
	at := 0
	d.scanned = min(d.scanned, len(b))
	for !r.full() {
		end := bytes.IndexByte(b[at+d.scanned:], us)
		if end < 0 {
			return d.short(&r, b, at)
		}
		end += at + d.scanned
		done, answer, err := d.take(&r, b[at:end], b[at:])
		d.scanned = 0
		switch {
		case err != nil:
			return protocol.Frame{}, at, err
		case !done: // what came before goes first
			d.scanned = end - at
			return d.frame(&r), at, nil
		case answer != "":
			return protocol.Frame{Kind: protocol.KindAnswer, Body: []byte(answer)}, end + 1, nil
		case d.fault != nil && r.count > 0: // told with the end of the block
			return d.frame(&r), end, nil
		case d.fault != nil:
			err, d.fault = d.fault, nil
			return protocol.Frame{}, end + 1, &protocol.DroppedError{Err: err}
		}
		at = end + 1
	}
	return d.frame(&r), at, nil
}

// frame is what came: messages, or acknowledgements.
func (d *decoder) frame(r *run) protocol.Frame {
	if r.count > 0 {
		return protocol.Frame{Kind: protocol.KindData, Count: r.count, Body: r.buf}
	}
	d.told = d.acks
	return protocol.Frame{Kind: protocol.KindData, Received: d.acks}
}

// short is the end of what is there. A large part of a block is kept here.
func (d *decoder) short(r *run, b []byte, at int) (protocol.Frame, int, error) {
	open := b[at:]
	if d.scanned = len(open); d.owes(r) {
		return d.frame(r), at, nil
	}
	// One byte more than a message may be its EOT, and a command is no message.
	if d.blockLen()+len(open) > max(d.most(), maxCommand)+1 {
		return protocol.Frame{}, at, d.tooLarge()
	}
	if d.block == nil {
		if len(open) <= protocol.MaxLeft {
			return protocol.Frame{}, at, protocol.ErrShort
		}
		d.block = make([]byte, room, room+2*len(open))
	}
	d.block = append(d.block, open...)
	d.scanned = 0
	return protocol.Frame{}, len(b), protocol.ErrShort
}

// owes says that a frame is to be handed over.
func (d *decoder) owes(r *run) bool { return r.count > 0 || d.acks != d.told }

// Finish says that the link ended inside a message, which is dropped.
func (d *decoder) Finish() (protocol.Frame, error) {
	if n := d.blockLen() + d.scanned + len(d.joined); n > 0 {
		return protocol.Frame{}, &protocol.DroppedError{Err: fmt.Errorf("the link ended inside a message, of which %d bytes had come", n)}
	}
	return protocol.Frame{}, nil
}

// take does with a block what has to be done. done is false if what came before has to
// be handed over first: nothing was changed then.
func (d *decoder) take(r *run, block, waiting []byte) (done bool, answer string, err error) {
	kind := data
	if d.block == nil {
		if len(block) == 0 {
			return true, "", nil
		}
		kind = commandOf(block)
	}
	switch {
	case kind == sawEOT && r.count == 0:
		d.acks++
		return true, "", nil
	case kind == sawMode:
		return true, "", nil
	case kind == sawEOT, kind != data && d.owes(r), d.acks != d.told:
		return false, "", nil
	case kind == newMode:
		return d.newMode(block[len(setMode)] - '0')
	case kind == malformed:
		d.fault = fmt.Errorf("a malformed SETMODE: %q", block[1:])
		return true, "", nil
	}
	if err = d.check(block); err != nil && r.count > 0 {
		err = nil // it comes again, as the first
	} else if err == nil && r.reserve(d.blockLen()+len(block), waiting) {
		d.text(r, block)
		done = true
	}
	return done, "", err
}

// newMode obeys a SETMODE.
func (d *decoder) newMode(mode uint8) (done bool, answer string, err error) {
	if mode > modeMost {
		return false, "", fmt.Errorf("a SETMODE to mode %d, in which everything vanishes", mode)
	}
	d.mode = mode
	return true, ackMode + "\x1f", nil
}

// check holds a block, and the message that it goes on with, to the limit.
func (d *decoder) check(block []byte) error {
	most, size := d.most(), d.blockLen()+len(block)
	if d.mode&modeAcked != 0 {
		if len(d.joined)+d.untilEOT(block) > most {
			return d.tooLarge()
		}
		most++
	}
	if size > most {
		return d.tooLarge()
	}
	return nil
}

// untilEOT is how much of a block goes to the message that was begun before.
func (d *decoder) untilEOT(block []byte) int {
	if d.block != nil {
		if i := bytes.IndexByte(d.block[room:], eot); i >= 0 {
			return i
		}
	}
	i := bytes.IndexByte(block, eot)
	if i < 0 {
		i = len(block)
	}
	return d.blockLen() + i
}

// most is how long the text of a message may be.
func (d *decoder) most() int {
	if d.mode < modeBase85 {
		return d.limit
	}
	return base85.EncodedLen(min(d.limit, math.MaxInt/5*4))
}

func (d *decoder) tooLarge() error {
	return fmt.Errorf("a message of more than %d bytes", d.limit)
}

// blockLen is the length of the part of a block that was taken over.
func (d *decoder) blockLen() int { return max(len(d.block)-room, 0) }

// text takes a whole block that is no command.
func (d *decoder) text(r *run, block []byte) {
	memory := d.block
	if d.block = nil; memory != nil {
		memory = append(memory, block...)
		if block = memory[room:]; d.whole(r, memory) {
			return
		}
	}
	if d.mode&modeAcked == 0 {
		d.message(r, block)
		return
	}
	for {
		i := bytes.IndexByte(block, eot)
		if i < 0 {
			d.joined = append(d.joined, block...)
			return
		}
		if len(d.joined) == 0 {
			d.message(r, block[:i])
		} else {
			d.joined = append(d.joined, block[:i]...)
			d.message(r, d.joined)
			if d.joined = d.joined[:0]; cap(d.joined) > protocol.GroupSize {
				d.joined = nil
			}
		}
		block = block[i+1:]
	}
}

// whole makes the memory of a large block the run, if one message is all of it.
func (d *decoder) whole(r *run, memory []byte) bool {
	if text := memory[room:]; d.mode&modeAcked != 0 {
		if len(d.joined) > 0 || bytes.IndexByte(text, eot) != len(text)-1 {
			return false
		}
		memory = memory[:len(memory)-1]
	}
	if d.good(memory[room:]) {
		r.own(d.flags(), d.meta(), memory)
	}
	return true
}

// message puts a message into the run, or says what is wrong with it.
func (d *decoder) message(r *run, text []byte) {
	if d.good(text) {
		r.add(d.flags(), d.meta(), text)
	}
}

var errNoPickle = errors.New("a pickle of no bytes")

// good holds a text to its mode. The first fault of a block is the one that is told.
func (d *decoder) good(text []byte) bool {
	var err error
	switch {
	case d.mode < modeBase85:
		return true
	case d.mode >= modePickle && len(text) < 2: // one digit stands for no byte
		err = errNoPickle
	default:
		err = base85.Check(text)
	}
	if err == nil {
		return true
	}
	if d.fault == nil {
		d.fault = fmt.Errorf("a message in mode %d: %w", d.mode, err)
	}
	return false
}

// flags of a message in the present mode.
func (d *decoder) flags() (f protocol.UnitFlags) {
	if d.mode&modeAcked != 0 {
		f |= protocol.UnitAcked
	}
	if d.mode >= modeBase85 {
		f |= protocol.UnitBase85
	}
	return f
}

var pickleMeta = (&protocol.Meta{Type: protocol.Pickle}).Append(nil)

func (d *decoder) meta() []byte {
	if d.mode >= modePickle {
		return pickleMeta
	}
	return nil
}

// A command is what a block that begins with 01 is.
type command uint8

const (
	data      command = iota // no command: a text that begins so
	newMode                  // SETMODE and a digit
	sawMode                  // the answer to ours
	sawEOT                   // an acknowledgement
	malformed                // SETMODE and something else
)

func commandOf(block []byte) command {
	switch {
	case len(block) == 0 || block[0] != soh:
		return data
	case string(block) == ackEOT:
		return sawEOT
	case string(block) == ackMode:
		return sawMode
	case len(block) > maxCommand || !bytes.HasPrefix(block, []byte(setMode)):
		return data
	case len(block) == len(setMode)+1 && block[len(setMode)] >= '0' && block[len(setMode)] <= '9':
		return newMode
	}
	return malformed
}
