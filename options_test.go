package serpy_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/internal/testca"
	"github.com/serpy-go/serpy/serpytest"
	"github.com/serpy-go/serpy/transport"
)

// Over TLS both sides know whom they talk to, and a session resumes only for who
// began it.
func TestTLS(t *testing.T) {
	pki := testca.New(t)
	s, err := serpy.Listen("tls://127.0.0.1:0", &serpy.Options{
		TLS: &tls.Config{Certificates: []tls.Certificate{pki.Issue(t, "server")}, ClientCAs: pki.Pool, ClientAuth: tls.RequireAndVerifyClientCert},
		Authorize: func(_ context.Context, p serpy.Peer) error {
			if name := p.TLS.PeerCertificates[0].Subject.CommonName; name != "alice" {
				return fmt.Errorf("%s is not welcome", name)
			}
			return nil
		},
	})
	require.NoError(t, err)
	served := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { served <- s.Serve(ctx, echo) }()
	defer func() { cancel(); assert.NoError(t, <-served) }()
	alice, bob := pki.Issue(t, "alice"), pki.Issue(t, "bob")
	as := func(cert tls.Certificate) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: pki.Pool}
	}

	c, err := serpy.Dial(t.Context(), s.Address(), &serpy.Options{TLS: as(alice), Name: "alice"})
	require.NoError(t, err)
	defer c.Close()
	for _, size := range []int{0, 100, 100_000, 3 << 20} {
		m, err := c.Request(t.Context(), serpy.Message{Data: make([]byte, size)})
		require.NoError(t, err)
		require.Len(t, m.Data, size)
	}
	require.EqualValues(t, tls.VersionTLS13, c.Peer().TLS.Version)
	require.Equal(t, "alice", s.Connections()[0].Peer().TLS.PeerCertificates[0].Subject.CommonName)
	require.NoError(t, c.Reconnect())
	m, err := c.Request(t.Context(), serpy.TextMessage("resumed"))
	require.NoError(t, err)
	require.Equal(t, "resumed", m.String())
	require.EqualValues(t, 1, s.Stats().Accepted)

	var refused *serpy.RefusedError
	_, err = serpy.Dial(t.Context(), s.Address(), &serpy.Options{TLS: as(bob)})
	require.ErrorAs(t, err, &refused)
	require.Equal(t, serpy.RefusedError{Reason: "bob is not welcome", Final: true}, *refused)
	_, err = serpy.Dial(t.Context(), s.Address(), &serpy.Options{TLS: &tls.Config{RootCAs: pki.Pool}})
	require.Error(t, err, "without a certificate")
	named(t, err)
	_, err = serpy.Dial(t.Context(), s.Address(), nil)
	require.ErrorAs(t, err, new(*tls.CertificateVerificationError), "whom the system's roots do not know")
	var option *serpy.OptionError
	_, err = serpy.Dial(t.Context(), "tcp"+s.Address()[3:], &serpy.Options{TLS: as(alice)})
	require.ErrorAs(t, err, &option, "nothing would be encrypted")
	_, err = serpy.Dial(t.Context(), "tcp"+s.Address()[3:], &serpy.Options{HandshakeTimeout: time.Second})
	require.Error(t, err)
}

