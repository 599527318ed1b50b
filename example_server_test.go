package serpy_test

import (
	"context"
	"fmt"
	"log"

	"github.com/serpy-go/serpy"
)

func ExampleServer_Messages() {
	s, err := serpy.Listen("localhost:0", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	for i := range 3 {
		c := newClient(s, nil)
		_ = c.Send(context.Background(), fmt.Append(nil, i))
		_ = c.Close()
	}
	sum := 0
	for _, m := range s.Messages(context.Background()) {
		fmt.Println(m)
		if sum++; sum == 3 {
			break
		}
	}
	// Unordered output:
	// 0
	// 1
	// 2
}

func ExampleServer_Accept() {
	s, err := serpy.Listen("localhost:0", nil)
	if err != nil {
		log.Fatal(err)
	}
	c := newClient(s, &serpy.Options{Name: "Ada"})
	server, err := s.Accept(context.Background())
	fmt.Println(server.Peer().Name, err, server.ID() == c.ID())
	found, ok := s.Connection(c.ID())
	fmt.Println(found == server, ok, s.Len(), s.Stats().Connected)
	fmt.Println(c.Close())
	fmt.Println(s.Close())
	_, err = s.Accept(context.Background())
	fmt.Println(err)
	// Output:
	// Ada <nil> true
	// true true 1 1
	// <nil>
	// <nil>
	// serpy: accept: server closed
}

func ExampleServer_BroadcastWait() {
	ready := make(chan struct{}, 1)
	s, stop := newServer(func(ctx context.Context, _ *serpy.Connection) error {
		ready <- struct{}{}
		<-ctx.Done()
		return nil
	}, &serpy.Options{SendQueue: serpy.Queue{Messages: 2}})
	defer stop()
	recorder := newClient(s, nil)
	defer recorder.Close()
	<-ready
	go func() {
		for i := range 1000 {
			if err := s.BroadcastWait(context.Background(), serpy.Message{Data: fmt.Append(nil, i)}); err != nil {
				log.Fatal(err)
			}
		}
	}()
	gaps := 0
	for m := range recorder.Messages(context.Background()) {
		if m.Gap != nil {
			gaps++
		}
		if m.String() == "999" {
			break
		}
	}
	fmt.Println(gaps)
	// Output: 0
}
