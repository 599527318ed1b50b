package protocol_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/protocol"
)

func field(key byte, v ...byte) []byte {
	return append(binary.AppendUvarint([]byte{key}, uint64(len(v))), v...)
}

func uvarint(v uint64) []byte { return binary.AppendUvarint(nil, v) }

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func text(s string) []byte { return append(uvarint(uint64(len(s))), s...) }

var (
	someID  = bytes.Repeat([]byte{7}, 16)
	minimal = join(field(0x81, 1, 1), field(0x82, someID...), field(0x85, someID...))
	tooLong = bytes.Repeat([]byte{'x'}, protocol.MaxText+1)
	tooBig  = bytes.Repeat([]byte{0xff}, 11) // no uvarint
	above62 = uvarint(1<<62 + 1)
	ping    = protocol.Frame{Kind: protocol.KindPing, Body: []byte{0}}
	group   = protocol.Frame{Kind: protocol.KindData, Count: 2, First: 1, Body: []byte("\x01\x00a\x01\x00b")}
	bareAck = protocol.Frame{Kind: protocol.KindData, First: 1}
)

func flip(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}

// manyNames is a header with n names.
func manyNames(n int) (b []byte) {
	for i := range n {
		b = join(b, text(string([]byte{'a' + byte(i/26), 'a' + byte(i%26)})), text(""))
	}
	return b
}

