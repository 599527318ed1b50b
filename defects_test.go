package serpy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/serpytest"
)

// What serpy of Python got wrong, each defect a test.

var allModes = []serpy.Mode{serpy.Plain, serpy.Acked, serpy.Base85, serpy.Base85Acked}

// serpy's acknowledged send returned true when the cable was cut.
func TestAckedSendOnACutLinkReportsNoSuccess(t *testing.T) {
	bubble(t, "silent", func(t *testing.T) {
		h, _, c := meet(t, nil, nil)
		h.net().Conns()[0].Vanish()
		err := c.SendAcked(within(t, time.Second), []byte("x"))
		require.ErrorIs(t, err, serpy.ErrUnconfirmed)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
	bubble(t, "cut for good", func(t *testing.T) {
		h, _, c := meet(t, nil, &serpy.Options{Reconnect: serpy.Reconnect{GiveUpAfter: time.Second, Min: time.Millisecond, Max: time.Second}})
		h.net().Refuse(true)
		h.net().CutAll()
		require.ErrorIs(t, c.SendAcked(t.Context(), []byte("x")), serpy.ErrUnconfirmed)
		require.ErrorIs(t, c.Err(), net.ErrClosed)
	})
	bubble(t, "cut with the message under way", func(t *testing.T) {
		h, a, c := meet(t, nil, nil)
		d := h.net().Conns()[0].Out()
		d.CutAfter(d.Bytes() + 20) // in its head
		require.NoError(t, c.SendAcked(within(t, time.Minute), []byte("x")))
		m, ok := a.TryReceive()
		require.True(t, ok, "confirmed, and not there")
		require.Equal(t, "x", m.String())
		require.Equal(t, 2, c.Stats().Links)
	})
	bubble(t, "cut with the ack under way", func(t *testing.T) {
		h, a, c := meet(t, nil, nil)
		d := h.net().Conns()[0].In()
		d.CutAfter(d.Bytes() + 20)
		require.NoError(t, c.SendAcked(within(t, time.Minute), []byte("x")))
		require.Equal(t, "x", get(t, a).String())
		require.NoError(t, c.SendAcked(within(t, time.Minute), []byte("y")))
		require.Equal(t, "y", get(t, a).String(), "x came twice")
		require.Equal(t, 2, c.Stats().Links)
	})
}

// bubble runs a subtest in a synctest bubble.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// serpy's full receive queue blocked the acknowledgements of the other direction.
func TestAnApplicationThatDoesNotReadDoesNotStopAcks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		small := serpy.Queue{Messages: 8}
		_, a, c := meet(t, &serpy.Options{SendQueue: small}, &serpy.Options{ReceiveQueue: small})
		full, cancel := context.WithCancel(t.Context())
		sent := make(chan int)
		go func() {
			n := 0
			for a.Send(full, []byte("unread")) == nil {
				n++
			}
			sent <- n
		}()
		synctest.Wait() // both queues are full
		began := time.Now()
		for i := range 100 {
			require.NoError(t, c.SendAcked(within(t, time.Second), fmt.Append(nil, i)))
			require.Equal(t, fmt.Sprint(i), get(t, a).String())
		}
		require.Less(t, time.Since(began), time.Second)
		bubbleSleep(10 * time.Minute) // heartbeats go on as well
		require.Equal(t, 1, c.Stats().Links)
		require.Equal(t, 16, a.Stats().SendQueue.Messages+c.Stats().ReceiveQueue.Messages)
		cancel()
		n := <-sent
		for range n {
			require.Equal(t, "unread", get(t, c).String())
		}
		require.NoError(t, c.Close())
	})
}

// serpy's second goroutine took the first one's acknowledgement for its own.
func TestConcurrentAckedSendsNeverConfirmEachOther(t *testing.T) {
	bubble(t, "one of two", func(t *testing.T) {
		_, a, c := meet(t, &serpy.Options{AckWhen: serpy.OnProcessed}, nil)
		results := make([]chan error, 2)
		for i := range results {
			results[i] = make(chan error, 1)
			go func() { results[i] <- c.SendAcked(t.Context(), fmt.Append(nil, i)) }()
			synctest.Wait()
		}
		first, second := get(t, a), get(t, a)
		second.Ack() // in any order; receipts resolve in order
		bubbleSleep(time.Minute)
		require.Empty(t, results[0])
		require.Empty(t, results[1])
		first.Nack("not this one")
		var nack *serpy.NackError
		require.ErrorAs(t, <-results[0], &nack)
		require.Equal(t, "not this one", nack.Reason)
		require.NoError(t, <-results[1])
	})
	bubble(t, "many, over cut links", func(t *testing.T) {
		h, a, c := meet(t, &serpy.Options{AckWhen: serpy.OnProcessed}, nil)
		go func() {
			_ = a.Handle(t.Context(), func(_ context.Context, m serpy.Message) error {
				if m.Data[0]%3 == 0 {
					return errors.New(m.String())
				}
				return nil
			})
		}()
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				for k := range 60 {
					text := string([]byte{byte(i + k), byte(i), byte(k)})
					err := c.SendAcked(within(t, time.Minute), []byte(text))
					if nack := (*serpy.NackError)(nil); text[0]%3 == 0 {
						assert.ErrorAs(t, err, &nack)
						assert.Equal(t, text, nack.Reason)
					} else {
						assert.NoError(t, err)
					}
					if k%10 == i {
						h.net().CutAll()
					}
				}
			})
		}
		all.Wait()
		require.Greater(t, c.Stats().Links, 10)
	})
}

