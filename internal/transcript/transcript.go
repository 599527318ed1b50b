// Package transcript reads the recorded sessions of older programs that the tests of
// the foreign wires replay. Each line of a recording is a JSON object: what an
// application sent or got, and what bytes went over the wire, in the order in which
// it happened.
package transcript

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// An Event is a line of a recording.
type Event struct {
	Kind   string `json:"k"` // meta, conn, send, sendret, recv, recv_timeout, wire, wirebig, eof, rst, close, died
	Conn   int    `json:"conn"`
	Side   string `json:"side"` // client or server
	Mode   int    `json:"mode"` // asked for, of a send
	InMode int    `json:"in_mode"`
	Force  bool   `json:"force_mode"`
	Value  *Value `json:"value"`
	Error  string `json:"error"` // of a sendret: the application was refused
	Dir    string `json:"dir"`   // c2s or s2c
	Hex    string `json:"hex"`
	Len    int    `json:"len"` // of a wirebig: all bytes of the direction
	SHA256 string `json:"sha256"`
}

// A Value is what an application sent or got.
type Value struct {
	T      string          `json:"t"` // bytes, str, int, float, obj or repr
	V      json.RawMessage `json:"v"`
	Hex    string          `json:"hex"`
	Len    int             `json:"len"`
	SHA256 string          `json:"sha256"`
	Text   string          `json:"sha256_utf8"`
}

// Parse reads a recording.
func Parse(b []byte) (events []Event, err error) {
	for line := range bytes.Lines(b) {
		var e Event
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("line %d: %w", len(events)+1, err)
		}
		events = append(events, e)
	}
	return events, nil
}

// Stream gives the bytes of one direction of a connection, or, of a large one, their
// number and their SHA-256 only.
func Stream(events []Event, conn int, dir string) (b []byte, size int, sum string, err error) {
	for i := range events {
		e := &events[i]
		if e.Conn != conn || e.Dir != dir {
			continue
		}
		switch e.Kind {
		case "wire":
			part, err := hex.DecodeString(e.Hex)
			if err != nil {
				return nil, 0, "", err
			}
			b = append(b, part...)
		case "wirebig":
			return nil, e.Len, e.SHA256, nil
		}
	}
	return b, len(b), "", nil
}

var errKind = errors.New("a value of another kind")

// Bytes gives a bytes value or the text of a str value. Of a large one the recording
// says the length and the SHA-256 only: it is made anew, and checked.
func (v *Value) Bytes() (b []byte, err error) {
	switch {
	case v.T != "str" && v.T != "bytes":
		return nil, errKind
	case v.SHA256 == "" && v.Text == "" && v.T == "str":
		var s string
		err = json.Unmarshal(v.V, &s)
		return []byte(s), err
	case v.SHA256 == "" && v.Text == "":
		return hex.DecodeString(v.Hex)
	}
	for _, recipe := range recipes {
		b = recipe(v.Len)
		got := sha256.Sum256(b)
		if sum := hex.EncodeToString(got[:]); sum == v.SHA256 || sum == v.Text {
			return b, nil
		}
	}
	return nil, fmt.Errorf("no recipe gives the %d bytes that were recorded", v.Len)
}

// recipes make the large values, of so many bytes or characters.
var recipes = []func(n int) []byte{
	func(n int) []byte { return bytes.Repeat([]byte("0123456789abcdef"), n/16) },
	func(n int) []byte { return bytes.Repeat([]byte("\u00e9"), n) },
	func(n int) []byte { return bytes.Repeat([]byte{0xff}, n) },
	func(n int) []byte { return xorshift(7, n) },
	func(n int) []byte { return xorshift(8, n) },
	func(int) []byte { return image(1, 512, 512) },
	func(int) []byte { return image(12, 512, 512) },
}

// Int gives an int value; an error where it has more than 64 bits.
func (v *Value) Int() (int64, error) {
	var s string
	if err := json.Unmarshal(v.V, &s); err != nil {
		return 0, err
	}
	return strconv.ParseInt(s, 10, 64)
}

// Float gives a float value.
func (v *Value) Float() (float64, error) { return strconv.ParseFloat(v.Hex, 64) }

// xorshift gives the low bytes of the successive states of xorshift32.
func xorshift(x uint32, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		b[i] = byte(x) //nolint:gosec // the low byte is what is wanted
	}
	return b
}

// image gives cos(x)·sin(y) in rows, x and y from 0 to n pi, the ends included.
func image(n float64, w, h int) []byte {
	b := make([]byte, 0, 4*w*h)
	at := func(i, of int) float64 { return n * math.Pi * float64(i) / float64(of-1) }
	for y := range h {
		for x := range w {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(math.Cos(at(x, w))*math.Sin(at(y, h)))))
		}
	}
	return b
}
