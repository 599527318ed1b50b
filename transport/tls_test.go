package transport

import (
	"context"
	"crypto/tls"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/internal/testca"
)

// old is a configuration that would also speak TLS 1.2.
func old(t *testing.T, ca *testca.Authority, name string) *tls.Config {
	t.Helper()
	return &tls.Config{
		Certificates: []tls.Certificate{ca.Issue(t, name)},
		RootCAs:      ca.Pool, ClientCAs: ca.Pool,
		MinVersion: tls.VersionTLS12,
	}
}

// shakeHands accepts one connection and does its handshake, beside the dial.
func shakeHands(t *testing.T, l net.Listener) (conn func() (*tls.Conn, error)) {
	t.Helper()
	ctx := bounded(t)
	type result struct {
		c   *tls.Conn
		err error
	}
	done := make(chan result, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			done <- result{nil, err}
			return
		}
		shaken, ok := c.(*tls.Conn)
		if !ok {
			done <- result{nil, net.UnknownNetworkError("not TLS")}
			return
		}
		done <- result{shaken, shaken.HandshakeContext(ctx)}
	}()
	return func() (*tls.Conn, error) {
		r := <-done
		if r.c != nil {
			closing(t, r.c.NetConn())
		}
		return r.c, r.err
	}
}

func TestTLSWithClientCertificate(t *testing.T) {
	ca := testca.New(t)
	server := old(t, ca, "server")
	server.ClientAuth = tls.RequireAndVerifyClientCert
	for _, host := range []string{"127.0.0.1", "[::1]"} {
		l := listen(t, "tls://"+host+":0", server, Options{})
		a, ok := ListenerAddress(l)
		require.True(t, ok)
		require.Equal(t, TLS, a.Scheme())
		accepted := shakeHands(t, l)
		client := old(t, ca, "camera 3")
		c, err := Dial(bounded(t), a, client, Options{NotSentLowat: lowat()})
		require.NoError(t, err)
		closing(t, c.(*tls.Conn).NetConn())
		s, err := accepted()
		require.NoError(t, err)
		assert.Equal(t, uint16(tls.VersionTLS13), s.ConnectionState().Version)
		assert.Equal(t, "camera 3", s.ConnectionState().PeerCertificates[0].Subject.CommonName)
		assert.Equal(t, "server", c.(*tls.Conn).ConnectionState().PeerCertificates[0].Subject.CommonName)
		talk(t, c, s)
		assert.Empty(t, client.ServerName, "the caller's configuration is not written to")
		assert.Equal(t, uint16(tls.VersionTLS12), client.MinVersion)
		assert.Equal(t, uint16(tls.VersionTLS12), server.MinVersion)
	}
}

func TestTLSRefuses(t *testing.T) {
	ca := testca.New(t)
	stranger := testca.New(t)
	demanding := old(t, ca, "server")
	demanding.ClientAuth = tls.RequireAndVerifyClientCert
	misnamed := old(t, ca, "client")
	misnamed.ServerName = "another"
	for name, test := range map[string]struct {
		server, client *tls.Config
		atServer       string // else at the dialler
	}{
		"no client certificate":       {demanding, &tls.Config{RootCAs: ca.Pool, MinVersion: tls.VersionTLS13}, "certificate"},
		"a stranger's certificate":    {demanding, &tls.Config{RootCAs: ca.Pool, Certificates: []tls.Certificate{stranger.Issue(t, "x")}, MinVersion: tls.VersionTLS13}, "certificate"},
		"an unknown authority":        {old(t, ca, "server"), old(t, stranger, "client"), ""},
		"a server under another name": {old(t, ca, "server"), misnamed, ""},
		"the system's roots":          {old(t, ca, "server"), nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			l := listen(t, "tls://127.0.0.1:0", test.server, Options{})
			a, _ := ListenerAddress(l)
			accepted := shakeHands(t, l)
			c, err := Dial(bounded(t), a, test.client, Options{})
			if test.atServer == "" {
				require.ErrorContains(t, err, "tls handshake with 127.0.0.1:")
				require.ErrorContains(t, err, "certificate")
			} else {
				require.NoError(t, err, "in TLS 1.3 the client has finished first")
				closing(t, c.(*tls.Conn).NetConn())
			}
			_, err = accepted()
			require.ErrorContains(t, err, test.atServer)
		})
	}
}

// Nothing older than TLS 1.3 is spoken, whatever the configuration allows.
func TestTLSIsNew(t *testing.T) {
	ca := testca.New(t)
	late := old(t, ca, "server")
	late.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return old(t, ca, "server"), nil }
	for name, server := range map[string]*tls.Config{"at once": old(t, ca, "server"), "chosen for the client": late} {
		t.Run(name, func(t *testing.T) {
			l := listen(t, "tls://127.0.0.1:0", server, Options{})
			accepted := shakeHands(t, l)
			client := old(t, ca, "client")
			client.MaxVersion, client.ServerName = tls.VersionTLS12, "server"
			c, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String())
			require.NoError(t, err)
			closing(t, c)
			require.ErrorContains(t, tls.Client(c, client).HandshakeContext(bounded(t)), "protocol version")
			_, err = accepted()
			require.ErrorContains(t, err, "unsupported versions")
			_, err = Dial(bounded(t), address(t, "tls://"+l.Addr().String()), client, Options{})
			require.ErrorContains(t, err, "MaxVersion TLS 1.2")
		})
	}
	server := old(t, ca, "server")
	server.MaxVersion = tls.VersionTLS12
	_, err := Listen(t.Context(), address(t, "tls://127.0.0.1:0"), server, Options{})
	require.ErrorContains(t, err, "MaxVersion TLS 1.2")
}

func TestTLSNeedsACertificate(t *testing.T) {
	for _, config := range []*tls.Config{nil, {MinVersion: tls.VersionTLS13}} {
		_, err := Listen(t.Context(), address(t, "tls://127.0.0.1:0"), config, Options{})
		require.ErrorContains(t, err, "certificate")
	}
}

// A client that says nothing keeps nobody from being accepted.
func TestAcceptShakesNoHands(t *testing.T) {
	ca := testca.New(t)
	l := listen(t, "tls://127.0.0.1:0", old(t, ca, "server"), Options{})
	for range 3 {
		silent, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String())
		require.NoError(t, err)
		closing(t, silent)
		c, err := l.Accept()
		require.NoError(t, err)
		closing(t, c.(*tls.Conn).NetConn())
		assert.False(t, c.(*tls.Conn).ConnectionState().HandshakeComplete)
	}
}

// The handshake ends with the context, where the server says nothing.
func TestHandshakeEndsWithItsContext(t *testing.T) {
	l := listen(t, "tcp://127.0.0.1:0", nil, Options{})
	a := address(t, "tls://"+l.Addr().String())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := Dial(ctx, a, nil, Options{})
		done <- err
	}()
	c, err := l.Accept()
	require.NoError(t, err)
	closing(t, c)
	hello := make([]byte, 1)
	_, err = c.Read(hello)
	require.NoError(t, err)
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
}
