package serpy

// A roll is a server's connections, oldest first. Who leaves does not cost a walk over
// the others: its place stays empty until half of them are.
type roll struct {
	places []*Connection // nil: left
	left   int
	listed []*Connection // all of them, never written to; nil: not listed since one came or left
}

func (r *roll) len() int { return len(r.places) - r.left }

func (r *roll) add(c *Connection) {
	r.listed = nil
	c.place = int32(len(r.places)) //nolint:gosec // at most MaxConnections
	r.places = append(r.places, c)
}

func (r *roll) remove(c *Connection) {
	if int(c.place) >= len(r.places) || r.places[c.place] != c {
		return // it is not here any more
	}
	r.listed = nil
	r.places[c.place] = nil
	if r.left++; 2*r.left <= len(r.places) {
		return
	}
	places := r.list()
	r.places, r.left = places, 0
	for i, c := range places {
		c.place = int32(i)
	}
}

// all gives them in memory that nobody may write to: it serves until one comes or leaves.
func (r *roll) all() []*Connection {
	if r.listed == nil {
		r.listed = r.list()
	}
	return r.listed
}

// list gives a copy.
func (r *roll) list() []*Connection {
	list := make([]*Connection, 0, r.len())
	for _, c := range r.places {
		if c != nil {
			list = append(list, c)
		}
	}
	return list
}
