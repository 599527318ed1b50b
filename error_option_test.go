package serpy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/protocol"
	"github.com/serpy-go/serpy/transport"
)

func TestOptionError(t *testing.T) {
	long := strings.Repeat("x", 1025)
	for field, o := range map[string]serpy.Options{
		"Name":                 {Name: long},
		"Wires":                {Wires: []protocol.Codec{}},
		"MaxMessage":           {MaxMessage: 1<<30 + 1},
		"SendQueue.Policy":     {SendQueue: serpy.Queue{Policy: 99}},
		"SendQueue.Messages":   {SendQueue: serpy.Queue{Messages: 5 << 20}},
		"SendQueue.Bytes":      {SendQueue: serpy.Queue{Bytes: 1000}},
		"ReceiveQueue.Policy":  {ReceiveQueue: serpy.Queue{Policy: serpy.DropOldest}},
		"ReceiveQueue.Bytes":   {ReceiveQueue: serpy.Queue{Bytes: 1<<30 + 1}},
		"AckWhen":              {AckWhen: 9},
		"OnSessionLost":        {OnSessionLost: 9},
		"Reconnect.FirstDial":  {Reconnect: serpy.Reconnect{FirstDial: 9}},
		"Reconnect.Max":        {Reconnect: serpy.Reconnect{Min: time.Second, Max: time.Millisecond}},
		"Heartbeat":            {Heartbeat: time.Millisecond},
		"IdleTimeout":          {IdleTimeout: time.Second},
		"Transport.ReadBuffer": {Transport: transport.Options{ReadBuffer: -1}},
	} {
		t.Run(field, func(t *testing.T) {
			_, errDial := serpy.Dial(t.Context(), "localhost:1", &o)
			_, errListen := serpy.Listen("localhost:1", &o)
			_, errNew := serpy.NewServer(nil, &o)
			for _, err := range []error{errDial, errListen, errNew} {
				var option *serpy.OptionError
				require.ErrorAs(t, err, &option)
				require.Equal(t, field, option.Field)
				require.NotEmpty(t, option.Reason)
				named(t, err)
			}
		})
	}
	var option *serpy.OptionError
	_, err := serpy.Dial(t.Context(), "localhost:1", &serpy.Options{Wires: []protocol.Codec{nil}})
	require.ErrorAs(t, err, &option)
	_, err = serpy.Dial(t.Context(), "localhost:1", &serpy.Options{Wires: []protocol.Codec{serpy.Native, serpy.Native}})
	require.ErrorAs(t, err, &option, "a dialler speaks one wire")
	_, err = serpy.Listen("tls://localhost:0", nil)
	require.ErrorAs(t, err, &option, "a tls listener needs a certificate")
}

// Bad fields of a message are the caller's error: the peer never sees them.
func TestMessageErrors(t *testing.T) {
	c := dial(t, serve(t, nil, echo), nil)
	for _, m := range []serpy.Message{
		{Mode: 4},
		{Header: serpy.Header{"name": "\xff"}},
		{Header: serpy.Header{"\xff": "value"}},
	} {
		_, err := c.SendMessage(t.Context(), m)
		var option *serpy.OptionError
		require.ErrorAs(t, err, &option, "%v", m)
		named(t, err)
	}
	require.Error(t, c.SetSendQueue(serpy.Queue{Policy: 99}))
	require.NoError(t, c.Send(t.Context(), nil))
	_, err := c.Receive(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, c.Stats().Links)
	_, err = serpy.ValueMessage(struct{}{})
	named(t, err)
	_, err = serpy.Message{Type: serpy.Int, Data: []byte("x")}.Value()
	named(t, err)
}
