// Package pickle reads the Python pickles that serpy sends in its modes 4 and 5, where
// they hold plain values alone: None, bools, ints of up to 64 bits, floats, strs, bytes,
// bytearrays, lists, tuples, dicts, sets and frozensets.
//
// It is asked for, never used behind anybody's back: a message of Type Pickle is bytes
// until its application calls Decode. A pickle is a program for a small machine, and
// Python's runs whatever it names. This one knows no class, no global, no call and no
// reference beyond the pickle: the operations for these are errors. It reads protocols
// 2 to 5, which every original writes.
package pickle

import (
	"errors"
	"fmt"
	"slices"
)

// The containers of Python, by what Go has nearest to them. A value is nil, a bool, an
// int64, a float64, a string, a []byte or one of these.
type (
	// List is a list.
	List []any
	// Tuple is a tuple.
	Tuple []any
	// Set is a set or a frozenset, in the order in which the pickle gives it.
	Set []any
	// Dict is a dict, in its order. A key that stands in it twice counts the
	// last time.
	Dict []Item
	// Item is a key of a dict and its value.
	Item struct{ Key, Value any }
)

// Get gives the value of a key that is a str.
func (d Dict) Get(key string) (value any, ok bool) {
	for _, item := range slices.Backward(d) {
		if item.Key == any(key) {
			return item.Value, true
		}
	}
	return nil, false
}

// Limits bound what Decode believes. Zero is the default.
type Limits struct {
	Bytes  int // of the pickle; 16 MiB
	Values int // in it, as often as they are referred to, a container as four; 1,048,576
	Depth  int // of containers in containers; 64
}

// The defaults of Limits.
const (
	defaultBytes  = 16 << 20
	defaultValues = 1 << 20
	defaultDepth  = 64
)

// containerCost is what a container counts as, in values.
const containerCost = 4

var (
	// ErrLimit is a pickle beyond one of the Limits.
	ErrLimit = errors.New("pickle: beyond a limit")
	// ErrUnsupported is a pickle of more than plain values: of a class, a
	// function, a number of more than 64 bits, or something that holds itself.
	ErrUnsupported = errors.New("pickle: more than plain values")
)

// Decode reads a pickle. Bytes and strings in the result are copies; containers that
// the pickle refers to twice share their memory. It takes time and memory that grow
// with the pickle, whose lengths it checks first.
func Decode(b []byte, l Limits) (any, error) {
	l = l.withDefaults()
	if len(b) > l.Bytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrLimit, len(b), l.Bytes)
	}
	m := machine{rest: b, size: len(b), limits: l}
	v, err := m.run()
	if err != nil {
		return nil, err
	}
	f := finisher{limits: l}
	v, _, err = f.finish(v, 0)
	return v, err
}

func (l Limits) withDefaults() Limits {
	if l.Bytes == 0 {
		l.Bytes = defaultBytes
	}
	if l.Values == 0 {
		l.Values = defaultValues
	}
	if l.Depth == 0 {
		l.Depth = defaultDepth
	}
	return l
}