// serpy's acknowledgement that came after its send had given up was taken for the
// next send's.
func TestALateAckConfirmsNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, c := meet(t, &serpy.Options{AckWhen: serpy.OnProcessed}, nil)
		require.ErrorIs(t, c.SendAcked(within(t, time.Second), []byte("first")), context.DeadlineExceeded)
		second := put(t, c, "second", serpy.Acked)
		get(t, a).Ack() // late
		bubbleSleep(time.Minute)
		resolved, err := second.Poll()
		require.False(t, resolved, "by the ack of the first: %v", err)
		get(t, a).Nack("no")
		var nack *serpy.NackError
		require.ErrorAs(t, second.Wait(within(t, time.Second)), &nack)
	})
	bubble(t, "across a link", func(t *testing.T) {
		h, a, c := meet(t, &serpy.Options{AckWhen: serpy.OnProcessed}, nil)
		require.ErrorIs(t, c.SendAcked(within(t, time.Second), []byte("first")), context.DeadlineExceeded)
		m := get(t, a)
		h.net().Conns()[0].Vanish()
		second := put(t, c, "second", serpy.Acked) // never leaves on this link
		m.Ack()
		require.NoError(t, c.Reconnect())
		require.Equal(t, "second", get(t, a).String())
		bubbleSleep(time.Minute)
		resolved, err := second.Poll()
		require.False(t, resolved, "by the ack of the first: %v", err)
	})
}

// payloads are of any bytes: the marks of serpy's own wire, of its modes, of ours.
func payloads() [][]byte {
	all := [][]byte{
		{},
		[]byte("\x00"), []byte("\x04"), []byte("\x05\x06\x15\x1f\x1e"), []byte("ACK"), []byte("\x04\x04\x04"),
		[]byte("SETMODE"), []byte("SETMODE PLAIN\x04"), []byte("\r\n\r\n"), []byte("\xff\xfe\xfd"), []byte("\x89SPY\r\n\x1a\n"),
		[]byte("\xef\xbb\xbf\xe2\x82\xac"), bytes.Repeat([]byte{0}, 300), bytes.Repeat([]byte{0xff}, 300),
	}
	for b := range 256 {
		all = append(all, []byte{byte(b)})
	}
	for i, size := range []int{2, 3, 4, 5, 6, 126, 127, 128, 129, 4095, 16383, 16384, 16385, 52428, 52429, 65535, 65536, 65537, 131072, 200_001} {
		all = append(all, payload(uint64(i), size))
	}
	return all
}

// serpy's payloads were split at the bytes that its wire used as marks, and empty ones lost.
func TestPayloadsArriveAsSentInEveryMode(t *testing.T) {
	links := map[string]serpytest.Link{"whole": {}, "in small pieces": {Buffer: 61}}
	for name, link := range links {
		for _, mode := range allModes {
			bubble(t, fmt.Sprint(name, " ", mode), func(t *testing.T) {
				h := &host{link: link}
				s := h.start(t, nil)
				c := h.dial(t, nil)
				a := accepted(t, s)
				all := payloads()
				go func() {
					for i, p := range all {
						if i%50 == 49 {
							h.net().CutAll()
						}
						if _, err := c.SendMessage(t.Context(), serpy.Message{Data: p, Mode: mode}); err != nil {
							assert.NoError(t, err)
							return
						}
					}
				}()
				for i, p := range all {
					m := get(t, a)
					require.Equal(t, p, m.Data, i)
					require.Equal(t, mode, m.Mode, i)
					require.Equal(t, uint64(i)+1, m.ID)
				}
				require.NoError(t, c.Flush(within(t, time.Minute)))
			})
		}
	}
}

