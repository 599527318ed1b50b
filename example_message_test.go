package serpy_test

import (
	"context"
	"fmt"
	"time"

	"github.com/serpy-go/serpy"
)

func ExampleMessage_Release() {
	s, stop := newServer(answer, nil)
	defer stop()
	c := newClient(s, nil)
	defer c.Close()
	sum := 0
	for range 10 {
		_ = c.Send(context.Background(), make([]byte, 100))
		m, _ := c.Receive(context.Background())
		sum += len(m.Data)
		m.Release() // m.Data is not used any more: its memory may serve again
	}
	fmt.Println(sum)
	// Output: 1000
}

func ExampleMessage_Nack() {
	s, stop := newServer(func(ctx context.Context, c *serpy.Connection) error {
		for m := range c.Messages(ctx) {
			if m.String() == "good" {
				m.Ack()
			} else {
				m.Nack("not good")
			}
		}
		return c.Err()
	}, &serpy.Options{AckWhen: serpy.OnProcessed})
	defer stop()
	c := newClient(s, nil)
	defer c.Close()
	fmt.Println(c.SendAcked(context.Background(), []byte("good")))
	fmt.Println(c.SendAcked(context.Background(), []byte("bad")))
	// Output:
	// <nil>
	// serpy: send acked: refused by the peer's application: not good
}

func ExampleReceipt_Done() {
	s, stop := newServer(answer, nil)
	defer stop()
	c := newClient(s, nil)
	defer c.Close()
	r, _ := c.SendMessage(context.Background(), serpy.Message{Data: []byte("x"), Mode: serpy.Acked})
	select {
	case <-r.Done():
		_, err := r.Poll()
		fmt.Println("resolved:", err)
	case <-time.After(10 * time.Second):
		fmt.Println("not yet")
	}
	// Output: resolved: <nil>
}
