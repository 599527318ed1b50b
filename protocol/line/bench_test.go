package line_test

import (
	"bytes"
	"testing"

	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/charset"
	"github.com/serpy-go/serpy/protocol/line"
)

func BenchmarkDecode(b *testing.B) {
	stream := bytes.Repeat(append(bytes.Repeat([]byte("x"), 99), '\n'), 600)
	for name, w := range map[string]line.Wire{"lf": {}, "any": {Ends: anyEnd}, "utf8": {Charset: charset.UTF8}, "blocks": {Blocks: true}} {
		b.Run(name, func(b *testing.B) {
			dec := w.NewDecoder(1 << 20)
			b.SetBytes(int64(len(stream)))
			b.ReportAllocs()
			for b.Loop() {
				for rest := stream; len(rest) > 0; {
					_, n, err := dec.Decode(rest)
					if err != nil {
						b.Fatal(err)
					}
					rest = rest[n:]
				}
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	var payloads []string
	for range 600 {
		payloads = append(payloads, string(bytes.Repeat([]byte("x"), 99)))
	}
	f := frame(protocol.Meta{}, payloads...)
	enc := line.Wire{}.NewEncoder()
	b.SetBytes(60_000)
	b.ReportAllocs()
	var dst []byte
	for b.Loop() {
		var err error
		if dst, err = enc.Append(dst[:0], f); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	m, payload := protocol.Meta{}, bytes.Repeat([]byte("x"), 99)
	var codec protocol.Codec = line.Wire{}
	b.ReportAllocs()
	for b.Loop() {
		if err := codec.Check(&m, payload); err != nil {
			b.Fatal(err)
		}
	}
}
