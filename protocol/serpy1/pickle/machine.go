package pickle

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"
)

// The operations of plain values, protocols 2 to 5.
const (
	opProto           = 0x80
	opFrame           = 0x95
	opStop            = '.'
	opMark            = '('
	opNone            = 'N'
	opTrue            = 0x88
	opFalse           = 0x89
	opBinInt          = 'J'
	opBinInt1         = 'K'
	opBinInt2         = 'M'
	opLong1           = 0x8a
	opLong4           = 0x8b
	opBinFloat        = 'G'
	opShortBinUnicode = 0x8c
	opBinUnicode      = 'X'
	opBinUnicode8     = 0x8d
	opShortBinBytes   = 'C'
	opBinBytes        = 'B'
	opBinBytes8       = 0x8e
	opByteArray8      = 0x96
	opEmptyList       = ']'
	opAppend          = 'a'
	opAppends         = 'e'
	opEmptyTuple      = ')'
	opTuple           = 't'
	opTuple1          = 0x85
	opTuple2          = 0x86
	opTuple3          = 0x87
	opEmptyDict       = '}'
	opSetItem         = 's'
	opSetItems        = 'u'
	opEmptySet        = 0x8f
	opAddItems        = 0x90
	opFrozenSet       = 0x91
	opMemoize         = 0x94
	opBinPut          = 'q'
	opLongBinPut      = 'r'
	opBinGet          = 'h'
	opLongBinGet      = 'j'
)

// A machine runs a pickle.
type machine struct {
	rest   []byte
	size   int
	limits Limits
	values int // made
	stack  []any
	marks  []int // places in stack
	memo   []any
}

// A container is one in the making: what refers to it sees what it gets later.
type container struct {
	kind    kind
	items   []any // of a dict: keys and values
	open    bool  // finish is inside
	done    any
	weight  int
	deepest int
}

type kind uint8

const (
	list kind = iota
	tuple
	dict
	set
)

// at is where the operation that failed stands.
func (m *machine) at() int { return m.size - len(m.rest) }

func (m *machine) errorf(format string, args ...any) error {
	return fmt.Errorf("pickle: "+format+", before byte %d", append(args, m.at())...)
}

// run executes the operations up to the stop, and gives the one value that is left.
func (m *machine) run() (any, error) {
	if len(m.rest) < 2 || m.rest[0] != opProto || m.rest[1] < 2 || m.rest[1] > 5 {
		return nil, m.errorf("not a pickle of protocol 2 to 5")
	}
	for len(m.rest) > 0 {
		op := m.rest[0]
		m.rest = m.rest[1:]
		if op == opStop {
			break
		}
		if err := m.step(op); err != nil {
			return nil, err
		}
		if m.values > m.limits.Values {
			return nil, fmt.Errorf("%w: more than %d values", ErrLimit, m.limits.Values)
		}
		if len(m.rest) == 0 {
			return nil, m.errorf("it has no end")
		}
	}
	switch {
	case len(m.rest) > 0:
		return nil, m.errorf("%d bytes behind its end", len(m.rest))
	case len(m.stack) != 1 || len(m.marks) > 0:
		return nil, m.errorf("it leaves %d values", len(m.stack))
	}
	return m.stack[0], nil
}

// step executes an operation.
func (m *machine) step(op byte) error {
	switch op {
	case opProto:
		_, err := m.number(1)
		return err
	case opFrame:
		n, err := m.number(8)
		if err == nil && n > uint64(len(m.rest)) {
			err = m.errorf("a frame of %d bytes is cut short", n)
		}
		return err
	case opMark:
		m.marks = append(m.marks, len(m.stack))
		m.values++ // they hold memory, too
		return nil
	case opNone:
		return m.push(nil)
	case opTrue, opFalse:
		return m.push(op == opTrue)
	case opBinInt, opBinInt1, opBinInt2, opLong1, opLong4, opBinFloat:
		return m.pushNumber(op)
	case opShortBinUnicode, opBinUnicode, opBinUnicode8, opShortBinBytes, opBinBytes, opBinBytes8, opByteArray8:
		return m.pushBytes(op)
	case opMemoize, opBinPut, opLongBinPut, opBinGet, opLongBinGet:
		return m.remember(op)
	}
	return m.contain(op)
}

func (m *machine) push(v any) error {
	m.values++
	m.stack = append(m.stack, v)
	return nil
}

// number takes so many bytes, at most 8, little endian.
func (m *machine) number(n int) (uint64, error) {
	if len(m.rest) < n {
		return 0, m.errorf("it is cut short")
	}
	var room [8]byte
	copy(room[:], m.rest[:n])
	m.rest = m.rest[n:]
	return binary.LittleEndian.Uint64(room[:]), nil
}

// bytes takes a length of so many bytes, and as many bytes.
func (m *machine) bytes(lengthSize int) ([]byte, error) {
	n, err := m.number(lengthSize)
	if err != nil {
		return nil, err
	}
	if n > uint64(len(m.rest)) {
		return nil, m.errorf("%d bytes are cut short", n)
	}
	b := m.rest[:n]
	m.rest = m.rest[n:]
	return b, nil
}

