package serpy2

import "github.com/serpy-go/serpy/protocol"

// room is what is left free in front of a large body for the head of its unit, in
// bytes.
const room = 16

// maxUnits bounds the messages of a frame.
const maxUnits = 1024

// A run collects the messages of a frame in memory of its own, which is taken once: a
// unit is never longer than its message was.
type run struct {
	buf   []byte
	count int
}

func (r *run) full() bool { return r.count >= maxUnits || len(r.buf) >= protocol.GroupSize }

// add appends a message, if there is room for it, which for the first there is. So many
// bytes wait, it included.
func (r *run) add(meta, payload []byte, waiting int) bool {
	need := protocol.UnitLen(len(meta), len(payload))
	if r.buf == nil {
		r.buf = make([]byte, 0, max(need, min(waiting, protocol.GroupSize)))
	} else if need > cap(r.buf)-len(r.buf) {
		return false
	}
	r.buf = protocol.AppendUnit(r.buf, 0, meta, payload)
	r.count++
	return true
}

// own makes a run of one message of memory that is given away, whose payload stands
// behind room.
func own(meta, memory []byte) []byte {
	if cap(memory)-len(memory) > len(memory)/4 { // what it holds counts, not what it uses
		memory = append(make([]byte, 0, len(memory)), memory...)
	}
	var space [room]byte
	head := protocol.AppendUnitHead(space[:0], 0, meta, len(memory)-room)
	run := memory[room-len(head) : len(memory) : len(memory)]
	copy(run, head)
	return run
}