// A session that one client began is not another's to resume.
func TestResumeNeedsTheSameIdentity(t *testing.T) {
	pki := testca.New(t)
	s, err := serpy.Listen("tls://127.0.0.1:0", &serpy.Options{
		TLS: &tls.Config{Certificates: []tls.Certificate{pki.Issue(t, "server")}, ClientCAs: pki.Pool, ClientAuth: tls.VerifyClientCertIfGiven},
	})
	require.NoError(t, err)
	defer s.Close()
	config := &tls.Config{Certificates: []tls.Certificate{pki.Issue(t, "alice")}, RootCAs: pki.Pool, MinVersion: tls.VersionTLS13}
	now := make(chan *tls.Config, 1)
	now <- config
	c, err := serpy.Dial(t.Context(), s.Address(), &serpy.Options{
		Dial: func(ctx context.Context, address string) (net.Conn, error) {
			config := <-now
			now <- config
			a, err := transport.Parse(address)
			if err != nil {
				return nil, err
			}
			return transport.Dial(ctx, a, config, transport.Options{})
		},
	})
	require.NoError(t, err)
	require.NoError(t, c.SendAcked(t.Context(), []byte("secret")))
	<-now
	now <- &tls.Config{Certificates: []tls.Certificate{pki.Issue(t, "bob")}, RootCAs: pki.Pool, MinVersion: tls.VersionTLS13}
	require.NoError(t, c.Reconnect())
	<-c.Done()
	var refused *serpy.RefusedError
	require.ErrorAs(t, c.Err(), &refused)
	require.True(t, refused.Final)
	require.ErrorIs(t, c.Err(), net.ErrClosed)
	require.Contains(t, refused.Reason, "identity")
	require.EqualValues(t, 1, s.Stats().Refused)
}

func TestUnix(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // transport's tests know which Windows has them
	}
	dir, err := os.MkdirTemp("", "serpy") //nolint:usetesting // short: a socket's path is bounded
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "s")
	s, err := serpy.Listen("unix://"+path, &serpy.Options{Transport: transport.Options{UnixMode: 0o600}})
	require.NoError(t, err)
	require.Equal(t, "unix://"+path, s.Address())
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	l := serpytest.Listen(serpytest.Link{})
	require.NoError(t, s.AddListener(l), "one room, two doors")
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, echo) }()
	c := dial(t, s, nil)
	for _, size := range []int{0, 10, 100_000, 3 << 20} {
		m, err := c.Request(t.Context(), serpy.Message{Data: make([]byte, size)})
		require.NoError(t, err)
		require.Len(t, m.Data, size)
	}
	other := dialMemory(t, l, nil)
	missed, err := s.Broadcast(serpy.TextMessage("all"))
	require.NoError(t, err)
	require.Zero(t, missed)
	for _, c := range []*serpy.Connection{c, other} {
		m, err := c.Receive(t.Context())
		require.NoError(t, err)
		require.Equal(t, "all", m.String())
	}
	require.NoError(t, c.Close())
	require.NoError(t, other.Close())
	cancel()
	require.NoError(t, <-served)
	_, err = os.Stat(path)
	require.ErrorIs(t, err, os.ErrNotExist)
}

// A server without handlers: all messages in one loop.
func TestServerMessages(t *testing.T) {
	s, err := serpy.Listen("tcp://127.0.0.1:0", nil)
	require.NoError(t, err)
	defer s.Close()
	const clients, n = 4, 200
	for i := range clients {
		go func() {
			c, err := serpy.Dial(t.Context(), s.Address(), &serpy.Options{Name: fmt.Sprint(i)})
			if !assert.NoError(t, err) {
				return
			}
			for k := range n {
				assert.NoError(t, c.Send(t.Context(), fmt.Append(nil, k)))
			}
			assert.NoError(t, c.Close(), "it leaves at once: what it sent is there")
		}()
	}
	next := map[*serpy.Connection]int{}
	total := 0
	for c, m := range s.Messages(t.Context()) {
		require.Equal(t, fmt.Sprint(next[c]), m.String())
		next[c]++
		if total++; total == clients*n {
			break
		}
	}
	require.Len(t, next, clients)
}

