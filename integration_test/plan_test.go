//go:build linux

package integration

import (
	"cmp"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/transport"
)

// A plan says what a peer program does. Its zero values are the library's defaults.
type plan struct {
	Program string // "" talks; others: see runPeer
	Listen  bool
	Address string // to listen on, or to dial
	Journal string
	Life    int // how often the process was started before

	Messages int    // to send; the command "finish" ends it sooner
	Rate     int    // messages a second; 0: as fast as they are taken
	Size     int    // bytes of the largest messages, one in a hundred; the others are smaller
	Fixed    bool   // all messages have exactly Size bytes
	Seed     uint64 // of sizes
	Plain    bool   // all messages are Plain; otherwise the four modes in turn
	ReadRate int    // messages a second that the application takes; 0: all

	OnProcessed, Resend, DropOldest                                                                           bool
	Queue                                                                                                     int
	Heartbeat, IdleTimeout, WriteStall, DialTimeout, HandshakeTimeout, SessionTimeout, BackoffMin, BackoffMax time.Duration

	Cert, Key   []byte   // PEM, for tls:// addresses
	WriteBuffer int      // of the socket; 0: the system's
	Env         []string // more environment of the process

	Descriptors uint64 // the bound on open files; 0: as it is
	Connections int    // of programs that make many
	Active      int    // of them, those that talk
}

// side is 1 for the listener.
func (p *plan) side() int {
	if p.Listen {
		return 1
	}
	return 0
}

func (p *plan) options() *serpy.Options {
	o := &serpy.Options{
		Name: "peer", Heartbeat: p.Heartbeat, IdleTimeout: p.IdleTimeout, WriteStall: p.WriteStall,
		DialTimeout: p.DialTimeout, HandshakeTimeout: p.HandshakeTimeout, SessionTimeout: p.SessionTimeout,
		Reconnect: serpy.Reconnect{
			FirstDial: serpy.RetryUntilDone,
			Min:       cmp.Or(p.BackoffMin, 5*time.Millisecond), Max: cmp.Or(p.BackoffMax, 100*time.Millisecond),
		},
		Transport: transport.Options{WriteBuffer: p.WriteBuffer},
		SendQueue: serpy.Queue{Messages: p.Queue},
	}
	if p.Cert != nil {
		o.TLS = p.tls()
	}
	if p.OnProcessed {
		o.AckWhen = serpy.OnProcessed
	}
	if p.Resend {
		o.OnSessionLost = serpy.Resend
	}
	if p.DropOldest {
		o.SendQueue.Policy = serpy.DropOldest
	}
	return o
}

func (p *plan) tls() *tls.Config {
	if p.Listen {
		cert, err := tls.X509KeyPair(p.Cert, p.Key)
		if err != nil {
			panic(err)
		}
		return &tls.Config{Certificates: []tls.Certificate{cert}}
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(p.Cert)
	return &tls.Config{RootCAs: roots, ServerName: certName}
}

const certName = "serpy.test"

// certify makes a certificate that vouches for itself.
func certify(t *testing.T) (cert, key []byte) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{certName}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(nil, template, template, public, private)
	require.NoError(t, err)
	cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	der, err = x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	return cert, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}