// serpy's close threw away what was queued, and what the peer had not read.
func TestCloseLosesNothingAfterFlush(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, h *host, a, c *serpy.Connection){
		"flush": func(t *testing.T, _ *host, _, c *serpy.Connection) {
			t.Helper()
			require.NoError(t, c.Flush(within(t, time.Minute)))
		},
		"no flush": func(*testing.T, *host, *serpy.Connection, *serpy.Connection) {},
		"unread data of the peer's": func(t *testing.T, _ *host, a, c *serpy.Connection) {
			t.Helper()
			for range 50 {
				require.NoError(t, a.Send(t.Context(), make([]byte, 50_000)))
			}
			require.NoError(t, c.Flush(within(t, time.Minute)))
		},
		"link cut after the flush": func(t *testing.T, h *host, _, c *serpy.Connection) {
			t.Helper()
			require.NoError(t, c.Flush(within(t, time.Minute)))
			h.net().CutAll()
		},
	} {
		bubble(t, name, func(t *testing.T) {
			h, a, c := meet(t, nil, nil)
			const n = 400
			for i := range n {
				data := payload(uint64(i), i*i%3000+4)
				_, err := c.SendMessage(within(t, time.Minute), serpy.Message{Data: data, Mode: allModes[i%4]})
				require.NoError(t, err)
			}
			prepare(t, h, a, c)
			require.NoError(t, c.Close())
			require.NoError(t, c.Err())
			for i := range n { // only now does the application begin
				require.Equal(t, payload(uint64(i), i*i%3000+4), get(t, a).Data)
			}
			_, err := a.Receive(within(t, time.Minute))
			require.ErrorIs(t, err, io.EOF)
			require.NoError(t, a.Err())
		})
	}
}

// serpy fell back to its first mode with each new link.
func TestTheModeSurvivesReconnection(t *testing.T) {
	for _, mode := range allModes {
		bubble(t, mode.String(), func(t *testing.T) {
			h, a, c := meet(t, nil, nil)
			for i := range 10 {
				first, second := put(t, c, fmt.Sprint(i), mode), put(t, a, fmt.Sprint(-i), mode)
				h.net().CutAll()
				for to, text := range map[*serpy.Connection]string{a: fmt.Sprint(i), c: fmt.Sprint(-i)} {
					m := get(t, to)
					require.Equal(t, text, m.String())
					require.Equal(t, mode, m.Mode)
				}
				for _, r := range []serpy.Receipt{first, second} {
					if err := r.Wait(within(t, time.Minute)); mode == serpy.Acked || mode == serpy.Base85Acked {
						require.NoError(t, err)
					} else {
						require.ErrorIs(t, err, serpy.ErrNotAcked)
					}
				}
				bubbleSleep(time.Second) // the next link is up
			}
			require.Equal(t, 11, c.Stats().Links)
		})
	}
}

// A handler's context ends with its connection; what had come before is there all
// the same, because the peer, who has closed, was told that it was received.
func TestAHandlerReadsToTheEndAfterClose(t *testing.T) {
	const n = 200
	for name, read := range map[string]func(ctx context.Context, c *serpy.Connection, took func()) error{
		"Receive": func(ctx context.Context, c *serpy.Connection, took func()) error {
			for {
				if _, err := c.Receive(ctx); err != nil {
					return c.Err()
				}
				took()
			}
		},
		"Messages": func(ctx context.Context, c *serpy.Connection, took func()) error {
			for range c.Messages(ctx) {
				took()
			}
			return c.Err()
		},
		"ReceiveBatch": func(ctx context.Context, c *serpy.Connection, took func()) error {
			into := make([]serpy.Message, 3)
			for {
				k, err := c.ReceiveBatch(ctx, into)
				if err != nil {
					return c.Err()
				}
				for range k {
					took()
				}
			}
		},
		"Handle": func(ctx context.Context, c *serpy.Connection, took func()) error {
			return c.Handle(ctx, func(context.Context, serpy.Message) error { took(); return nil })
		},
	} {
		bubble(t, name, func(t *testing.T) {
			h := &host{}
			s := h.start(t, nil)
			got := make(chan int, 1)
			go func() {
				_ = s.Serve(t.Context(), func(ctx context.Context, c *serpy.Connection) error {
					count := 0
					err := read(ctx, c, func() {
						count++
						bubbleSleep(time.Second) // slower than the Close
					})
					assert.NoError(t, err)
					got <- count
					<-ctx.Done()
					return nil
				})
			}()
			c := h.dial(t, nil)
			for i := range n {
				put(t, c, fmt.Sprint(i), serpy.Plain)
			}
			require.NoError(t, c.Close())
			require.Equal(t, n, <-got)
			require.NoError(t, s.Shutdown(within(t, time.Minute)))
		})
	}
	bubble(t, "after the context ended", func(t *testing.T) {
		h := &host{}
		s := h.start(t, nil)
		read := make(chan struct{})
		go func() {
			_ = s.Serve(t.Context(), func(ctx context.Context, c *serpy.Connection) error {
				<-ctx.Done()
				defer close(read)
				m, err := c.Receive(ctx)
				assert.NoError(t, err, "what came is there all the same")
				assert.Equal(t, "unread", m.String())
				_, err = c.Receive(ctx)
				assert.ErrorIs(t, err, io.EOF)
				return nil
			})
		}()
		c := h.dial(t, nil)
		put(t, c, "unread", serpy.Plain)
		require.NoError(t, c.Close())
		<-read
		require.NoError(t, s.Shutdown(within(t, time.Minute)))
	})
}