func (m *machine) pushNumber(op byte) error {
	size := map[byte]int{opBinInt: 4, opBinInt1: 1, opBinInt2: 2, opBinFloat: 8, opLong1: 1, opLong4: 4}[op]
	if op == opLong1 || op == opLong4 {
		b, err := m.bytes(size)
		if err != nil {
			return err
		}
		v, ok := integer(b)
		if !ok {
			return fmt.Errorf("%w: an int of %d bytes", ErrUnsupported, len(b))
		}
		return m.push(v)
	}
	v, err := m.number(size)
	switch {
	case err != nil:
		return err
	case op == opBinFloat: // the one that is big endian
		var room [8]byte
		binary.LittleEndian.PutUint64(room[:], v)
		return m.push(math.Float64frombits(binary.BigEndian.Uint64(room[:])))
	case op == opBinInt:
		return m.push(int64(int32(v))) //nolint:gosec // its 32 bits are signed
	}
	return m.push(int64(v)) //nolint:gosec // 16 bits at most
}

// integer reads a signed number of any length, little endian.
func integer(b []byte) (int64, bool) {
	if len(b) == 0 {
		return 0, true
	}
	sign := byte(int8(b[len(b)-1]) >> 7) //nolint:gosec // all bits are the highest
	room := [8]byte{sign, sign, sign, sign, sign, sign, sign, sign}
	n := copy(room[:], b)
	for _, c := range b[n:] {
		if c != sign {
			return 0, false
		}
	}
	return int64(binary.LittleEndian.Uint64(room[:])), room[7]>>7 == sign&1 //nolint:gosec // two's complement
}

func (m *machine) pushBytes(op byte) error {
	size := map[byte]int{
		opShortBinUnicode: 1, opShortBinBytes: 1, opBinUnicode: 4, opBinBytes: 4,
		opBinUnicode8: 8, opBinBytes8: 8, opByteArray8: 8,
	}[op]
	b, err := m.bytes(size)
	if err != nil {
		return err
	}
	switch op {
	case opShortBinUnicode, opBinUnicode, opBinUnicode8:
		if !utf8.Valid(b) {
			return m.errorf("a str that is not UTF-8")
		}
		return m.push(string(b))
	}
	return m.push(append(make([]byte, 0, len(b)), b...))
}

// remember puts the top of the stack into the memo, or gets a value from there. Every
// pickler counts its memo up from 0.
func (m *machine) remember(op byte) error {
	place := uint64(len(m.memo))
	var err error
	switch op {
	case opBinPut, opBinGet:
		place, err = m.number(1)
	case opLongBinPut, opLongBinGet:
		place, err = m.number(4)
	}
	switch {
	case err != nil:
		return err
	case op == opBinGet || op == opLongBinGet:
		if place >= uint64(len(m.memo)) {
			return m.errorf("a reference to nothing")
		}
		return m.push(m.memo[place])
	case len(m.stack) == m.floor() || place > uint64(len(m.memo)):
		return m.errorf("a memo of nothing, or out of its order")
	}
	top := m.stack[len(m.stack)-1]
	if place < uint64(len(m.memo)) {
		m.memo[place] = top
		return nil
	}
	m.memo = append(m.memo, top)
	m.values++
	return nil
}

// floor is where the values above the last mark begin.
func (m *machine) floor() int {
	if len(m.marks) == 0 {
		return 0
	}
	return m.marks[len(m.marks)-1]
}

// pop takes the top n values.
func (m *machine) pop(n int) ([]any, error) {
	if len(m.stack)-n < m.floor() {
		return nil, m.errorf("a value is missing")
	}
	at := len(m.stack) - n
	items := slices.Clone(m.stack[at:])
	m.stack = m.stack[:at]
	return items, nil
}

// popMark takes the values above the last mark, and the mark.
func (m *machine) popMark() ([]any, error) {
	if len(m.marks) == 0 {
		return nil, m.errorf("a mark is missing")
	}
	items, err := m.pop(len(m.stack) - m.floor())
	m.marks = m.marks[:len(m.marks)-1]
	return items, err
}

// contain makes a container, or puts values into one.
func (m *machine) contain(op byte) (err error) {
	var items []any
	switch op {
	case opEmptyList, opEmptyDict, opEmptySet, opEmptyTuple:
	case opTuple1, opTuple2, opTuple3:
		items, err = m.pop(int(op) - opTuple1 + 1)
	case opTuple, opFrozenSet, opAppends, opSetItems, opAddItems:
		items, err = m.popMark()
	case opAppend:
		items, err = m.pop(1)
	case opSetItem:
		items, err = m.pop(2)
	default:
		return fmt.Errorf("%w: operation %#02x before byte %d", ErrUnsupported, op, m.at())
	}
	if err != nil {
		return err
	}
	switch op {
	case opAppend, opAppends:
		return m.put(list, items)
	case opSetItem, opSetItems:
		return m.put(dict, items)
	case opAddItems:
		return m.put(set, items)
	}
	c := &container{items: items}
	switch op {
	case opEmptyTuple, opTuple, opTuple1, opTuple2, opTuple3:
		c.kind = tuple
	case opEmptyDict:
		c.kind = dict
	case opEmptySet, opFrozenSet:
		c.kind = set
	}
	m.values += containerCost - 1
	return m.push(c)
}

// put puts items into the container on the top.
func (m *machine) put(k kind, items []any) error {
	if len(m.stack) == m.floor() {
		return m.errorf("a container is missing")
	}
	c, ok := m.stack[len(m.stack)-1].(*container)
	if !ok || c.kind != k || k == dict && len(items)%2 != 0 {
		return m.errorf("items for another container")
	}
	c.items = append(c.items, items...)
	return nil
}