// hostile breaks one rule of SPEC.md in each row.
var hostile = []struct {
	kind, section, name string
	bytes               []byte
}{
	{"first", "2.1", "an acknowledgement in front of the Hello", join([]byte(protocol.Preface), sealed(&bareAck, nil))},
	{"first", "2.1", "units in front of the Hello, of which only the head came", join([]byte(protocol.Preface), sealed(&group, nil)[:protocol.HeadSize])},
	{"first", "3.1", "a Hello larger than a stranger's may be", join([]byte(protocol.Preface), sealed(&protocol.Frame{Kind: protocol.KindHello}, length(protocol.MaxHello+1)))},
	{"first", "3.1", "a Refuse larger than a stranger's may be", join([]byte(protocol.Preface), sealed(&protocol.Frame{Kind: protocol.KindRefuse}, length(protocol.MaxHello+1)))},
	{"first", "3.1", "a Hello without a checksum", join([]byte(protocol.Preface), sealed(&protocol.Frame{Kind: protocol.KindHello, Flags: protocol.NoSum}, nil))},
	{"frame", "3.1", "a head with a wrong sum", flip(sealed(&ping, nil), 28)},
	{"frame", "3.1", "a body with a wrong sum", flip(sealed(&group, nil), 24+8)},
	{"frame", "3.1", "kind 0", sealed(&ping, func(h []byte) { h[0] = 0 })},
	{"frame", "3.1", "kind 10", sealed(&ping, func(h []byte) { h[0] = 0xa0 })},
	{"frame", "3.1", "flag 8", sealed(&ping, func(h []byte) { h[0] |= 8 })},
	{"frame", "3.1", "a data frame that is too large", sealed(&group, length(protocol.MaxBody+1))},
	{"frame", "3.1", "control that is too large", sealed(&ping, length(protocol.MaxControl+1))},
	{"frame", "3.1", "control with units", sealed(&ping, count(1))},
	{"frame", "3.1", "units without a body", sealed(&bareAck, count(1))},
	{"frame", "3.1", "a body without units", sealed(&group, count(0))},
	{"frame", "3.1", "more units than the body can hold", sealed(&group, count(4))},
	{"unit", "4.1", "nothing", nil},
	{"unit", "4.1", "a length alone", []byte{0}},
	{"unit", "4.1", "a length beyond the run", []byte{2, 0, 'a'}},
	{"unit", "4.1", "a length that leaves no room for flags", []byte{3, 0, 'a'}},
	{"unit", "4.1", "a length of four bytes", []byte{0x81, 0x80, 0x80, 0, 0, 'a'}},
	{"unit", "4.1", "a length without an end", []byte{0xff, 0xff}},
	{"unit", "4.1", "flag 128", []byte{1, 128, 'a'}},
	{"unit", "4.1", "a payload that is too large", join(uvarint(protocol.FragmentSize+1), []byte{0}, make([]byte, protocol.FragmentSize+1))},
	{"unit", "4.1", "a gap with another flag", []byte{4, 33, 1, 1, 1, 0}},
	{"unit", "4.1", "an end with another flag", []byte{0, 65}},
	{"unit", "4.1", "an end with a payload", []byte{1, 64, 'a'}},
	{"unit", "4.1", "a first fragment without metadata", []byte{1, 8, 'a'}},
	{"unit", "4.1", "a later fragment with metadata", join([]byte{5, 20, 3}, field(0x85, 9), []byte{'a'})},
	{"unit", "4.1", "an empty fragment", []byte{0, 16}},
	{"unit", "4.1", "an empty first fragment", join([]byte{4, 12, 3}, field(0x85, 9))},
	{"unit", "4.2", "metadata without a length", []byte{0, 4}},
	{"unit", "4.2", "metadata longer than the unit", []byte{2, 4, 2, 1}},
	{"unit", "4.2", "metadata of no bytes", []byte{2, 4, 0, 'a'}},
	{"unit", "4.2", "metadata that is too large", join(uvarint(4227), []byte{4}, uvarint(4225), make([]byte, 4225))},
	{"run", "4.1", "a run that ends in a unit", []byte{1, 0, 'a', 1, 0}},
	{"meta", "2.4", "a mandatory field that is not known", field(0xff)},
	{"meta", "4.2", "a key alone", []byte{2}},
	{"meta", "4.2", "a value that is cut short", []byte{2, 2, 1}},
	{"meta", "4.2", "a type of no bytes", field(1)},
	{"meta", "4.2", "a type of two bytes", field(1, 1, 1)},
	{"meta", "4.2", "a tag of 33 bits", field(2, uvarint(1<<32)...)},
	{"meta", "4.2", "a tag that is no number", field(2, tooBig...)},
	{"meta", "4.2", "a tag with a byte behind it", field(2, 1, 1)},
	{"meta", "4.2", "a tag twice", join(field(2, 1), field(2, 1))},
	{"meta", "4.2", "a time of 7 bytes", field(3, make([]byte, 7)...)},
	{"meta", "4.2", "a time of 9 bytes", field(3, make([]byte, 9)...)},
	{"meta", "4.2", "a header that is too large", field(4, make([]byte, protocol.MaxHeader+1)...)},
	{"meta", "4.2", "a size of 0", field(0x85, 0)},
	{"meta", "4.2", "a size beyond 2^40", field(0x85, uvarint(1<<40+1)...)},
	{"meta", "4.2", "a request and a reply in one", join(field(0x86, 1), field(0x87, 1))},
	{"meta", "4.2", "a reply without a correlation", field(0x87)},
	{"header", "4.3", "a name that is cut short", []byte{2, 'a'}},
	{"header", "4.3", "a name without a value", []byte{1, 'a'}},
	{"header", "4.3", "a name that is not UTF-8", join(text("\xff"), text(""))},
	{"header", "4.3", "a value that is not UTF-8", join(text(""), text("\xff"))},
	{"header", "4.3", "names out of order", join(text("b"), text(""), text("a"), text(""))},
	{"header", "4.3", "a name twice", join(text("a"), text(""), text("a"), text(""))},
	{"header", "4.3", "an empty name twice", join(text(""), text(""), text(""), text(""))},
	{"header", "4.3", "33 names", manyNames(protocol.MaxHeaderNames + 1)},
	{"header", "4.3", "a header that is too large", join(text("a"), text(strings.Repeat("x", protocol.MaxHeader)))},
	{"gap", "4.4", "a gap that is cut short", []byte{1, 2, 1}},
	{"gap", "4.4", "a byte behind a gap", []byte{1, 2, 1, 0, 0}},
	{"gap", "4.4", "a gap that ends before it begins", []byte{2, 1, 0, 0}},
	{"gap", "4.4", "more missing than fit", []byte{1, 2, 3, 0}},
	{"hello", "2.4", "a mandatory field that is not known", join(minimal, field(0xff))},
	{"hello", "5.1", "no versions", minimal[4:]},
	{"hello", "5.1", "no session", join(minimal[:4], minimal[22:])},
	{"hello", "5.1", "no instance", minimal[:22]},
	{"hello", "5.1", "versions upside down", join(field(0x81, 2, 1), minimal[4:])},
	{"hello", "5.1", "version 0", join(field(0x81, 0, 1), minimal[4:])},
	{"hello", "5.1", "versions of one byte", join(field(0x81, 1), minimal[4:])},
	{"hello", "5.1", "versions of three bytes", join(field(0x81, 1, 1, 1), minimal[4:])},
	{"hello", "5.1", "a session twice", join(minimal, field(0x82, someID...))},
	{"hello", "5.1", "an ID of 15 bytes", join(minimal, field(0x83, someID[1:]...))},
	{"hello", "5.1", "an ID of 17 bytes", join(minimal, field(0x83, append(someID[:16:16], 7)...))},
	{"hello", "5.1", "an ID of zeros", join(minimal, field(0x06, make([]byte, 16)...))},
	{"hello", "5.1", "a name that is too long", join(minimal, field(0x07, tooLong...))},
	{"hello", "5.1", "a build that is too long", join(minimal, field(0x08, tooLong...))},
	{"hello", "5.1", "a heartbeat of more than a day", join(minimal, field(0x0b, uvarint(protocol.MaxHeartbeat+1)...))},
	{"hello", "5.1", "an opening of 1 byte", join(minimal, field(0x94, 1))},
	{"hello", "5.1", "an ack when of 2", join(minimal, field(0x8c, 2))},
	{"hello", "5.1", "resumed and more", join(minimal, field(0x8d, 2))},
	{"hello", "5.1", "a base that is too high", join(minimal, field(0x8e, above62...))},
	{"hello", "5.1", "redelivered, too many", join(minimal, field(0x8f, above62...))},
	{"hello", "5.1", "a lane with a number too few", join(minimal, field(0x90, 0, 1, 1, 1, 1))},
	{"hello", "5.1", "a lane with a number too many", join(minimal, field(0x90, 0, 1, 1, 1, 1, 0, 0))},
	{"hello", "5.1", "a lane twice", join(minimal, field(0x90, 0, 1, 1, 1, 1, 0), field(0x90, 0, 1, 1, 1, 1, 0))},
	{"hello", "5.1", "lanes not in order", join(minimal, field(0x90, 1, 1, 1, 1, 1, 0), field(0x90, 0, 1, 1, 1, 1, 0))},
	{"hello", "5.1", "a number that is too high", join(minimal, field(0x90, join([]byte{0}, above62, []byte{0, 0, 0, 0})...))},
	{"hello", "5.1", "a Limit between two steps", join(minimal, field(0x90, 0, 1, 1, 1, 1, 1))},
	{"hello", "5.1", "a field that is cut short", join(minimal, []byte{7, 1})},
	{"refuse", "2.4", "a mandatory field that is not known", join(field(0x91, 2), field(0xff))},
	{"refuse", "5.2", "no code", nil},
	{"refuse", "5.2", "a code twice", join(field(0x91, 2), field(0x91, 2))},
	{"refuse", "5.2", "a code of 33 bits", field(0x91, uvarint(1<<32)...)},
	{"refuse", "5.2", "a reason that is too long", join(field(0x91, 2), field(0x12, tooLong...))},
	{"refuse", "5.2", "closed and more", join(field(0x91, 2), field(0x93, 2))},
	{"refuse", "5.2", "a lane of nothing", join(field(0x91, 2), field(0x90))},
	{"ping", "5.3", "no time", nil},
	{"ping", "5.3", "a time that is no number", tooBig},
	{"pong", "5.3", "two times", []byte{1, 1}},
	{"nacks", "5.4", "no unit", nil},
	{"nacks", "5.4", "unit 0", []byte{0, 0}},
	{"nacks", "5.4", "a unit that is too high", join(above62, []byte{0})},
	{"nacks", "5.4", "a reason that is cut short", []byte{1, 2, 'a'}},
	{"nacks", "5.4", "a reason that is too long", join([]byte{1}, text(string(tooLong)))},
	{"close", "5.5", "nothing", nil},
	{"close", "5.5", "a code of 33 bits", join(uvarint(1<<32), []byte{0})},
	{"close", "5.5", "a reason that is cut short", []byte{0, 1}},
	{"close", "5.4", "half a refused unit", []byte{0, 0, 9}},
	{"close", "5.5", "a reason that is too long", join([]byte{0}, text(string(tooLong)))},
	{"blob", "10.1", "nothing", nil},
	{"blob", "10.1", "an op alone", []byte{8}},
	{"blob", "10.1", "op 0", []byte{0, 1}},
	{"blob", "10.1", "op 9", []byte{9, 1}},
	{"blob", "10.1", "blob 0", []byte{8, 0}},
	{"blob", "10.1", "a blob that is too high", join([]byte{8}, above62)},
	{"blob", "10.1", "seen and more", []byte{8, 1, 0}},
	{"blob", "10.1", "an offer of the receiver", []byte{0x81, 1}},
	{"blob", "10.1", "data of the receiver", []byte{0x83, 1, 0, 'a'}},
	{"blob", "10.1", "an end of the receiver", join([]byte{0x85, 1, 0}, make([]byte, 32))},
	{"blob", "10.1", "an accept of the sender", join([]byte{2, 1, 0, 0}, make([]byte, 32))},
	{"blob", "10.1", "credit of the sender", []byte{4, 1, 0, 0}},
	{"blob", "10.1", "done of the sender", []byte{6, 1}},
	{"blob", "10.1", "an accept without a digest", join([]byte{0x82, 1, 0, 0}, make([]byte, 31))},
	{"blob", "10.1", "an accept and more", join([]byte{0x82, 1, 0, 0}, make([]byte, 33))},
	{"blob", "10.1", "an accept beyond 2^56", join([]byte{0x82, 1}, uvarint(1<<56+1), []byte{0}, make([]byte, 32))},
	{"blob", "10.1", "a limit that is too high", join([]byte{0x84, 1, 0}, above62)},
	{"blob", "10.1", "credit beyond 2^56", join([]byte{0x84, 1}, uvarint(1<<56+1), []byte{0})},
	{"blob", "10.1", "an empty chunk", []byte{3, 1, 0}},
	{"blob", "10.1", "a chunk that is too large", join([]byte{3, 1, 0}, make([]byte, protocol.BlobChunk+1))},
	{"blob", "10.1", "a chunk beyond 2^56", join([]byte{3, 1}, uvarint(1<<56+1), []byte{'a'})},
	{"blob", "10.1", "an end beyond 2^56", join([]byte{5, 1}, uvarint(1<<56+1), make([]byte, 32))},
	{"blob", "10.1", "an end without a digest", []byte{5, 1, 0}},
	{"blob", "10.1", "an abort without a reason", []byte{7, 1, 0}},
	{"blob", "10.1", "a reason that is cut short", []byte{7, 1, 0, 2, 'a'}},
	{"blob", "10.1", "a reason that is too long", join([]byte{7, 1, 0}, text(string(tooLong)))},
	{"blob", "10.2", "a name that is too long", join([]byte{1, 1}, field(1, tooLong...))},
	{"blob", "10.2", "a media type that is too long", join([]byte{1, 1}, field(3, tooLong...))},
	{"blob", "10.2", "a size beyond 2^56", join([]byte{1, 1}, field(0x82, uvarint(1<<56+1)...))},
	{"blob", "10.2", "a size twice", join([]byte{1, 1}, field(0x82, 1), field(0x82, 1))},
	{"blob", "10.2", "a first chunk of 31 bytes", join([]byte{1, 1}, field(6, make([]byte, 31)...))},
	{"blob", "10.2", "a first chunk of 33 bytes", join([]byte{1, 1}, field(6, make([]byte, 33)...))},
	{"blob", "10.2", "a change without a first chunk", join([]byte{1, 1}, field(7, 2))},
	{"blob", "10.2", "attributes that are too large", join([]byte{1, 1}, field(4, make([]byte, protocol.MaxHeader+1)...))},
	{"blob", "10.2", "a field that is cut short", []byte{1, 1, 1, 2, 'a'}},
	{"blob", "4.3", "attributes out of order", join([]byte{1, 1}, field(4, join(text("b"), text(""), text("a"), text(""))...))},
	{"blob", "2.4", "a mandatory field that is not known", join([]byte{1, 1}, field(0xff))},
}

