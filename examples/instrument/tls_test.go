package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// shake does one handshake over a real socket, and gives the client's error.
func shake(t *testing.T, server, client *tls.Config) error {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", server)
	require.NoError(t, err)
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		if c.(*tls.Conn).HandshakeContext(t.Context()) == nil {
			_, _ = c.Write([]byte("x"))
		}
	}()
	dialer := tls.Dialer{Config: client}
	c, err := dialer.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Read(make([]byte, 1)) // A refused client certificate shows only here.
	return err
}

func TestMadeCertificateIsTrustedByWhoWasGivenIt(t *testing.T) {
	at := config{address: "tls://127.0.0.1:0", role: roleInstrument}
	server, trust, notice, err := serverTLS(at)
	require.NoError(t, err)
	client, err := clientTLS(config{address: at.address, trust: trust})
	require.NoError(t, err)
	require.NoError(t, shake(t, server, client))

	// By the notice, put in a file.
	path := filepath.Join(t.TempDir(), "instrument.pem")
	require.NoError(t, os.WriteFile(path, []byte(notice[strings.Index(notice, "-----BEGIN"):]), 0o600))
	client, err = clientTLS(config{address: at.address, ca: path})
	require.NoError(t, err)
	require.NoError(t, shake(t, server, client))

	// By nobody else.
	client, err = clientTLS(config{address: at.address})
	require.NoError(t, err)
	err = shake(t, server, client)
	require.ErrorContains(t, err, "x509:")
	assert.Contains(t, plain(err), "-ca FILE")

	// Unless -insecure is said.
	client, err = clientTLS(config{address: at.address, insecure: true})
	require.NoError(t, err)
	require.NoError(t, shake(t, server, client))
}

func TestCAAsksTheWorkstationForACertificate(t *testing.T) {
	folder := t.TempDir()
	pair, err := makeCertificate("", x509.ExtKeyUsageClientAuth, time.Now())
	require.NoError(t, err)
	cert, key := writePair(t, folder, pair)
	server, trust, _, err := serverTLS(config{address: "tls://127.0.0.1:0", ca: cert})
	require.NoError(t, err)
	client, err := clientTLS(config{address: "tls://127.0.0.1:0", trust: trust})
	require.NoError(t, err)
	require.Error(t, shake(t, server, client))
	client, err = clientTLS(config{address: "tls://127.0.0.1:0", trust: trust, cert: cert, key: key})
	require.NoError(t, err)
	require.NoError(t, shake(t, server, client))
}

func TestTLSErrorsNameTheFlag(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	_, err := clientTLS(config{address: "tls://x:1", ca: empty})
	require.ErrorContains(t, err, "-ca")
	_, err = clientTLS(config{address: "tls://x:1", ca: empty + "?"})
	require.ErrorContains(t, err, "-ca")
	_, _, _, err = serverTLS(config{address: "tls://x:1", cert: empty, key: empty})
	require.ErrorContains(t, err, "-cert, -key")
	conf, err := clientTLS(config{address: "tcp://x:1"})
	require.NoError(t, err)
	assert.Nil(t, conf)
}

func writePair(t *testing.T, folder string, pair tls.Certificate) (cert, key string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	require.NoError(t, err)
	cert, key = filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	return cert, key
}
