package serpy_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/serpytest"
)

// mended gives each frame of a link the sums that it should have, so that the fuzzer is
// not stopped by them.
func mended(b []byte) []byte {
	b = bytes.Clone(b)
	for at := len(protocol.Preface); at+protocol.HeadSize <= len(b); {
		h := b[at : at+protocol.HeadSize]
		end := min(at+protocol.HeadSize+int(h[2])+int(h[3])<<8+int(h[4])<<16, len(b))
		binary.LittleEndian.PutUint32(h[24:], protocol.Sum(0, b[at+protocol.HeadSize:end]))
		binary.LittleEndian.PutUint32(h[28:], protocol.Sum(0, h[:28]))
		at = end
	}
	return b
}

// seedLinks gives a target what peers say on a link: well, and against the rules. The
// session of the Hellos is someID.
func seedLinks(f *testing.F, change func(h *protocol.Hello)) {
	f.Helper()
	h := strangerHello()
	h.Session, h.Secret, h.Instance = someID, someID, someID
	change(h)
	first := hello(h)
	f.Add(first, true)
	f.Add(first[:len(first)/2], true)
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), false)
	frame := func(change func(*protocol.Frame)) []byte {
		fr := &protocol.Frame{Kind: protocol.KindData, First: 1, LimitUnits: 1000, LimitBytes: 1 << 20}
		change(fr)
		enc := protocol.Native{}.NewEncoder()
		begin, err := enc.Append(nil, &protocol.Frame{Kind: protocol.KindHello})
		require.NoError(f, err)
		n := len(begin)
		begin, err = enc.Append(begin, fr)
		require.NoError(f, err)
		return begin[n:]
	}
	for _, say := range []func(*protocol.Frame){
		data(units(3), 3), data(gap(1, 3, 3), 1), data(begun(100), 1), data(unit(protocol.UnitEnd, nil, nil), 1),
		kind(protocol.KindPing, 0), kind(protocol.KindNack, 1, 0), kind(protocol.KindSeen, 1, 0), kind(protocol.KindClose, 0, 0),
		kind(protocol.KindClose, 7, 0), func(fr *protocol.Frame) { fr.Received = 9 },
	} {
		f.Add(append(bytes.Clone(first), frame(say)...), true)
	}
}

var someID = protocol.ID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}

// FuzzHandshake talks to a server: whatever it is told, what it says are frames, the
// first of them a Hello or a Refuse, and the link has an end.
func FuzzHandshake(f *testing.F) {
	seedLinks(f, func(*protocol.Hello) {})
	l := serpytest.Listen(serpytest.Link{})
	s, err := serpy.NewServer(l, &serpy.Options{SessionTimeout: time.Millisecond, MaxMessage: 70_000, ReceiveQueue: serpy.Queue{Messages: 16, Bytes: 100_000}})
	require.NoError(f, err)
	f.Cleanup(func() { _ = s.Close() })
	go func() { _ = s.Serve(context.Background(), oracle) }()
	f.Fuzz(func(t *testing.T, b []byte, mend bool) {
		if mend {
			b = mended(b)
		}
		conn, err := l.Dial(t.Context())
		require.NoError(t, err)
		require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
		_, _ = conn.Write(b[:min(len(b), 32<<10)]) // it may be turned away before the end
		_ = conn.CloseWrite()
		answer, err := io.ReadAll(conn)
		require.False(t, timedOut(err), "the link has an end")
		_ = conn.Close()
		dec := protocol.Native{}.NewDecoder(1 << 20)
		for first := true; len(answer) > 0 && err == nil; first = false {
			fr, n, err := dec.Decode(answer)
			require.NoError(t, err)
			require.Equal(t, first, fr.Kind == protocol.KindHello || fr.Kind == protocol.KindRefuse)
			answer = answer[n:]
		}
	})
}

// FuzzAnswer is a server: whatever it says, the dialler neither hangs nor panics.
func FuzzAnswer(f *testing.F) {
	seedLinks(f, func(h *protocol.Hello) { h.Opening, h.Secret, h.Link = someID, protocol.ID{}, 0 })
	refuse, err := protocol.Native{}.NewEncoder().Append(nil, &protocol.Frame{
		Kind: protocol.KindRefuse, Body: protocol.AppendRefuse(nil, &protocol.Refuse{Code: protocol.CodeBusy, Reason: "later"}),
	})
	require.NoError(f, err)
	f.Add(refuse, true)
	f.Fuzz(func(t *testing.T, b []byte, mend bool) {
		dialled := false
		c, err := serpy.Dial(t.Context(), "tcp://memory:1", &serpy.Options{
			CloseTimeout: 10 * time.Millisecond, MaxMessage: 70_000, ReceiveQueue: serpy.Queue{Messages: 16, Bytes: 100_000},
			Dial: func(context.Context, string) (net.Conn, error) {
				if dialled {
					return nil, errors.New("once only")
				}
				dialled = true
				near, far := serpytest.Pipe(serpytest.Link{})
				go answerWith(far, b, mend)
				return near, nil
			},
		})
		if err != nil {
			require.Nil(t, c)
			return
		}
		for range 20 {
			if _, ok := c.TryReceive(); !ok {
				break
			}
		}
		_ = c.Close()
		require.Equal(t, serpy.Ended, c.State())
	})
}

// answerWith answers a Hello with bytes, in which someID stands for its session.
func answerWith(conn *serpytest.Conn, b []byte, mend bool) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	p := &stranger{conn: conn, dec: protocol.Native{}.NewDecoder(1 << 20)}
	fr, err := p.read()
	if err != nil {
		return
	}
	h, err := protocol.DecodeHello(fr.Body)
	if err != nil {
		return
	}
	b = bytes.ReplaceAll(b, someID[:], h.Session[:])
	if mend {
		b = mended(b)
	}
	_, _ = conn.Write(b[:min(len(b), 32<<10)])
	_ = conn.CloseWrite()
	_, _ = io.Copy(io.Discard, conn)
}
