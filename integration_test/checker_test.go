//go:build linux

package integration

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// smallTalk is the journal of ten messages that fared well, the odd ones with
// receipts.
func smallTalk() (facts []fact) {
	c := convoOf(0, 0, 0)
	for n := uint64(1); n <= 10; n++ {
		key := keyOf(c, n)
		facts = append(facts, fact{what: sending, key: key, a: 100, b: n % 2}, fact{what: accepted, key: key},
			fact{what: received, key: key, id: n, a: 100})
		if n%2 == 1 {
			facts = append(facts, fact{what: confirmed, key: key})
		}
	}
	return facts
}

// The checker that all tests here rest on finds what is planted.
func TestCheckerFindsPlantedFaults(t *testing.T) {
	is := func(w what, n uint64) func(f fact) bool {
		return func(f fact) bool { return f.what == w && f.key&(1<<48-1) == n }
	}
	without := func(w what, n uint64) func([]fact) []fact {
		return func(facts []fact) []fact { return slices.DeleteFunc(facts, is(w, n)) }
	}
	for _, c := range []struct {
		name string
		want string // part of a violation; "": none
		do   func([]fact) []fact
	}{
		{"nothing", "", func(f []fact) []fact { return f }},
		{"a plain message is lost", "nobody was told", without(received, 4)},
		{"a confirmed message is lost", "confirmed, but never received", without(received, 5)},
		{"the last message is lost", "nobody was told", without(received, 10)},
		{"a receipt never resolves", "never resolved", without(confirmed, 7)},
		{"a message comes twice", "came again", func(f []fact) []fact { return append(f, f[slices.IndexFunc(f, is(received, 3))]) }},
		{"two change places", "out of order", func(f []fact) []fact {
			i, j := slices.IndexFunc(f, is(received, 3)), slices.IndexFunc(f, is(received, 4))
			f = append(f, f[i])
			return append(f[:i], append(f[i+1:j+1:j+1], append([]fact{f[len(f)-1]}, f[j+1:len(f)-1]...)...)...)
		}},
		{"a message is spoiled", "other bytes", func(f []fact) []fact { f[slices.IndexFunc(f, is(received, 6))].b |= 2; return f }},
		{"a receipt gives up for no reason", "given up", func(f []fact) []fact { f[slices.IndexFunc(f, is(confirmed, 9))].what = unconfirmed; return f }},
		{"a wrong count", "has the count", func(f []fact) []fact { f[slices.IndexFunc(f, is(received, 10))].id = 11; return f }},
		{"a flag for no reason", "marked as redelivered", func(f []fact) []fact { f[slices.IndexFunc(f, is(received, 8))].b |= 1; return f }},
		{"the dead receiver had it", "", func(f []fact) []fact {
			return append(without(received, 10)(without(received, 9)(f)), fact{what: receiverDied, key: keyOf(convoOf(0, 0, 0), 0)})
		}},
		{"the dead sender had it", "", func(f []fact) []fact {
			return append(without(received, 10)(f), fact{what: senderDied, key: keyOf(convoOf(0, 0, 0), 0)})
		}},
		{"the dead sender does not excuse a hole", "nobody was told", func(f []fact) []fact {
			return append(without(received, 4)(f), fact{what: senderDied, key: keyOf(convoOf(0, 0, 0), 0)})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := &talk{convo: convoOf(0, 0, 0), facts: c.do(smallTalk())}
			got := strings.Join(k.check().violations, "\n")
			if c.want == "" {
				require.Empty(t, got)
				return
			}
			require.Contains(t, got, c.want)
		})
	}
}
