package pickle

import "fmt"

// A finisher makes of the containers of a machine those that the caller gets.
type finisher struct{ limits Limits }

// finish gives a value as the caller sees it, and how many values it is, counted as
// often as they are referred to: who walks it has that much to do.
func (f *finisher) finish(v any, depth int) (done any, weight int, err error) {
	c, ok := v.(*container)
	switch {
	case !ok:
		return v, 1, nil
	case c.open:
		return nil, 0, fmt.Errorf("%w: a container that holds itself", ErrUnsupported)
	case depth+c.deepest >= f.limits.Depth:
		return nil, 0, fmt.Errorf("%w: containers in containers, more than %d deep", ErrLimit, f.limits.Depth)
	case c.done != nil:
		return c.done, c.weight, nil
	}
	c.open = true
	weight = containerCost
	items := make([]any, len(c.items))
	for i, item := range c.items {
		var w int
		if items[i], w, err = f.finish(item, depth+1); err != nil {
			return nil, 0, err
		}
		if inner, ok := item.(*container); ok {
			c.deepest = max(c.deepest, inner.deepest+1)
		}
		if weight += w; weight > f.limits.Values {
			return nil, 0, fmt.Errorf("%w: more than %d values, by reference", ErrLimit, f.limits.Values)
		}
	}
	c.open, c.weight, c.items = false, weight, nil
	switch c.kind {
	case list:
		c.done = List(items)
	case tuple:
		c.done = Tuple(items)
	case set:
		c.done = Set(items)
	case dict:
		d := make(Dict, 0, len(items)/2)
		for i := 0; i < len(items); i += 2 {
			d = append(d, Item{items[i], items[i+1]})
		}
		c.done = d
	}
	return c.done, weight, nil
}
