package serpytest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/serpy-go/serpy/serpytest"
)

// A cut at an exact byte: what was before it arrives.
func ExampleDirection_CutAfter() {
	a, b := serpytest.Pipe(serpytest.Link{})
	a.Out().CutAfter(5)
	_, err := a.Write([]byte("hello, world"))
	fmt.Println("written:", err) // A socket would not know yet, either.

	got, err := io.ReadAll(b)
	fmt.Printf("read: %q, reset: %t\n", got, errors.Is(err, syscall.ECONNRESET))
	_, err = a.Write([]byte("more"))
	fmt.Println("reset:", errors.Is(err, syscall.ECONNRESET))
	// Output:
	// written: <nil>
	// read: "hello", reset: true
	// reset: true
}

// Every second connection breaks in its first bytes.
func ExampleListener_OnDial() {
	l := serpytest.Listen(serpytest.Link{})
	defer l.Close()
	l.OnDial(func(n int, _, accepted *serpytest.Conn) {
		if n%2 == 0 {
			accepted.Out().CutAfter(3)
		}
	})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "welcome")
			_ = c.Close()
		}
	}()
	for range 2 {
		c, err := l.Dial(context.Background())
		if err != nil {
			fmt.Println(err)
			return
		}
		got, err := io.ReadAll(c)
		fmt.Printf("%q, broken: %t\n", got, err != nil)
		_ = c.Close()
	}
	// Output:
	// "welcome", broken: false
	// "wel", broken: true
}

// A slow line before a real socket.
func ExampleFault() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	socket, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	c := serpytest.Fault(socket, serpytest.Link{Latency: 10 * time.Millisecond})
	peer, err := l.Accept()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer peer.Close()

	start := time.Now()
	_, _ = io.WriteString(c, "ping")
	buf := make([]byte, 4)
	_, _ = io.ReadFull(peer, buf)
	fmt.Printf("%s, late: %t\n", buf, time.Since(start) >= 10*time.Millisecond)

	c.Cut()
	_, err = peer.Read(buf)
	fmt.Println("the peer notices:", errors.Is(err, syscall.ECONNRESET))
	_ = c.Close()
	// Output:
	// ping, late: true
	// the peer notices: true
}

// A program under test dials the proxy's address instead of the server's.
func ExampleProxy() {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	p, err := serpytest.NewProxy("tcp", server.Addr().String(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()

	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	peer, err := server.Accept()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer peer.Close()
	_, _ = io.WriteString(peer, "x")
	_, err = c.Read(make([]byte, 1))
	fmt.Println("through:", err)
	fmt.Println("cut:", p.Cut())
	_, err = c.Read(make([]byte, 1))
	fmt.Println("broken:", err != nil)
	// Output:
	// through: <nil>
	// cut: 1
	// broken: true
}

// Two messages were accepted and confirmed; one came, twice.
func ExampleHistory() {
	var h serpytest.History
	for key := range uint64(2) {
		s := h.Sending(key, true, []byte("payload")) // Right before the send.
		s.Accepted()                                 // The send returned nil.
		s.Confirmed()                                // So did its receipt.
	}
	for range 2 {
		h.Received(serpytest.Reception{Key: 0, Payload: []byte("payload")})
	}
	for _, broken := range h.Check() {
		fmt.Println(broken)
	}
	// Output:
	// duplicated: message 0: came again, not marked as redelivered
	// lost: message 1: of 1 that never came, 1 were reported to nobody
	// false receipt: message 1: confirmed, but never received
}
