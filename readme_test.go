package serpy_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/protocol/serpy1"
	"github.com/serpy-go/serpy/protocol/serpy2"
)

func instrument(ctx context.Context, s *serpy.Server) error {
	return s.Serve(ctx, func(ctx context.Context, c *serpy.Connection) error {
		return c.Handle(ctx, func(ctx context.Context, m serpy.Message) error {
			switch m.String() {
			case "*IDN?":
				return m.Reply(ctx, serpy.TextMessage("ACME,1,0,1"))
			case "START":
				go sample(ctx, c)
				return nil
			}
			return fmt.Errorf("no such command: %v", m) // Who asks by Request gets a NackError.
		})
	})
}

func sample(ctx context.Context, c *serpy.Connection) {
	for i := 0; ; i++ { // Goes on while the link is down, until the queue is full.
		if err := c.Send(ctx, fmt.Appendf(nil, "sample %d", i)); err != nil {
			return // The workstation has left, or the program ends.
		}
	}
}

func workstation(ctx context.Context, address string) error {
	c, err := serpy.Dial(ctx, address, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	name, err := c.Request(ctx, serpy.TextMessage("*IDN?"))
	if err != nil {
		return err
	}
	fmt.Println(name)
	if err := c.Send(ctx, []byte("START")); err != nil {
		return err
	}
	for m := range c.Messages(ctx) {
		if m.Gap != nil {
			fmt.Println(m.Gap) // Messages are missing here, so many, and why.
		}
		fmt.Println(m)
		if m.String() == "sample 2" {
			return nil
		}
	}
	return c.Err()
}

func listen(address string) (*serpy.Server, error) {
	return serpy.Listen(address, &serpy.Options{
		Wires: []protocol.Codec{serpy.Native, serpy2.Wire{}, serpy1.Wire{}},
	})
}

func Example_readme() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	s, err := listen("tcp://127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	served := make(chan error, 1)
	go func() { served <- instrument(ctx, s) }()
	if err := workstation(ctx, s.Address()); err != nil {
		fmt.Println(err)
	}
	stop()
	if err := <-served; err != nil {
		fmt.Println(err)
	}
	// Output:
	// ACME,1,0,1
	// sample 0
	// sample 1
	// sample 2
}

// What README.md shows as Go is in this file, where it is compiled and run.
func TestReadmeShowsCodeThatRuns(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	here, err := os.ReadFile("readme_test.go")
	require.NoError(t, err)
	blocks := strings.Split(string(readme), "```go\n")[1:]
	require.Len(t, blocks, 3)
	for _, b := range blocks {
		code, _, closed := strings.Cut(b, "```")
		require.True(t, closed)
		require.Contains(t, string(here), code)
	}
}
