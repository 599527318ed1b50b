package transport

import (
	"crypto/tls"
	"errors"
	"io/fs"
	"math"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestValidate(t *testing.T) {
	for _, o := range []Options{
		{},
		{ReadBuffer: 1 << 30, WriteBuffer: 1, NotSentLowat: 1 << 30, Backlog: math.MaxInt32},
		{KeepAlive: -1, Congestion: "fifteen_letters", UnixMode: 0o777},
		{KeepAlive: 32767 * time.Second},
	} {
		require.NoError(t, o.Validate(), "%+v", o)
	}
	for _, test := range []struct {
		field string
		o     Options
	}{
		{"ReadBuffer", Options{ReadBuffer: -1}},
		{"ReadBuffer", Options{ReadBuffer: 1<<30 + 1}},
		{"WriteBuffer", Options{WriteBuffer: -1}},
		{"NotSentLowat", Options{NotSentLowat: -1}},
		{"Backlog", Options{Backlog: -1}},
		{"KeepAlive", Options{KeepAlive: 32768 * time.Second}},
		{"Congestion", Options{Congestion: "sixteen_letters_"}},
		{"Congestion", Options{Congestion: "cubic\x00"}},
		{"UnixMode", Options{UnixMode: fs.ModeSetuid | 0o600}},
		{"UnixMode", Options{UnixMode: 0o1777}},
	} {
		a := address(t, "127.0.0.1:0")
		_, dialErr := Dial(t.Context(), a, nil, test.o)
		_, listenErr := Listen(t.Context(), a, nil, test.o)
		for _, err := range []error{test.o.Validate(), dialErr, listenErr, Tune(nil, test.o)} {
			var wrong *OptionError
			require.ErrorAs(t, err, &wrong, test.field)
			assert.Equal(t, test.field, wrong.Field)
			assert.Contains(t, err.Error(), test.field)
		}
	}
}

func TestTuneLeavesAloneWhatHasNoSocket(t *testing.T) {
	a, b := net.Pipe()
	closing(t, a)
	closing(t, b)
	require.NoError(t, Tune(a, Options{ReadBuffer: 1 << 16, NotSentLowat: 1 << 14, Congestion: "nonesuch"}))
	require.NoError(t, Tune(circular{a}, Options{ReadBuffer: 1 << 16}))
	require.ErrorIs(t, SetNotSentLowat(a, 1<<14), errors.ErrUnsupported)
}

// circular is a wrapper that says that it wraps itself.
type circular struct{ net.Conn }

func (c circular) NetConn() net.Conn { return c }

func TestTuneOfAClosedConnection(t *testing.T) {
	l := closing(t, listen(t, "tcp://127.0.0.1:0", nil, Options{}))
	c, _ := pair(t, l, plainDial(t, Options{}))
	require.NoError(t, c.Close())
	require.ErrorIs(t, Tune(c, Options{}), net.ErrClosed)
	require.ErrorIs(t, Tune(c, Options{ReadBuffer: 1 << 16}), net.ErrClosed)
}

func TestPlain(t *testing.T) {
	tcp := closing(t, listen(t, "tcp://127.0.0.1:0", nil, Options{}))
	unix := closing(t, listen(t, "unix://"+slashPath(socketPath(t)), nil, Options{}))
	piped, other := net.Pipe()
	closing(t, piped)
	closing(t, other)
	for _, l := range []net.Listener{tcp, unix} {
		dialled, accepted := pair(t, l, plainDial(t, Options{}))
		for _, c := range []net.Conn{dialled, accepted} {
			raw, ok := Plain(c)
			require.True(t, ok)
			require.NoError(t, raw.Control(func(fd uintptr) { assert.NotZero(t, fd) }))
			for _, wrapped := range []net.Conn{tls.Client(c, &tls.Config{MinVersion: tls.VersionTLS13}), struct{ net.Conn }{c}} {
				raw, ok = Plain(wrapped)
				assert.False(t, ok, "%T", wrapped)
				assert.Nil(t, raw)
			}
		}
	}
	_, ok := Plain(piped)
	assert.False(t, ok)
}
