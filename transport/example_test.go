package transport_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"time"

	"github.com/serpy-go/serpy/transport"
)

func ExampleParse() {
	for _, s := range []string{":8000", "tls://[::1]:8000", "unix:///run/camera.sock", "http://camera"} {
		a, err := transport.Parse(s)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(a.Scheme(), a)
	}
	// Output:
	// tcp tcp://:8000
	// tls tls://[::1]:8000
	// unix unix:///run/camera.sock
	// address "http://camera": no such scheme: "http"; want host:port, tcp://host:port, tls://host:port, unix:///path or npipe://./pipe/name
}

func ExampleListen() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	o := transport.Options{ReadBuffer: 1 << 20, KeepAlive: time.Minute}
	anywhere, err := transport.Parse("tcp://127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	l, err := transport.Listen(ctx, anywhere, nil, o)
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		if err := transport.Tune(c, o); err != nil {
			return
		}
		_, _ = io.WriteString(c, "hello")
	}()
	here, _ := transport.ListenerAddress(l)
	c, err := transport.Dial(ctx, here, nil, o)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	said, err := io.ReadAll(c)
	fmt.Println(string(said), err)
	<-done
	// Output: hello <nil>
}
