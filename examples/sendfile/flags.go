package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/serpy-go/serpy/examples/internal/cli"
)

// meetingPoint is where the two meet when -addr says nothing.
const meetingPoint = "tcp://127.0.0.1:7071"

// config is what the flags of both commands say.
type config struct {
	address       string
	json, quiet   bool
	verbose       bool
	wait          time.Duration // send
	ca            string
	dir           string // receive
	overwrite     bool
	once          bool
	keep          time.Duration
	cert, certKey string
}

func commonFlags(name string, cfg *config) *flag.FlagSet {
	set := flag.NewFlagSet(name, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.BoolVar(&cfg.json, "json", false, "print JSON to stdout: one object a file, each in a line")
	set.BoolVar(&cfg.quiet, "q", false, "show no bars, and no lines for files that are whole")
	set.BoolVar(&cfg.verbose, "v", false, "log what the library does to stderr")
	return set
}

func sendFlags(cfg *config) *flag.FlagSet {
	set := commonFlags("sendfile send", cfg)
	set.StringVar(&cfg.address, "addr", meetingPoint, "`URL` of the receiver: "+cli.Dials)
	set.DurationVar(&cfg.wait, "wait", 30*time.Second, "how long to look for the receiver, at the start and after each broken link, and how\nlong a program there that is not sendfile may take to ask for a file")
	set.StringVar(&cfg.ca, "ca", "", "tls: `file` with the certificate that the receiver must have, or be signed by (PEM)")
	return set
}

func receiveFlags(cfg *config) *flag.FlagSet {
	set := commonFlags("sendfile receive", cfg)
	set.StringVar(&cfg.address, "addr", meetingPoint, "`URL` to listen at: "+cli.Dials+";\ntcp://:7071 is for all machines")
	set.StringVar(&cfg.dir, "dir", "", "`folder` for the files; it must exist")
	set.BoolVar(&cfg.overwrite, "overwrite", false, "replace files of the same name")
	set.BoolVar(&cfg.once, "once", false, "end when the first sender has ended")
	set.DurationVar(&cfg.keep, "keep", 7*24*time.Hour, "how long unfinished files wait for their rest")
	set.StringVar(&cfg.cert, "cert", "", "tls: `file` with the certificate (PEM)")
	set.StringVar(&cfg.certKey, "key", "", "tls: `file` with its key (PEM)")
	return set
}

// parse reads the flags of a command. Its help goes to stderr, and gives flag.ErrHelp.
func parse(set *flag.FlagSet, args []string, what string, stderr io.Writer) error {
	err := set.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(stderr, "%s\n\nFlags:\n", what)
		set.SetOutput(stderr)
		set.PrintDefaults()
		return err
	}
	if err != nil {
		return &flagError{fmt.Errorf("%w; see %s -help", err, set.Name())}
	}
	return nil
}

// senderTLS and receiverTLS are for addresses of tls.
func senderTLS(cfg *config) (*tls.Config, error) {
	if cfg.ca == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(cfg.ca)
	if err != nil {
		return nil, &flagError{fmt.Errorf("-ca: %w", err)}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, &flagError{fmt.Errorf("-ca: %s holds no certificate", cfg.ca)}
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: pool}, nil
}

func receiverTLS(cfg *config) (*tls.Config, error) {
	if cfg.cert == "" && cfg.certKey == "" {
		if strings.HasPrefix(cfg.address, "tls://") {
			return nil, &flagError{errors.New("tls needs -cert and -key")}
		}
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(cfg.cert, cfg.certKey)
	if err != nil {
		return nil, &flagError{fmt.Errorf("-cert, -key: %w", err)}
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}}, nil
}
