package peer

import (
	"context"
	"net"
	"net/http"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
)

func websocketPeers() []Peer {
	can := only(TCP+TLS, OneWay, PingPong, Acked, FanOut, Idle)
	const about = "binary messages over HTTP/1.1; an answer of 8 bytes for each message where they are acked"
	return []Peer{
		{Name: "gorilla", About: about, Module: "github.com/gorilla/websocket", Lack: can, Listen: webListen(gorillaAccept), Dial: webDial(gorillaDial)},
		{Name: "coder", About: about, Module: "github.com/coder/websocket", Lack: can, Listen: webListen(coderAccept), Dial: webDial(coderDial)},
	}
}

// webListen serves HTTP and hands over each connection that asks for a WebSocket.
func webListen(accept func(http.ResponseWriter, *http.Request) (link, error)) func(context.Context, Spec) (Side, string, error) {
	return func(ctx context.Context, s Spec) (Side, string, error) {
		l, address, err := listen(ctx, s)
		if err != nil {
			return nil, "", err
		}
		d := newListening(s)
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { //nolint:gosec // G112: nobody but our own child connects
			if c, err := accept(w, r); err == nil {
				d.accepted <- c
			}
		})}
		d.stop = server.Close
		go func() { _ = server.Serve(l) }()
		return d, address, nil
	}
}

func webDial(connect func(ctx context.Context, net func(context.Context, string, string) (net.Conn, error)) (link, error)) func(context.Context, Spec, string) (Side, error) {
	return func(ctx context.Context, s Spec, address string) (Side, error) {
		return dialAll(s, func() (link, error) {
			return connect(ctx, func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, s, address) })
		})
	}
}

// webURL is asked for; where it is, the dialling function knows.
const webURL = "ws://bench/"

type gorillaLink struct{ c *gorilla.Conn }

func (l gorillaLink) send(data []byte) error { return l.c.WriteMessage(gorilla.BinaryMessage, data) }

func (l gorillaLink) receive() ([]byte, error) {
	_, m, err := l.c.ReadMessage()
	return m, err
}

func (l gorillaLink) close() error { return l.c.Close() }

func gorillaAccept(w http.ResponseWriter, r *http.Request) (link, error) {
	c, err := new(gorilla.Upgrader).Upgrade(w, r, nil)
	return gorillaLink{c}, err
}

func gorillaDial(ctx context.Context, connect func(context.Context, string, string) (net.Conn, error)) (link, error) {
	c, response, err := (&gorilla.Dialer{NetDialContext: connect}).DialContext(ctx, webURL, nil)
	if response != nil {
		_ = response.Body.Close()
	}
	return gorillaLink{c}, err
}

type coderLink struct{ c *coder.Conn }

func (l coderLink) send(data []byte) error {
	return l.c.Write(context.Background(), coder.MessageBinary, data)
}

func (l coderLink) receive() ([]byte, error) {
	_, m, err := l.c.Read(context.Background())
	return m, err
}

func (l coderLink) close() error { return l.c.CloseNow() }

func coderAccept(w http.ResponseWriter, r *http.Request) (link, error) {
	c, err := coder.Accept(w, r, &coder.AcceptOptions{CompressionMode: coder.CompressionDisabled})
	if err != nil {
		return nil, err
	}
	c.SetReadLimit(-1)
	return coderLink{c}, nil
}

func coderDial(ctx context.Context, connect func(context.Context, string, string) (net.Conn, error)) (link, error) {
	client := &http.Client{Transport: &http.Transport{DialContext: connect}}
	c, response, err := coder.Dial(ctx, webURL, &coder.DialOptions{HTTPClient: client, CompressionMode: coder.CompressionDisabled})
	if response != nil && response.Body != nil {
		_ = response.Body.Close() // empty, or what the refusal said
	}
	if err != nil {
		return nil, err
	}
	c.SetReadLimit(-1)
	return coderLink{c}, nil
}