func TestHostile(t *testing.T) {
	kinds := make(map[string]bool)
	for _, row := range hostile {
		t.Run(row.kind+"/"+row.name, func(t *testing.T) {
			requireSection(t, row.section, decoders[row.kind](t, row.bytes))
		})
		kinds[row.kind] = true
	}
	for kind := range decoders {
		assert.True(t, kinds[kind], "no hostile row for %s", kind)
	}
}

// TestBarely holds the decoders to take what is just within the rules that the
// rows of TestHostile are just beyond.
func TestBarely(t *testing.T) {
	for _, row := range []struct {
		kind, name string
		bytes      []byte
	}{
		{"frame", "a count as high as the body allows", sealed(&group, count(3))},
		{"unit", "the largest payload", join(uvarint(protocol.FragmentSize), []byte{0}, make([]byte, protocol.FragmentSize))},
		{"unit", "the largest metadata", join(uvarint(4226), []byte{4}, uvarint(4224), make([]byte, 4224))},
		{"unit", "the largest unit", join(uvarint(2+4224+protocol.FragmentSize), []byte{12}, uvarint(4224), make([]byte, 4224+protocol.FragmentSize))},
		{"unit", "a length written with three bytes", []byte{0x81, 0x80, 0, 0, 'a'}},
		{"unit", "an end", []byte{0, 64}},
		{"unit", "a gap", []byte{4, 32, 1, 2, 2, 0}},
		{"meta", "nothing", nil},
		{"meta", "unknown fields, twice", join(field(0x7f, 1), field(0x7f, 2))},
		{"meta", "the largest tag", field(2, uvarint(1<<32-1)...)},
		{"meta", "the largest header", field(4, make([]byte, protocol.MaxHeader)...)},
		{"meta", "the largest size", field(0x85, uvarint(1<<40)...)},
		{"meta", "a number with a zero behind", field(2, 0x81, 0)},
		{"header", "32 names", manyNames(protocol.MaxHeaderNames)},
		{"header", "an empty name", join(text(""), text(""))},
		{"gap", "a count that is not known", []byte{1, 2, 0, 9}},
		{"gap", "all that can be", join(uvarint(0), uvarint(1<<64-1), []byte{0, 0})},
		{"hello", "the least there is", minimal},
		{"hello", "unknown fields, twice", join(minimal, field(0x7f, 1), field(0x7f, 2))},
		{"hello", "the highest number", join(minimal, field(0x90, join([]byte{0}, uvarint(1<<62), []byte{0, 0, 0, 0})...))},
		{"hello", "a name that is not UTF-8", join(minimal, field(0x07, 0xff))},
		{"refuse", "a code alone", field(0x91, 2)},
		{"refuse", "a code that nobody knows", field(0x91, uvarint(1<<32-1)...)},
		{"ping", "a time and more", []byte{1, 2, 3}},
		{"pong", "times and more", []byte{1, 2, 3, 4}},
		{"close", "a reason and a refused unit", []byte{0, 1, 'a', 9, 0}},
		{"blob", "the largest chunk", join([]byte{3, 1}, uvarint(1<<56), make([]byte, protocol.BlobChunk))},
		{"blob", "the highest numbers", join([]byte{0x84}, uvarint(1<<62), uvarint(1<<56), uvarint(1<<62))},
		{"blob", "an offer of nothing", []byte{1, 1}},
		{"blob", "a code that nobody knows", []byte{0x87, 1, 255, 0}},
		{"blob", "unknown fields, twice", join([]byte{1, 1}, field(0x7f, 1), field(0x7f, 2))},
	} {
		t.Run(row.kind+"/"+row.name, func(t *testing.T) { require.NoError(t, decoders[row.kind](t, row.bytes)) })
	}
}
