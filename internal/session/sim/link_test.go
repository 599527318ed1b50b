package sim

import "github.com/serpy-go/serpy/protocol"

// Sides of a link, and directions by who writes.
const (
	dialling  = 0
	listening = 1
)

// A pipe is one direction of a link. Bytes before avail have arrived, and those
// before off were read.
type pipe struct {
	buf        []byte
	off, avail int
	ended      bool // nothing more will be written
	deaf       bool // the reader has gone: what is written is lost
}

func (p *pipe) dry() bool { return p.off == len(p.buf) }

func (p *pipe) trim() {
	switch {
	case p.dry():
		p.buf, p.off, p.avail = p.buf[:0], 0, 0
	case p.off > 4096 && p.off > len(p.buf)/2:
		n := copy(p.buf, p.buf[p.off:])
		p.buf, p.avail, p.off = p.buf[:n], p.avail-p.off, 0
	}
}

// A link is one transport connection.
type link struct {
	no  uint64
	dir [2]pipe
	enc [2]protocol.Encoder
	dec [2]protocol.Decoder
	// Who dialled, and who answered: for the oracle.
	from, to *peer
}

func newLink(no uint64, from *peer) *link {
	n := &link{no: no, from: from}
	for side := range 2 {
		n.enc[side], n.dec[side] = protocol.Native{}.NewEncoder(), protocol.Native{}.NewDecoder(1<<20)
	}
	return n
}

// write appends a frame.
func (n *link) write(w *world, side int, f *protocol.Frame) {
	p := &n.dir[side]
	if p.ended {
		w.fail("a %v frame is written behind the end", f.Kind)
	}
	before := len(p.buf)
	buf, err := n.enc[side].Append(p.buf, f)
	if err != nil {
		w.fail("a frame cannot be encoded: %v", err)
	}
	w.frames++
	w.note("link %d, side %d writes %v: first %d+%d, received %d, processed %d, Limit %d/%d", n.no, side, f.Kind, f.First, f.Count, f.Received, f.Processed, f.LimitUnits, f.LimitBytes)
	p.buf = buf
	if p.deaf {
		p.buf = buf[:before]
	}
}

// read takes one frame; ok is false if none is whole.
func (n *link) read(w *world, side int) (f protocol.Frame, ok bool) {
	p := &n.dir[1-side]
	f, used, err := n.dec[side].Decode(p.buf[p.off:p.avail])
	if protocol.IsShort(err) {
		return f, false
	}
	if err != nil {
		w.fail("an honest peer's bytes are refused: %v", err)
	}
	p.off += used
	w.note("link %d, side %d reads %v: first %d+%d", n.no, side, f.Kind, f.First, f.Count)
	return f, true
}

// over reports whether side has read everything that it will ever get.
func (n *link) over(side int) bool {
	p := &n.dir[1-side]
	return p.ended && p.avail == len(p.buf)
}

// drop gives up side's end: what it wrote may be lost from any byte on that has not
// arrived, and what is written to it is lost.
func (n *link) drop(side int, luck byte) {
	n.from.w.note("link %d, side %d drops", n.no, side)
	out, in := &n.dir[side], &n.dir[1-side]
	if !out.ended {
		out.ended = true
		out.buf = out.buf[:out.avail+(len(out.buf)-out.avail)*int(luck)/255]
	}
	in.deaf = true
}

// deliver lets bytes of side's arrive, all or a few.
func (n *link) deliver(side int, b byte) bool {
	p := &n.dir[side]
	before := p.avail
	if b >= 96 {
		p.avail = len(p.buf)
	} else {
		p.avail = min(len(p.buf), p.avail+1+int(b))
	}
	return p.avail > before
}
