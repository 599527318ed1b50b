package serpy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/blob"
)

// A reader of any length is sent beside the messages; nil says that the peer has all of
// it.
func ExampleConnection_SendBlob() {
	ctx := context.Background()
	s, stop := newServer(func(ctx context.Context, c *serpy.Connection) error {
		b, err := c.ReceiveBlob(ctx)
		if err != nil {
			return err
		}
		data, err := io.ReadAll(b)
		if err != nil {
			return err
		}
		fmt.Println("received", b.Info().Name, string(data))
		<-ctx.Done()
		return nil
	}, nil)
	defer stop()
	c := newClient(s, nil)
	info := blob.Info{Name: "run-7", MediaType: "text/plain"}
	res, err := c.SendBlob(ctx, info, strings.NewReader("1 2 3"), nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("sent", res.Bytes, "bytes")
	if err := c.Close(); err != nil {
		log.Fatal(err)
	}
	// Unordered output:
	// received run-7 1 2 3
	// sent 5 bytes
}

// A file goes under its own name into a folder of the peer, which may refuse it.
func ExampleConnection_SendFile() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s, stop := newServer(func(ctx context.Context, c *serpy.Connection) error {
		for {
			b, err := c.ReceiveBlob(ctx)
			if err != nil {
				return nil //nolint:nilerr // the peer has closed
			}
			if strings.HasSuffix(b.Info().Name, ".tmp") {
				_ = b.Reject("no temporary files")
			} else if _, err := b.SaveTo(ctx, filepath.Join(dir, "to"), nil); err != nil {
				return err
			}
		}
	}, nil)
	defer stop()
	if err := os.Mkdir(filepath.Join(dir, "to"), 0o700); err != nil {
		log.Fatal(err)
	}
	c := newClient(s, nil)
	for _, name := range []string{"data.csv", "data.tmp"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("1,2,3\n"), 0o600); err != nil {
			log.Fatal(err)
		}
		_, err := c.SendFile(ctx, path, nil)
		if refused, ok := errors.AsType[*serpy.NackError](err); ok {
			fmt.Println(name, "was refused:", refused.Reason)
		} else if err != nil {
			log.Fatal(err)
		}
	}
	saved, err := os.ReadFile(filepath.Join(dir, "to", "data.csv"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("saved %q\n", saved)
	if err := c.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// data.tmp was refused: no temporary files
	// saved "1,2,3\n"
}
