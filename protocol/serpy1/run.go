package serpy1

import (
	"bytes"

	"github.com/serpy-go/serpy/protocol"
)

// room is what is left free in front of a large block for the head of its unit, in
// bytes: a length, flags, and metadata that says Pickle.
const room = 16

// maxUnits bounds the messages of a frame.
const maxUnits = 1024

// A run collects the messages of a frame in memory of its own, which is taken once
// and not much larger than they are.
type run struct {
	buf     []byte
	count   int
	waiting []byte // from the first message on
	block   int    // its length
}

func (r *run) full() bool { return r.count >= maxUnits || len(r.buf) >= protocol.GroupSize }

// reserve says whether a block has room, which the first has always.
func (r *run) reserve(block int, waiting []byte) bool {
	if r.count == 0 {
		r.waiting, r.block = waiting, block
		return true
	}
	return block+room <= cap(r.buf)-len(r.buf)
}

// grow takes the memory, by what waits: what the block at its front needs, and up to
// GroupSize what the others do.
func (r *run) grow() {
	window := r.waiting[:min(len(r.waiting), protocol.GroupSize)]
	// A unit is longer than its block by at most two bytes, or six of a pickle.
	size := len(window) + 3*bytes.Count(window, []byte{us})
	r.buf = make([]byte, 0, max(size, r.block)+room)
}

func (r *run) add(flags protocol.UnitFlags, meta, payload []byte) {
	if r.buf == nil {
		r.grow()
	}
	r.buf = protocol.AppendUnit(r.buf, flags, meta, payload)
	r.count++
}

// own makes a run of one message of memory that is given away, whose payload stands
// behind room.
func (r *run) own(flags protocol.UnitFlags, meta, memory []byte) {
	if cap(memory)-len(memory) > len(memory)/4 { // what it holds counts, not what it uses
		memory = append(make([]byte, 0, len(memory)), memory...)
	}
	var space [room]byte
	head := protocol.AppendUnitHead(space[:0], flags, meta, len(memory)-room)
	r.buf = memory[room-len(head) : len(memory) : len(memory)]
	copy(r.buf, head)
	r.count = 1
}
