package serpy

// A ring is a queue in an array that goes round; at(0) is the oldest element.
type ring[T any] struct {
	a    []T // a power of two long
	head int
	n    int
}

func (r *ring[T]) len() int { return r.n }

func (r *ring[T]) at(i int) *T { return &r.a[(r.head+i)&(len(r.a)-1)] }

// push appends v and gives its place, which holds until the next push or insert.
func (r *ring[T]) push(v T) *T {
	if r.n == len(r.a) {
		a := make([]T, max(4, 2*len(r.a)))
		for i := range r.n {
			a[i] = *r.at(i)
		}
		r.a, r.head = a, 0
	}
	r.n++
	p := r.at(r.n - 1)
	*p = v
	return p
}

// pop forgets the oldest element.
func (r *ring[T]) pop() {
	var zero T
	*r.at(0) = zero
	r.head = (r.head + 1) & (len(r.a) - 1)
	r.n--
	if r.n == 0 && len(r.a) > 64 {
		r.a, r.head = nil, 0
	}
}

// insert puts v before the element i.
func (r *ring[T]) insert(i int, v T) {
	r.push(v)
	for k := r.n - 1; k > i; k-- {
		*r.at(k) = *r.at(k - 1)
	}
	*r.at(i) = v
}

// remove takes out the element i.
func (r *ring[T]) remove(i int) {
	for k := i; k > 0; k-- {
		*r.at(k) = *r.at(k - 1)
	}
	r.pop()
}