func TestServerLists(t *testing.T) {
	s, err := serpy.Listen("tcp://127.0.0.1:0", nil)
	require.NoError(t, err)
	defer s.Close()
	require.Empty(t, s.Connections())
	a, b := dial(t, s, &serpy.Options{Name: "a"}), dial(t, s, &serpy.Options{Name: "b", Reconnect: serpy.Reconnect{Off: true}})
	sa, err := s.Accept(t.Context())
	require.NoError(t, err)
	sb, err := s.Accept(t.Context())
	require.NoError(t, err)
	require.Equal(t, []*serpy.Connection{sa, sb}, s.Connections())
	require.Equal(t, 2, s.Len())
	for c := range s.All() {
		require.Contains(t, []*serpy.Connection{sa, sb}, c)
		break
	}
	eventually(t, func() bool { return s.Stats() == (serpy.ServerStats{Connected: 2, Accepted: 2}) })
	require.Equal(t, a.ID(), sa.ID(), "the same on both sides")
	found, ok := s.Connection(b.ID())
	require.True(t, ok)
	require.Same(t, sb, found)
	_, ok = s.Connection("nobody")
	require.False(t, ok)
	require.Equal(t, "a", sa.Peer().Name)
	require.Equal(t, "native", sa.Peer().Wire)
	require.NotEqual(t, sb.Peer().Instance, sa.Peer().Instance, "an instance is a connection, and its life")
	require.Equal(t, a.Peer().Local.String(), sa.Peer().Remote.String())
	require.Equal(t, serpy.Guarantees{Confirms: true, Resumes: true, Correlates: true, CleanBinary: true, Metadata: true, Flow: true, Heartbeats: true, Blobs: true}, a.Guarantees())

	require.Empty(t, s.Readable())
	require.NoError(t, b.SendAcked(t.Context(), []byte("x")))
	require.Equal(t, []*serpy.Connection{sb}, s.Readable())
	stats := sb.Stats()
	require.Equal(t, 1, stats.ReceiveQueue.Messages)
	require.EqualValues(t, 0, stats.Delivered)
	m, ok := sb.TryReceive()
	require.True(t, ok)
	require.Equal(t, "x", m.String())
	require.Empty(t, s.Readable())
	require.EqualValues(t, 1, sb.Stats().Delivered)
	require.EqualValues(t, 1, b.Stats().Confirmed)
	eventually(t, func() bool { return b.Stats().SendQueue.Bytes == 0 }) // its write lets go of them

	require.NoError(t, s.StopAccepting())
	_, err = serpy.Dial(t.Context(), s.Address(), nil)
	require.ErrorAs(t, err, new(*serpy.RefusedError))
	refusals(t, s, 1)
	require.NoError(t, a.Reconnect(), "who is there may resume")
	require.NoError(t, a.SendAcked(t.Context(), nil))
	require.Equal(t, 2, s.Stats().Connected)
	require.NoError(t, b.Close())
	<-sb.Done()
	require.Equal(t, 1, s.Len())

	events := map[string]int{}
	for c, e := range s.Events(t.Context()) {
		who := ""
		if c != nil {
			who = c.Peer().Name
		}
		events[fmt.Sprintf("%s %T", who, e)]++
		if _, ok := e.(serpy.Closed); ok {
			break
		}
	}
	require.Equal(t, map[string]int{"a serpy.Connected": 2, "a serpy.Disconnected": 1, "b serpy.Connected": 1, "b serpy.Disconnected": 1, "b serpy.Closed": 1, " serpy.Refused": 1}, events)
}

// A failing Accept of the listener is waited out.
func TestTroubleOfTheListener(t *testing.T) {
	l := &failing{Listener: serpytest.Listen(serpytest.Link{}), errs: make(chan error, 3)}
	for range 3 {
		l.errs <- errors.New("too many open files")
	}
	s, err := serpy.NewServer(l, nil)
	require.NoError(t, err)
	defer s.Close()
	c := dialMemory(t, l.Listener, nil)
	require.NoError(t, c.SendAcked(t.Context(), nil))
}

type failing struct {
	*serpytest.Listener
	errs chan error
}

func (l *failing) Accept() (net.Conn, error) {
	select {
	case err := <-l.errs:
		return nil, err
	default:
		return l.Listener.Accept()
	}
}
