package main

import (
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/serpy-go/serpy"
)

const (
	roleBoth        = "both"
	roleInstrument  = "instrument"
	roleWorkstation = "workstation"

	// maxMessage is what one message may hold, at both ends.
	maxMessage = 16 << 20
	// maxRate is beyond what one timer a message can keep up with.
	maxRate = 100_000

	meetingPoint = "tcp://127.0.0.1:7070" // Where the roles meet when they are two processes and -addr says nothing.
)

// config is what the flags say, checked.
type config struct {
	role, address string
	source, file  string // Source: host, camera or file, and then the file's path.
	out           string
	mode          serpy.Mode
	policy        serpy.Policy
	rate          float64
	size, queue   int
	duration      time.Duration
	cut, slow     time.Duration
	json, verbose bool
	ask           string
	askHere       bool // Ask an instrument in this process.

	cert, key, ca string
	insecure      bool
	serverName    string         // The name in the certificate, where the address dialled is a proxy's.
	trust         *x509.CertPool // Of the instrument in this process.
}

var modes = map[string]serpy.Mode{
	"plain": serpy.Plain, "acked": serpy.Acked, "base85": serpy.Base85, "acked-base85": serpy.Base85Acked,
}

var policies = map[string]serpy.Policy{
	"block": serpy.Block, "drop-oldest": serpy.DropOldest, "keep-latest": serpy.KeepLatest,
}

const usage = `instrument streams data to a workstation over a link that may keep breaking.

  instrument                                              both ends here, for 5 s
  instrument -source file:F -out G -mode acked -cut 20ms  a recording over a bad cable
  instrument -role instrument -addr tcp://:7070           the instrument alone
  instrument -role workstation -addr tcp://lab1:7070      the workstation alone
  instrument -ask '*IDN?' -addr tcp://lab1:7070           one command: *IDN?, RATE?, RATE 50

Flags:
`

// rawFlags are the flags that need a second look.
type rawFlags struct{ source, mode, policy, size string }

// parseFlags reads args. -help is printed to stderr and gives flag.ErrHelp.
func parseFlags(args []string, stderr io.Writer) (config, error) {
	var cfg config
	var raw rawFlags
	set := newFlagSet(&cfg, &raw)
	if err := set.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(stderr, usage)
			set.SetOutput(stderr)
			set.PrintDefaults()
			return cfg, err
		}
		return cfg, fmt.Errorf("%w; see -help", err)
	}
	if set.NArg() > 0 {
		return cfg, fmt.Errorf("%q is no flag: everything is said by flags; see -help", set.Arg(0))
	}
	given := map[string]bool{}
	set.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for _, check := range []func(*config, rawFlags, map[string]bool) error{
		checkRole, checkAddress, checkSource, checkChoices, checkNumbers, checkTLS,
	} {
		if err := check(&cfg, raw, given); err != nil {
			return cfg, err
		}
	}
	return cfg, nil
}

