package peer

import (
	"context"
	"encoding/ascii85"
	"math/rand/v2"

	"github.com/serpy-go/serpy/protocol/base85"
)

// codecPeers write bytes as text and back, without a connection. Rates are of plain
// bytes, both ways.
func codecPeers() []Peer {
	codec := func(name, about string, encode, decode func(text, plain []byte) error) Peer {
		return Peer{
			Name: name, About: about, Lack: only(TCP, Encode, Decode),
			Listen: func(context.Context, Spec) (Side, string, error) { return codecSide{}, "none", nil },
			Dial: func(_ context.Context, s Spec, _ string) (Side, error) {
				side := codecSide{code: encode, plain: noise(s.Size), text: make([]byte, ascii85.MaxEncodedLen(s.Size))}
				if err := encode(side.text, side.plain); err != nil {
					return nil, err
				}
				if s.Kind == Decode {
					side.code = decode
				}
				return side, nil
			},
		}
	}
	return []Peer{
		codec("serpy-base85", "the library's own base85, in one goroutine",
			func(text, plain []byte) error { base85.AppendEncode(text[:0], plain); return nil },
			func(text, plain []byte) error { _, err := base85.AppendDecode(plain[:0], text); return err }),
		codec("ascii85", "encoding/ascii85 of the standard library, in one goroutine",
			func(text, plain []byte) error { ascii85.Encode(text, plain); return nil },
			func(text, plain []byte) error { _, _, err := ascii85.Decode(plain, text, true); return err }),
	}
}

// A codecSide encodes or decodes one block again and again; the zero one, which is
// that of the other process, has nothing to do.
type codecSide struct {
	code        func(text, plain []byte) error
	text, plain []byte
}

func (s codecSide) Run(_ context.Context, n int) (Outcome, error) {
	if s.code == nil {
		return Outcome{}, nil
	}
	for range n {
		if err := s.code(s.text, s.plain); err != nil {
			return Outcome{}, err
		}
	}
	return Outcome{}, nil
}

func (codecSide) Close() error { return nil }

// noise is n bytes without a pattern, whose groups have no short form in any code. It
// is the same each time.
func noise(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // G404: nothing secret
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32()) //nolint:gosec // G115: any eight bits of it
	}
	return b
}
