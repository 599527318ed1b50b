package sim

import (
	"encoding/binary"

	"github.com/serpy-go/serpy/protocol"
)

// enqueue takes the units of a group into the receive queue.
func (p *peer) enqueue(f *protocol.Frame) {
	if p.said || p.ended {
		p.w.fail("session %d: units after the final numbers", p.name)
	}
	run := f.Body
	for range f.Count {
		u, rest, err := protocol.NextUnit(run)
		if err != nil {
			p.w.fail("a group does not hold its units: %v", err)
		}
		p.arrive(&u, uint64(len(run)-len(rest)))
		run = rest
	}
	if len(run) > 0 || p.got != p.s.Received() {
		p.w.fail("session %d: %d units were received, and %d counted", p.name, p.got, p.s.Received())
	}
	if p.roomUnits > p.cfg.Units || p.roomBytes > p.cfg.Bytes {
		p.w.fail("session %d: %d units and %d bytes wait, beyond the room", p.name, p.roomUnits, p.roomBytes)
	}
}

func (p *peer) arrive(u *protocol.Unit, size uint64) {
	of := p.w.streams[binary.LittleEndian.Uint32(u.Payload)]
	message, fragment := int(binary.LittleEndian.Uint32(u.Payload[4:])), int(u.Payload[8])
	if p.in == nil {
		p.in = of
	}
	if p.in != of || fragment != p.fragIn {
		p.w.fail("session %d: fragment %d of message %d of stream %d, and %d was due", p.name, fragment, message, of.id, p.fragIn)
	}
	p.got++
	p.roomUnits++
	p.roomBytes += size
	end := u.Flags&protocol.UnitMore == 0
	p.queue = append(p.queue, unit{no: p.got, bytes: size, message: message, end: end})
	p.processed = append(p.processed, false)
	p.fragIn++
	if end {
		p.fragIn = 0
		p.in.enqueue(p.w, p, message, p.s.Redelivered(p.got))
	}
}

// take is the application that takes a unit: fragments gather in a message.
func (p *peer) take() bool {
	if p.head == len(p.queue) {
		return false
	}
	u := &p.queue[p.head]
	p.head++
	m := &p.making
	if m.bytes == 0 {
		m.first = u.no
	}
	m.last, m.bytes, m.message = u.no, m.bytes+u.bytes, u.message
	p.taken = u.no
	if p.cfg.AckWhen == protocol.OnProcessed {
		p.s.Taken(u.no, 0, 0)
		if u.end {
			p.held = append(p.held, *m)
		}
	} else {
		p.roomUnits--
		p.roomBytes -= u.bytes
		p.s.Taken(u.no, 1, u.bytes)
		if u.end {
			p.in.status[u.message] |= acked
		}
	}
	if u.end {
		*m = entry{}
	}
	if p.head == len(p.queue) {
		p.queue, p.head = p.queue[:0], 0
	}
	return true
}

// ack is the application that is done with one of the messages that it holds, in
// any order.
func (p *peer) ack(b byte) bool {
	if len(p.held) == 0 {
		return false
	}
	i := int(b&0x7f) % len(p.held)
	e := p.held[i]
	p.held[i] = p.held[len(p.held)-1]
	p.held = p.held[:len(p.held)-1]
	units := e.last - e.first + 1
	var nack *protocol.Nack
	if p.in.refuses(e.message) {
		nack = &protocol.Nack{Unit: e.last, Reason: "no"}
		p.in.status[e.message] |= refused
	} else {
		p.in.status[e.message] |= acked
	}
	for no := e.first; no <= e.last; no++ {
		p.processed[no] = true
	}
	p.roomUnits -= units
	p.roomBytes -= e.bytes
	if !p.s.Processed(e.first, e.last, units, e.bytes, nack) {
		p.w.fail("session %d: units %d to %d were not news", p.name, e.first, e.last)
	}
	if b&0x80 != 0 && p.s.Processed(e.first, e.last, units, e.bytes, nil) {
		p.w.fail("session %d: units %d to %d were news twice", p.name, e.first, e.last)
	}
	return true
}