func newFlagSet(cfg *config, raw *rawFlags) *flag.FlagSet {
	set := flag.NewFlagSet("instrument", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.StringVar(&cfg.role, "role", roleBoth, "`role` of this process: both, instrument or workstation")
	set.StringVar(&cfg.address, "addr", "", "`URL` where the instrument listens: tcp://host:port, tls://host:port or unix:///path\n(default tcp://127.0.0.1:0, a free port, for both; "+meetingPoint+" for one role)")
	set.StringVar(&raw.source, "source", "host", "`what` the instrument streams: host (this machine's counters, as lines of JSON),\ncamera (512x512 float32 frames) or file:PATH (a recording, then the end)")
	set.StringVar(&cfg.out, "out", "", "`file` into which the workstation writes what it receives")
	set.StringVar(&raw.mode, "mode", "plain", "`mode` of the messages: plain, acked, base85 or acked-base85")
	set.StringVar(&raw.policy, "policy", "block", "`what` a full send queue does: block, drop-oldest or keep-latest;\nacked messages are never dropped")
	set.IntVar(&cfg.queue, "queue", 0, "messages that each queue holds at most (default 4096; 4 with a dropping policy or -slow)")
	set.Float64Var(&cfg.rate, "rate", 0, "messages a second, in `Hz`, of host and camera (default 20 and 30)")
	set.StringVar(&raw.size, "size", "64KiB", "`bytes` of a file in one message, as 65536 or 64KiB")
	set.DurationVar(&cfg.duration, "duration", 0, "end after this long (default: 5s for host and camera in one process, else the file's end or Ctrl-C)")
	set.DurationVar(&cfg.cut, "cut", 0, "break the link about every so often, in mid-frame, by a proxy in this process")
	set.DurationVar(&cfg.slow, "slow", 0, "the workstation sleeps this long over each message")
	set.BoolVar(&cfg.json, "json", false, "print the result as one JSON object, and nothing else")
	set.StringVar(&cfg.ask, "ask", "", "ask the instrument at -addr this one `command`, print its answer, end;\nwithout -addr and -role, ask an instrument in this process")
	set.StringVar(&cfg.cert, "cert", "", "tls: `file` with this side's certificate (PEM)")
	set.StringVar(&cfg.key, "key", "", "tls: `file` with the key of -cert (PEM)")
	set.StringVar(&cfg.ca, "ca", "", "tls: `file` with certificates that the other side must have, or be signed by (PEM)")
	set.BoolVar(&cfg.insecure, "insecure", false, "tls: the workstation takes any certificate: whoever sits in between can read and change everything")
	set.BoolVar(&cfg.verbose, "v", false, "log what the library does to stderr")
	return set
}

func checkRole(cfg *config, _ rawFlags, given map[string]bool) error {
	switch cfg.role {
	case roleBoth, roleInstrument, roleWorkstation:
	default:
		return fmt.Errorf("-role %q: choose both, instrument or workstation", cfg.role)
	}
	if cfg.ask == "" {
		if given["ask"] {
			return errors.New("-ask: say what to ask, as in -ask '*IDN?'")
		}
		return nil
	}
	if cfg.role == roleInstrument {
		return errors.New("-ask: it is the workstation that asks; leave -role away")
	}
	cfg.askHere = !given["addr"] && !given["role"]
	if !cfg.askHere {
		cfg.role = roleWorkstation
	}
	return nil
}

func checkAddress(cfg *config, _ rawFlags, given map[string]bool) error {
	if !given["addr"] {
		cfg.address = meetingPoint
		if cfg.role == roleBoth {
			cfg.address = "tcp://127.0.0.1:0"
		}
		return nil
	}
	scheme, rest, ok := strings.Cut(cfg.address, "://")
	if !ok {
		scheme, rest = "tcp", cfg.address
		cfg.address = "tcp://" + rest
	}
	switch scheme {
	case "tcp", "tls":
		if !strings.Contains(rest, ":") {
			return fmt.Errorf("-addr %q: a port is missing, as in %s://%s:7070", cfg.address, scheme, rest)
		}
	case "unix":
		if rest == "" {
			return errors.New("-addr unix://: a path is missing, as in unix:///tmp/instrument.sock")
		}
	default:
		return fmt.Errorf("-addr %q: it starts with tcp://, tls:// or unix://", cfg.address)
	}
	return nil
}

func checkSource(cfg *config, raw rawFlags, given map[string]bool) error {
	kind, path, isFile := strings.Cut(raw.source, ":")
	defaultRate := 20.0
	switch {
	case raw.source == "host":
	case raw.source == "camera":
		defaultRate = 30
	case kind == "file" && path != "":
		info, err := os.Stat(path)
		if err != nil && cfg.role != roleWorkstation {
			return fmt.Errorf("-source file: %w", err)
		}
		if err == nil && info.IsDir() {
			return fmt.Errorf("-source file: %s is a folder; name a file", path)
		}
		if given["rate"] {
			return errors.New("-rate is for host and camera: a file goes as fast as the link takes it; leave it away")
		}
	case kind == "file" && isFile:
		return errors.New("-source file: the path is missing, as in -source file:run7.dat")
	default:
		return fmt.Errorf("-source %q: choose host, camera or file:PATH", raw.source)
	}
	cfg.source, cfg.file = kind, path
	if !given["rate"] {
		cfg.rate = defaultRate
	}
	if cfg.role == roleBoth && kind != "file" && !given["duration"] {
		cfg.duration = 5 * time.Second
	}
	return nil
}

func checkChoices(cfg *config, raw rawFlags, given map[string]bool) error {
	var ok bool
	if cfg.mode, ok = modes[raw.mode]; !ok {
		return fmt.Errorf("-mode %q: choose plain, acked, base85 or acked-base85", raw.mode)
	}
	if cfg.policy, ok = policies[raw.policy]; !ok {
		return fmt.Errorf("-policy %q: choose block, drop-oldest or keep-latest", raw.policy)
	}
	size, err := humanize.ParseBytes(raw.size)
	if err != nil || size < 1 || size > maxMessage {
		return fmt.Errorf("-size %q: give 1 byte to %s, as 65536 or 64KiB", raw.size, humanize.IBytes(maxMessage))
	}
	cfg.size = int(size)
	if !given["queue"] && (cfg.policy != serpy.Block || cfg.slow > 0) {
		cfg.queue = 4 // So few that slowness shows in seconds, and what arrives is recent.
	}
	if cfg.out != "" && cfg.role == roleInstrument {
		return errors.New("-out is for the workstation, which writes what it receives; leave it away here")
	}
	if same, err := sameFile(cfg.out, cfg.file); err == nil && same {
		return fmt.Errorf("-out %s is the very file that -source reads; name another", cfg.out)
	}
	return nil
}

func sameFile(a, b string) (bool, error) {
	infoA, err := os.Stat(a)
	if err != nil {
		return false, err
	}
	infoB, err := os.Stat(b)
	if err != nil {
		return false, err
	}
	return os.SameFile(infoA, infoB), nil
}

func checkNumbers(cfg *config, _ rawFlags, given map[string]bool) error {
	if math.IsNaN(cfg.rate) || cfg.rate <= 0 || cfg.rate > maxRate {
		return fmt.Errorf("-rate %v: give more than 0 and at most %d Hz", cfg.rate, maxRate)
	}
	if cfg.queue < 0 || (given["queue"] && cfg.queue == 0) {
		return fmt.Errorf("-queue %d: give 1 message or more", cfg.queue)
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"duration", cfg.duration}, {"cut", cfg.cut}, {"slow", cfg.slow}} {
		if d.value < 0 || (d.value == 0 && given[d.name] && d.name == "duration") {
			return fmt.Errorf("-%s %v: give a time above 0, as 20ms or 5s", d.name, d.value)
		}
	}
	if cfg.cut > 0 && cfg.cut < time.Millisecond {
		return fmt.Errorf("-cut %v: no link would live to say hello; give 1ms or more", cfg.cut)
	}
	return nil
}

func checkTLS(cfg *config, _ rawFlags, _ map[string]bool) error {
	isTLS := strings.HasPrefix(cfg.address, "tls://")
	used := cfg.cert != "" || cfg.key != "" || cfg.ca != "" || cfg.insecure
	switch {
	case used && !isTLS:
		return errors.New("-cert, -key, -ca and -insecure need -addr tls://host:port")
	case (cfg.cert == "") != (cfg.key == ""):
		return errors.New("-cert and -key go together: give both or none")
	case cfg.insecure && cfg.role == roleInstrument:
		return errors.New("-insecure is for the workstation; leave it away here")
	case used && cfg.role == roleBoth:
		return errors.New("-cert, -key, -ca and -insecure are for two processes: in one, a certificate is made for the run")
	}
	return nil
}
